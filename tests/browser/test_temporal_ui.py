"""Temporal's web UI shows an operator the state and the next step, and sends signals."""

import asyncio
import time

from playwright.async_api import Browser, Page

from tests.support.service import WAIT_SECONDS, RunningService


async def test_a_recovery_reads_well_in_temporals_ui(browser: Browser, service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    context = await browser.new_context(viewport={"width": 1400, "height": 1000})
    page = await context.new_page()
    await page.goto((await recovery.fetch_view())["temporal_url"])
    await _wait_for_words(page, "next charge", "Timer Started", "read invoice and decline")
    await page.get_by_text("User Metadata").click()
    await _wait_for_words(page, f"Recovery of stripe invoice {recovery.invoice}", "RATE_LIMITED / VELOCITY", "waiting")
    await _send_signal(page, "cancel")
    await recovery.wait_for_unpaid_end("canceled")
    row = await recovery.fetch_only_event("operator.cancel_requested")
    assert row["data"]["actor"] == "temporal"
    await context.close()


async def _wait_for_words(page: Page, *words: str) -> None:
    """Waits until all words are visible, frames included."""
    deadline, text = time.monotonic() + WAIT_SECONDS, ""
    while not all(word in text for word in words):
        assert time.monotonic() < deadline, f"Temporal's UI never said {words}: {text[:2000]}"
        await asyncio.sleep(0.2)
        text = " ".join([await frame.locator("body").inner_text() for frame in page.frames])


async def _send_signal(page: Page, name: str) -> None:
    """Sends a signal of the workflow without input."""
    await page.get_by_role("button", name="More Actions").click()
    await page.get_by_role("menuitem", name="Send a Signal").click()
    dialog = page.get_by_role("dialog").filter(visible=True)
    await (
        dialog.locator("button", has=page.get_by_test_id("signal-select"))
        .or_(dialog.get_by_role("combobox"))
        .first.click()
    )
    await page.get_by_role("option", name=name, exact=True).click()
    await dialog.get_by_role("button", name="Submit").click()
