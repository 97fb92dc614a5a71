"""`/docs` works in a browser without anything from another host, and without a complaint of its content policy."""

from tests.browser.window import Window
from tests.support.service import RunningService


async def test_the_api_is_described_and_tried_out(window: Window, service: RunningService) -> None:
    await window.page.goto(f"{service.endpoints.api}/docs")
    await window.wait_for_words("Payments Risk Intelligence", "/v1/recoveries", "/webhooks/{provider}")
    alive = window.page.locator(".opblock", has_text="/healthz")
    await alive.locator(".opblock-summary-control").click()
    await alive.get_by_role("button", name="Try it out").click()
    await alive.get_by_role("button", name="Execute").click()
    await window.wait_for_words('"status": "alive"')
