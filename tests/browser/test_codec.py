"""Temporal's web UI shows encrypted payloads to those who are signed in to the admin console in the same browser."""

import asyncio
import base64
import json
import time

from playwright.async_api import Browser, Page

from tests.support import stacks
from tests.support.service import WAIT_SECONDS, endpoints_of, open_service

KEYS = f"new:{base64.b64encode(b'n' * 32).decode()},old:{base64.b64encode(b'o' * 32).decode()}"


def codec_choice(api: str) -> str:
    """The script that chooses our endpoint, as the dialog of Temporal's web UI stores it."""
    chosen = {
        "endpoint": f"{api}/admin/codec",
        "includeCredentials": True,
        "overrideRemoteCodecConfiguration": True,
    }
    lines = (
        f"localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(value))});" for name, value in chosen.items()
    )
    return "".join(lines)


async def test_who_is_signed_in_reads_payloads_in_temporals_ui(browser: Browser) -> None:
    with stacks.running_stack({"PAYLOAD_ENCRYPTION_KEYS": KEYS}) as stack:
        async with open_service(endpoints_of(stack), stack) as service:
            recovery = await service.create_failure("card_velocity_exceeded")
            await recovery.wait_for_event("retry.planned")
            summary = f"Recovery of stripe invoice {recovery.invoice}"
            context = await browser.new_context(viewport={"width": 1400, "height": 1000})
            await context.add_init_script(codec_choice(stack.addresses.api))
            page, address = await context.new_page(), (await recovery.fetch_view())["temporal_url"]
            await _open_metadata(page, address)
            assert summary not in await page.locator("body").inner_text()
            await _sign_in(await context.new_page(), stack.addresses.api)
            await _open_metadata(page, address)
            await _wait_for_words(page, summary)
            await context.close()


async def _sign_in(page: Page, api: str) -> None:
    await page.goto(f"{api}/admin/")
    await page.get_by_label("User name").fill("oscar")
    await page.get_by_label("Password").fill(stacks.PASSWORD)
    await page.locator("main").get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_load_state()


async def _open_metadata(page: Page, address: str) -> None:
    await page.goto(address)
    await _wait_for_words(page, "Timer Started")
    await page.get_by_text("User Metadata").click()
    await asyncio.sleep(2)


async def _wait_for_words(page: Page, words: str) -> None:
    deadline, text = time.monotonic() + WAIT_SECONDS, ""
    while words not in text:
        assert time.monotonic() < deadline, f"Temporal's UI never said {words}: {text[:2000]}"
        await asyncio.sleep(0.2)
        text = " ".join([await frame.locator("body").inner_text() for frame in page.frames])
