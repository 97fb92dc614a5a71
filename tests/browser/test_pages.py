"""The other pages of the admin console in use."""

from tests.browser.window import Window
from tests.support.service import RunningService


async def test_a_review_is_approved_and_another_rejected(operator: Window, service: RunningService) -> None:
    good, bad = await service.create_failure("fraudulent"), await service.create_failure("fraudulent")
    for recovery in (good, bad):
        await recovery.wait_for_state("in_review")
    for recovery, button, confirm in ((good, "Approve", "Approve"), (bad, "Reject", "Reject")):
        await operator.open_page("/reviews")
        review = operator.page.locator("li.review", has_text=recovery.invoice)
        panel = review.locator("details.act", has=operator.page.locator("summary", has_text=button))
        await panel.locator("summary").click()
        await panel.get_by_label("Reason").fill(f"looked at it: {button}")
        await operator.press_button(confirm, panel)
        await operator.wait_for_words(recovery.invoice)
    await good.wait_for_state("awaiting_customer")
    await bad.wait_for_state("blocked")
    reviewed = await bad.fetch_only_event("operator.reviewed")
    assert (reviewed["data"]["actor"], reviewed["data"]["decision"]) == ("oscar", "reject")


async def test_a_policy_is_checked_and_simulated(operator: Window) -> None:
    await operator.open_page("/policies")
    text = await operator.page.locator("pre").last.text_content() or ""
    await operator.page.get_by_role("link", name="Check a candidate").click()
    too_many, fewer = (text.replace("attempts_allowed = 4", f"attempts_allowed = {count}") for count in (99, 2))
    await operator.page.get_by_label("Policy (TOML)").fill(too_many)
    operator.expect_complaints("422 (Unprocessable")
    await operator.press_button("Check")
    await operator.wait_for_words("attempts_allowed", "less than or equal to 20")
    await operator.page.get_by_label("Policy (TOML)").fill(fewer)
    await operator.press_button("Check")
    await operator.wait_for_words("It can be used", "+attempts_allowed = 2", "-attempts_allowed = 4")
    await operator.press_button("Simulate this candidate")
    await operator.wait_for_words("Side by side", "The candidate recovers less")
    report = operator.page.frame_locator("iframe")
    assert "Candidate" in await report.locator("h1").inner_text()


async def test_a_dry_run_shows_how_far_it_is_and_can_be_canceled(operator: Window) -> None:
    await operator.open_page("/policies")
    text = await operator.page.locator("pre").last.text_content() or ""
    await operator.open_page("/simulations")
    if not await operator.page.locator("details[open]").count():
        await operator.page.get_by_text("New dry run").click()
    await operator.page.get_by_label("Candidate (TOML)").fill(text)
    await operator.page.get_by_label("Recoveries").fill("1000000")
    await operator.press_button("Start")
    await operator.wait_for_words("Running")
    assert await operator.page.locator("progress").count() == 1
    await operator.press_button("Cancel")
    await operator.wait_for_words("Canceled")


async def test_a_webhook_is_read_and_replayed(console: Window, service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    await console.open_page(f"/webhooks?q={recovery.invoice}")
    await console.page.locator("tbody th a, tbody td a").first.click()
    await console.wait_for_words("invoice.payment_failed", recovery.invoice)
    before = await recovery.fetch_event_types()
    await console.submit_command("Deliver again", "to see that nothing happens")
    await console.page.wait_for_load_state()
    assert await recovery.fetch_event_types() == before


async def test_a_chain_is_verified_and_the_audit_entry_written(console: Window, service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    await recovery.submit_command("pause", "seen in the audit")
    await console.open_page("/audit")
    await console.wait_for_words("seen in the audit")
    await console.page.get_by_label("Recovery", exact=False).last.fill(f"recovery-stripe-{recovery.invoice}")
    await console.press_button("Verify")
    await console.wait_for_words("intact")


async def test_a_card_shows_what_its_network_still_allows(viewer: Window, service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds")
    await recovery.wait_for_one_payment()
    await viewer.open_page(f"/recoveries/stripe/{recovery.invoice}")
    await viewer.page.get_by_role("link", name="All tries of this card").click()
    await viewer.wait_for_words("tries", recovery.invoice)


async def test_a_message_is_previewed_in_another_language(viewer: Window) -> None:
    await viewer.open_page("/messages")
    await viewer.page.get_by_label("Language").select_option("de")
    await viewer.press_button("Show")
    await viewer.wait_for_words("Guten Tag Jenny Rosen")


async def test_the_dashboard_agrees_with_the_summary(viewer: Window, service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds", amount=1234567, currency="nok")
    await recovery.wait_for_one_payment()
    await viewer.open_page("/?days=7&currency=NOK")
    await viewer.wait_for_words("NOK", "At risk")
    summary = (await service.api.get("/v1/summary", params={"currency": "NOK"})).json()["currencies"][0]
    assert summary["recovered"] % 100 == 67
    rows = await viewer.page.locator("section", has_text="By cause").locator("tbody").inner_text()
    assert f"{summary['recovered'] / 100:,.2f} NOK" in rows
    tile = viewer.page.locator(".tile").first
    await tile.get_by_role("button").hover()
    assert "may still come in" in await tile.inner_text()
