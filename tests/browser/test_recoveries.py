"""An operator finds a recovery, watches it, and acts on one or several."""

from tests.browser.window import Window
from tests.support.service import Recovery, RunningService

SLOW_CODE = "card_velocity_exceeded"


async def create_waiting_recovery(service: RunningService, code: str = SLOW_CODE) -> Recovery:
    recovery = await service.create_failure(code)
    await recovery.wait_for_event("retry.planned")
    return recovery


async def test_a_filter_finds_it_and_stays_in_the_address(operator: Window, service: RunningService) -> None:
    expected, other = await create_waiting_recovery(service), await create_waiting_recovery(service)
    await operator.page.get_by_role("link", name="Recoveries").click()
    await operator.page.get_by_label("Invoice or customer").fill(expected.invoice)
    await operator.page.get_by_label("State", exact=True).select_option("waiting")
    await operator.press_button("Filter")
    assert f"q={expected.invoice}" in operator.path
    assert "state=waiting" in operator.path
    text = await operator.page.locator("tbody").inner_text()
    assert expected.invoice in text
    assert other.invoice not in text
    await operator.page.get_by_role("link", name=expected.invoice).click()
    assert operator.path == f"/admin/recoveries/stripe/{expected.invoice}"


async def test_open_page_updates_live(operator: Window, service: RunningService) -> None:
    recovery = await create_waiting_recovery(service, "insufficient_funds")
    await operator.open_page(f"/recoveries/stripe/{recovery.invoice}")
    await operator.page.evaluate("window.sameDocument = true")
    await operator.wait_for_words("Recovered")
    await recovery.wait_for_one_payment()
    assert await operator.page.evaluate("window.sameDocument") is True
    assert not await operator.page.get_by_text("Retry now", exact=True).count()


async def test_retry_now(operator: Window, service: RunningService) -> None:
    recovery = await create_waiting_recovery(service)
    await operator.open_page(f"/recoveries/stripe/{recovery.invoice}")
    await operator.submit_command("Retry now", "the customer called")
    await operator.wait_for_words("the customer called", "Recovered")
    await recovery.wait_for_one_payment()
    row = await recovery.fetch_only_event("operator.retry_requested")
    assert (row["data"]["actor"], row["data"]["reason"]) == ("oscar", "the customer called")


async def test_cancel(operator: Window, service: RunningService) -> None:
    recovery = await create_waiting_recovery(service)
    await operator.open_page(f"/recoveries/stripe/{recovery.invoice}")
    await operator.submit_command("Cancel", "we forgive it", "Cancel the recovery")
    await operator.wait_for_words("Canceled. Nothing is charged any more.", "we forgive it")
    await recovery.wait_for_unpaid_end("canceled")


async def test_refusal_shows_the_workflows_reason(operator: Window, service: RunningService) -> None:
    recovery = await create_waiting_recovery(service)
    await operator.open_page(f"/recoveries/stripe/{recovery.invoice}")
    panel = operator.page.locator("details.act", has_text="Retry now")
    await panel.locator("summary").click()
    await panel.get_by_label("Reason").fill("too late")
    await recovery.submit_command("cancel", "somebody else was quicker")
    await operator.press_button("Retry now", panel)
    await operator.wait_for_words("ended canceled")
    assert await recovery.fetch_pay_calls() == []


async def test_selected_recoveries_are_paused_together(operator: Window, service: RunningService) -> None:
    some = [await create_waiting_recovery(service) for _ in range(3)]
    await operator.open_page("/recoveries?state=waiting")
    for recovery in some[:2]:
        row = operator.page.locator("tr", has_text=recovery.invoice)
        await row.get_by_role("checkbox").check()
    await operator.wait_for_words("2 chosen")
    await operator.press_button("Pause…")
    await operator.wait_for_words("Pause 2 recoveries?", some[0].invoice)
    assert (await some[0].fetch_view())["state"] == "waiting"
    await operator.page.get_by_label("Reason").fill("the bank has trouble")
    await operator.press_button("Pause 2")
    await operator.wait_for_words("What came of it", some[0].invoice, some[1].invoice, "Done")
    assert [(await recovery.fetch_view())["state"] for recovery in some] == ["paused", "paused", "waiting"]
    paused = await some[1].fetch_only_event("operator.paused")
    assert (paused["data"]["actor"], paused["data"]["reason"]) == ("oscar", "the bank has trouble")


async def test_list_is_exported_as_csv(operator: Window, service: RunningService) -> None:
    recovery = await create_waiting_recovery(service)
    await operator.open_page(f"/recoveries?q={recovery.invoice}")
    async with operator.page.expect_download() as download_info:
        await operator.page.get_by_role("link", name="Export as CSV").click()
    download = await download_info.value
    text = (await download.path()).read_text()
    assert download.suggested_filename.endswith(".csv")
    assert recovery.invoice in text
