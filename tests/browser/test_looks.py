"""Every page of the menu: readable by everybody, on any screen, by day and by night, with a keyboard alone."""

import pytest
from playwright.async_api import Browser

from api.admin.pages import MENU
from tests.browser.window import Scheme, Window, opened
from tests.support.world import World

PLACES = ["/" + place for place, _, _ in MENU]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light")])
async def test_nothing_bars_anybody(browser: Browser, world: World, width: int, scheme: Scheme) -> None:
    recovery = await world.fails("insufficient_funds", invoice_id=f"in_{width}{scheme}" + "long" * 20)
    await recovery.until_event("retry.planned")
    async with opened(browser, world.place.api, width, scheme) as window:
        await window.go("/login")
        found = {"/login": [*await window.faults(), *await _too_wide(window)]}
        await window.sign_in("admin", world.place.key)
        for place in [*PLACES, f"/recoveries/stripe/{recovery.invoice}", "/policies/candidate"]:
            answer = await window.go(place)
            assert answer.status == 200, place
            found[place] = [*await window.faults(), *await _too_wide(window)]
    assert not {place: faults for place, faults in found.items() if faults}


async def _too_wide(window: Window) -> list[str]:
    over = await window.overflow()
    return [f"{over} px wider than the window"] if over > 0 else []


async def test_a_keyboard_is_enough(operator: Window, world: World) -> None:
    recovery = await world.fails("card_velocity_exceeded")
    await recovery.until_event("retry.planned")
    await operator.go(f"/recoveries/stripe/{recovery.invoice}")
    keyboard = operator.page.keyboard
    await keyboard.press("Tab")
    assert await _focused(operator) == "Skip to the content"
    await keyboard.press("Enter")
    for _ in range(60):
        await keyboard.press("Tab")
        if await _focused(operator) == "Pause":
            break
    await keyboard.press("Enter")
    # The panel is told of its opening in a task of its own; whoever types sooner than that is no person.
    await operator.page.wait_for_function("document.activeElement.matches('details.act input')", timeout=5_000)
    await keyboard.type("by keyboard")
    await keyboard.press("Enter")
    await operator.page.wait_for_load_state()
    await recovery.until_event("operator.paused")


async def _focused(window: Window) -> str:
    return str(await window.page.evaluate("document.activeElement.textContent.trim()"))


async def test_an_escape_folds_a_panel_and_keeps_the_place(operator: Window, world: World) -> None:
    recovery = await world.fails("card_velocity_exceeded")
    await recovery.until_event("retry.planned")
    await operator.go(f"/recoveries/stripe/{recovery.invoice}")
    cancel = operator.page.locator("details.act summary", has_text="Cancel")
    await cancel.click()
    await operator.page.keyboard.press("Escape")
    assert await _focused(operator) == (await cancel.inner_text()).strip()
    assert not await operator.page.locator("details.act[open]").count()
