"""The pictures of docs/admin.md: `make pictures` takes them anew, and every run checks that it can."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.window import Scheme, Window, open_browser_window
from tests.support.service import Recovery, RunningService

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "admin.md"
PAGES = {
    "dashboard": "/?days=30&currency=USD",
    "recoveries": "/recoveries",
    "reviews": "/reviews",
    "webhooks": "/webhooks",
    "policies": "/policies",
    "simulator": "/simulations",
    "messages": "/messages?language=de",
    "audit": "/audit",
}
"""By name of the picture; the recovery's own page, small and by night, comes besides."""
CODES = (
    "insufficient_funds", "do_not_honor", "expired_card", "stolen_card", "authentication_required",
    "card_velocity_exceeded", "processing_error", "fraudulent", "fraudulent",
)  # fmt: skip


async def test_every_page_has_a_picture(
    browser: Browser, service: RunningService, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = Path(request.config.getoption("--pictures") or tmp_path)
    recovery = await _prepare_recoveries(service)
    await _take_pictures(browser, service, recovery, folder, "", 1280, "light")
    await _take_pictures(browser, service, recovery, folder, "-dark", 1280, "dark")
    await _take_pictures(browser, service, recovery, folder, "-small", 360, "light")
    assert pictures_in_document() <= finished_pictures(folder)


def finished_pictures(folder: Path) -> set[str]:
    """The pictures that are more than an empty page."""
    return {path.name for path in folder.glob("*.png") if path.stat().st_size > 5_000}


def pictures_in_document() -> set[str]:
    """The pictures that the document shows."""
    return set(re.findall(r"\(images/([\w-]+\.png)\)", DOCUMENT.read_text()))


def test_the_document_shows_every_page() -> None:
    assert {f"{name}.png" for name in PAGES} <= pictures_in_document()


async def _prepare_recoveries(service: RunningService) -> Recovery:
    """A recovery that was declined once and waits; others are prepared beside it."""
    for index, code in enumerate(CODES):
        await service.create_failure(code, amount=1900 + 1300 * index)
    recovery = await service.create_failure(
        "insufficient_funds", amount=12900, script=("decline:insufficient_funds", "succeed")
    )
    await recovery.wait_for_event("charge.declined")
    await asyncio.sleep(1)
    return recovery


async def _take_pictures(
    browser: Browser, service: RunningService, recovery: Recovery, folder: Path, ending: str, width: int, scheme: Scheme
) -> None:
    async with open_browser_window(browser, service.endpoints.api, width, scheme) as window:
        await window.sign_in("admin", service.endpoints.key)
        for name, path in _pages_to_picture(recovery)[ending].items():
            await _take_picture(window, path, folder / f"{name}{ending}.png")


def _pages_to_picture(recovery: Recovery) -> dict[str, dict[str, str]]:
    """The pages by the suffix of their picture's name."""
    paths = {"recovery": f"/recoveries/stripe/{recovery.invoice}"}
    return {"": PAGES | paths, "-dark": {"dashboard": PAGES["dashboard"]}, "-small": paths}


async def _take_picture(window: Window, path: str, picture: Path) -> None:
    """Takes a picture of the visible page."""
    await window.open_page(path)
    await asyncio.sleep(0.3)
    await window.page.screenshot(path=picture)
