"""A real browser at the running stack; every window fails on complaints of the browser."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from playwright.async_api import Browser, async_playwright

from devstack.errors import DevstackError
from tests.browser.window import FLAGS, Window, open_browser_window
from tests.support import stacks
from tests.support.service import RunningService
from tests.support.stack_fixtures import service, stack
from tests.tools import browser as chromium

__all__ = ["service", "stack"]
Open = Callable[..., AbstractAsyncContextManager[Window]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium with a temporary profile."""
    try:
        path = chromium.ensure_browser()
    except DevstackError as error:
        pytest.skip(str(error))
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        await running.close()


@pytest.fixture
def open_window(browser: Browser, service: RunningService) -> Open:
    """Opens windows without a session."""
    return partial(open_browser_window, browser, service.endpoints.api)


@pytest.fixture
async def window(open_window: Open) -> AsyncIterator[Window]:
    """A window without a session."""
    async with open_window() as opened_window:
        yield opened_window


@pytest.fixture
async def console(window: Window, service: RunningService) -> Window:
    """A window of the administrator."""
    await window.sign_in("admin", service.endpoints.key)
    return window


@pytest.fixture
async def operator(window: Window) -> Window:
    """A window of an operator."""
    await window.sign_in("oscar", stacks.PASSWORD)
    return window


@pytest.fixture
async def viewer(window: Window) -> Window:
    """A window of a viewer."""
    await window.sign_in("vera", stacks.PASSWORD)
    return window
