"""The other pages of the desk, as they are used."""

from tests.browser.window import Window
from tests.support.world import World


async def test_a_review_is_approved_and_another_rejected(operator: Window, world: World) -> None:
    good, bad = await world.fails("fraudulent"), await world.fails("fraudulent")
    for one in (good, bad):
        await one.until("in_review")
    for one, button, confirm in ((good, "Approve", "Approve"), (bad, "Reject", "Reject")):
        await operator.go("/reviews")
        review = operator.page.locator("li.review", has_text=one.invoice)
        panel = review.locator("details.act", has=operator.page.locator("summary", has_text=button))
        await panel.locator("summary").click()
        await panel.get_by_label("Reason").fill(f"looked at it: {button}")
        await operator.press(confirm, panel)
        await operator.reads(one.invoice)
    await good.until("awaiting_customer")
    await bad.until("blocked")
    reviewed = await bad.only("operator.reviewed")
    assert (reviewed["data"]["actor"], reviewed["data"]["decision"]) == ("oscar", "reject")


async def test_a_policy_is_checked_and_simulated(operator: Window) -> None:
    await operator.go("/policies")
    text = await operator.page.locator("pre").last.text_content() or ""
    await operator.page.get_by_role("link", name="Check a candidate").click()
    too_many, fewer = (text.replace("attempts_allowed = 4", f"attempts_allowed = {count}") for count in (99, 2))
    await operator.page.get_by_label("Policy (TOML)").fill(too_many)
    operator.forgive("422 (Unprocessable")
    await operator.press("Check")
    await operator.reads("attempts_allowed", "less than or equal to 20")
    await operator.page.get_by_label("Policy (TOML)").fill(fewer)
    await operator.press("Check")
    await operator.reads("It can be used", "+attempts_allowed = 2", "-attempts_allowed = 4")
    await operator.press("Simulate this candidate")
    await operator.reads("Side by side", "The candidate recovers less")
    report = operator.page.frame_locator("iframe")
    assert "Candidate" in await report.locator("h1").inner_text()


async def test_a_dry_run_shows_how_far_it_is_and_can_be_canceled(operator: Window) -> None:
    await operator.go("/policies")
    text = await operator.page.locator("pre").last.text_content() or ""
    await operator.go("/simulations")
    if not await operator.page.locator("details[open]").count():
        await operator.page.get_by_text("New dry run").click()
    await operator.page.get_by_label("Candidate (TOML)").fill(text)
    await operator.page.get_by_label("Recoveries").fill("1000000")
    await operator.press("Start")
    await operator.reads("Running")
    assert await operator.page.locator("progress").count() == 1
    await operator.press("Cancel")
    await operator.reads("Canceled")


async def test_a_webhook_is_read_and_replayed(desk: Window, world: World) -> None:
    recovery = await world.fails("card_velocity_exceeded")
    await recovery.until_event("retry.planned")
    await desk.go(f"/webhooks?q={recovery.invoice}")
    await desk.page.locator("tbody th a, tbody td a").first.click()
    await desk.reads("invoice.payment_failed", recovery.invoice)
    before = await recovery.story()
    await desk.act("Deliver again", "to see that nothing happens")
    await desk.page.wait_for_load_state()
    assert await recovery.story() == before


async def test_a_chain_is_verified_and_the_deed_noted(desk: Window, world: World) -> None:
    recovery = await world.fails("card_velocity_exceeded")
    await recovery.until_event("retry.planned")
    await recovery.ask("pause", "seen in the audit")
    await desk.go("/audit")
    await desk.reads("seen in the audit")
    await desk.page.get_by_label("Recovery", exact=False).last.fill(f"recovery-stripe-{recovery.invoice}")
    await desk.press("Verify")
    await desk.reads("intact")


async def test_a_card_shows_what_its_network_still_allows(viewer: Window, world: World) -> None:
    recovery = await world.fails("insufficient_funds")
    await recovery.recovered_once()
    await viewer.go(f"/recoveries/stripe/{recovery.invoice}")
    await viewer.page.get_by_role("link", name="All tries of this card").click()
    await viewer.reads("tries", recovery.invoice)


async def test_a_letter_is_previewed_in_another_language(viewer: Window) -> None:
    await viewer.go("/messages")
    await viewer.page.get_by_label("Language").select_option("de")
    await viewer.press("Show")
    await viewer.reads("Guten Tag Jenny Rosen")


async def test_the_dashboard_agrees_with_the_summary(viewer: Window, world: World) -> None:
    recovery = await world.fails("insufficient_funds", amount=1234567, currency="nok")
    await recovery.recovered_once()
    await viewer.go("/?days=7&currency=NOK")
    await viewer.reads("NOK", "At risk")
    summary = (await world.api.get("/v1/summary", params={"currency": "NOK"})).json()["currencies"][0]
    assert summary["recovered"] % 100 == 67
    rows = await viewer.page.locator("section", has_text="By cause").locator("tbody").inner_text()
    assert f"NOK{summary['recovered'] / 100:,.2f}" in rows.replace("\xa0", "")
    tile = viewer.page.locator(".tile").first
    await tile.get_by_role("button").hover()
    assert "may still come in" in await tile.inner_text()
