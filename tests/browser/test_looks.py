"""Every page of the menu: accessible, on any screen, light and dark, with a keyboard alone."""

import pytest
from playwright.async_api import Browser

from api.admin.pages import MENU
from tests.browser.window import Scheme, Window, open_browser_window
from tests.support.service import RunningService

PATHS = ["/" + path for path, _, _ in MENU]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light")])
async def test_pages_are_accessible_and_do_not_overflow(
    browser: Browser, service: RunningService, width: int, scheme: Scheme
) -> None:
    recovery = await service.create_failure("insufficient_funds", invoice_id=f"in_{width}{scheme}" + "long" * 20)
    await recovery.wait_for_event("retry.planned")
    async with open_browser_window(browser, service.endpoints.api, width, scheme) as window:
        await window.open_page("/login")
        faults = {"/login": [*await window.accessibility_faults(), *await _overflowing_elements(window)]}
        await window.sign_in("admin", service.endpoints.key)
        for path in [*PATHS, f"/recoveries/stripe/{recovery.invoice}", "/policies/candidate"]:
            answer = await window.open_page(path)
            assert answer.status == 200, path
            faults[path] = [*await window.accessibility_faults(), *await _overflowing_elements(window)]
    assert not {path: faults for path, faults in faults.items() if faults}


async def _overflowing_elements(window: Window) -> list[str]:
    overflow = await window.overflow_pixels()
    return [f"{overflow} px wider than the window"] if overflow > 0 else []


async def test_a_keyboard_is_enough(operator: Window, service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    await operator.open_page(f"/recoveries/stripe/{recovery.invoice}")
    keyboard = operator.page.keyboard
    await keyboard.press("Tab")
    assert await _focused_element(operator) == "Skip to the content"
    await keyboard.press("Enter")
    for _ in range(60):
        await keyboard.press("Tab")
        if await _focused_element(operator) == "Pause":
            break
    await keyboard.press("Enter")
    # The panel is told of its opening in a task of its own; whoever types sooner than that is no person.
    await operator.page.wait_for_function("document.activeElement.matches('details.act input')", timeout=5_000)
    await keyboard.type("by keyboard")
    await keyboard.press("Enter")
    await operator.page.wait_for_load_state()
    await recovery.wait_for_event("operator.paused")


async def _focused_element(window: Window) -> str:
    return str(await window.page.evaluate("document.activeElement.textContent.trim()"))


async def test_an_escape_folds_a_panel_and_keeps_the_place(operator: Window, service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    await operator.open_page(f"/recoveries/stripe/{recovery.invoice}")
    cancel = operator.page.locator("details.act summary", has_text="Cancel")
    await cancel.click()
    await operator.page.keyboard.press("Escape")
    assert await _focused_element(operator) == (await cancel.inner_text()).strip()
    assert not await operator.page.locator("details.act[open]").count()
