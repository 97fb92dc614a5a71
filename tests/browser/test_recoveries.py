"""An operator's day: find a recovery, watch it, act on it, and on many at once."""

from tests.browser.window import Window
from tests.support.world import Recovery, World

SLOW = "card_velocity_exceeded"


async def waiting(world: World, code: str = SLOW) -> Recovery:
    recovery = await world.fails(code)
    await recovery.until_event("retry.planned")
    return recovery


async def test_a_filter_finds_it_and_stays_in_the_address(operator: Window, world: World) -> None:
    wanted, other = await waiting(world), await waiting(world)
    await operator.page.get_by_role("link", name="Recoveries").click()
    await operator.page.get_by_label("Invoice or customer").fill(wanted.invoice)
    await operator.page.get_by_label("State", exact=True).select_option("waiting")
    await operator.press("Filter")
    assert f"q={wanted.invoice}" in operator.path
    assert "state=waiting" in operator.path
    text = await operator.page.locator("tbody").inner_text()
    assert wanted.invoice in text
    assert other.invoice not in text
    await operator.page.get_by_role("link", name=wanted.invoice).click()
    assert operator.path == f"/admin/recoveries/stripe/{wanted.invoice}"


async def test_a_page_changes_while_it_is_looked_at(operator: Window, world: World) -> None:
    recovery = await waiting(world, "insufficient_funds")
    await operator.go(f"/recoveries/stripe/{recovery.invoice}")
    await operator.page.evaluate("window.sameDocument = true")
    await operator.reads("Recovered")
    await recovery.recovered_once()
    assert await operator.page.evaluate("window.sameDocument") is True
    assert not await operator.page.get_by_text("Retry now", exact=True).count()


async def test_retry_now(operator: Window, world: World) -> None:
    recovery = await waiting(world)
    await operator.go(f"/recoveries/stripe/{recovery.invoice}")
    await operator.act("Retry now", "the customer called")
    await operator.reads("the customer called", "Recovered")
    await recovery.recovered_once()
    asked = await recovery.only("operator.retry_requested")
    assert (asked["data"]["actor"], asked["data"]["reason"]) == ("oscar", "the customer called")


async def test_cancel(operator: Window, world: World) -> None:
    recovery = await waiting(world)
    await operator.go(f"/recoveries/stripe/{recovery.invoice}")
    await operator.act("Cancel", "we forgive it", "Cancel the recovery")
    await operator.reads("Canceled. Nothing is charged any more.", "we forgive it")
    await recovery.ended_unpaid("canceled")


async def test_a_refusal_says_what_the_workflow_says(operator: Window, world: World) -> None:
    recovery = await waiting(world)
    await operator.go(f"/recoveries/stripe/{recovery.invoice}")
    panel = operator.page.locator("details.act", has_text="Retry now")
    await panel.locator("summary").click()
    await panel.get_by_label("Reason").fill("too late")
    await recovery.ask("cancel", "somebody else was quicker")
    await operator.press("Retry now", panel)
    await operator.reads("ended canceled")
    assert await recovery.pay_calls() == []


async def test_many_are_paused_at_once(operator: Window, world: World) -> None:
    some = [await waiting(world) for _ in range(3)]
    await operator.go("/recoveries?state=waiting")
    for one in some[:2]:
        row = operator.page.locator("tr", has_text=one.invoice)
        await row.get_by_role("checkbox").check()
    await operator.reads("2 chosen")
    await operator.press("Pause…")
    await operator.reads("Pause 2 recoveries?", some[0].invoice)
    assert (await some[0].view())["state"] == "waiting"
    await operator.page.get_by_label("Reason").fill("the bank has trouble")
    await operator.press("Pause 2")
    await operator.reads("What came of it", some[0].invoice, some[1].invoice, "Done")
    assert [(await one.view())["state"] for one in some] == ["paused", "paused", "waiting"]
    paused = await some[1].only("operator.paused")
    assert (paused["data"]["actor"], paused["data"]["reason"]) == ("oscar", "the bank has trouble")


async def test_the_list_goes_into_a_spreadsheet(operator: Window, world: World) -> None:
    recovery = await waiting(world)
    await operator.go(f"/recoveries?q={recovery.invoice}")
    async with operator.page.expect_download() as begun:
        await operator.page.get_by_role("link", name="Export as CSV").click()
    download = await begun.value
    written = (await download.path()).read_text()
    assert download.suggested_filename.endswith(".csv")
    assert recovery.invoice in written
