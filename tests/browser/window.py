"""One window of a real browser: actions, text, and the browser's complaints."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, Response

from tests.support.service import WAIT_SECONDS

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
Scheme = Literal["light", "dark"]


@dataclass
class Window:
    """A window on the admin console at `base`."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    expected_complaints: list[str] = field(default_factory=list)

    async def open_page(self, path: str) -> Response:
        """The response of a page below /admin."""
        answer = await self.page.goto(f"{self.base}/admin{path}")
        assert answer is not None
        return answer

    async def sign_in(self, name: str, password: str, path: str = "/") -> None:
        """Signs in through the form."""
        await self.open_page(path)
        await self.page.get_by_label("User name").fill(name)
        await self.page.get_by_label("Password").fill(password)
        await self.press_button("Sign in")

    async def press_button(self, name: str, scope: Locator | None = None) -> None:
        """Presses a button and waits for the next page."""
        await (scope or self.page.locator("main")).get_by_role("button", name=name, exact=True).click()
        await self.page.wait_for_load_state()

    async def submit_command(self, name: str, reason: str, button: str = "") -> None:
        """Opens the commands, enters a reason and submits one."""
        panel = self.page.locator("details.act", has=self.page.locator("summary", has_text=re.compile(f"^{name}$")))
        await panel.locator("summary").click()
        await panel.get_by_label("Reason").fill(reason)
        await self.press_button(button or name, panel)

    @property
    def path(self) -> str:
        """The path of the page."""
        parts = urlsplit(self.page.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    async def read_text(self) -> str:
        """The visible text of the page."""
        return await self.page.locator("body").inner_text()

    async def wait_for_words(self, *words: str) -> None:
        """Waits until all words are visible, without reloading."""
        await self.wait_until(lambda: self._shows_words(words), f"the page never said {words}")

    async def _shows_words(self, words: tuple[str, ...]) -> bool:
        text = (await self.read_text()).lower()
        return all(word.lower() in text for word in words)

    async def wait_until(self, condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        """Waits until the condition holds."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not await condition():
            assert time.monotonic() < deadline, f"{otherwise}; it says: {(await self.read_text())[:3000]}"
            await asyncio.sleep(0.1)

    async def accessibility_faults(self) -> list[str]:
        """The problems that the accessibility checker finds: WCAG AA and best practices."""
        options = {"runOnly": {"type": "tag", "values": list(AXE_TAGS)}, "resultTypes": ["violations"]}
        results = await Axe().run(self.page, options=options)
        return [
            f"{violation['id']}: {violation['help']}: {[node['html'][:160] for node in violation['nodes'][:3]]}"
            for violation in results.response["violations"]
        ]

    async def overflow_pixels(self) -> int:
        """The pixels by which the page is wider than the window."""
        return int(await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def expect_complaints(self, *parts: str) -> None:
        """Declares complaints with these words as expected."""
        self.expected_complaints += parts

    def unexpected_complaints(self) -> list[str]:
        """The browser's complaints that were not expected."""
        return [
            complaint
            for complaint in self.complaints
            if not any(part in complaint for part in self.expected_complaints)
        ]


@asynccontextmanager
async def open_browser_window(
    browser: Browser, base: str, width: int = 1280, scheme: Scheme = "light"
) -> AsyncIterator[Window]:
    """A window with cookies of its own. It fails at its end where the browser complained."""
    context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    window = Window(await context.new_page(), base)
    _listen_for_complaints(window)
    try:
        yield window
    finally:
        await context.close()
    assert window.unexpected_complaints() == []


def _listen_for_complaints(window: Window) -> None:
    def note_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            window.complaints.append(f"{message.type}: {message.text}")

    def note_request(request: Request) -> None:
        if not request.url.startswith((window.base, "data:", "blob:")):
            window.complaints.append(f"left the origin: {request.url}")

    window.page.on("console", note_console)
    window.page.on("request", note_request)
    window.page.on("pageerror", lambda error: window.complaints.append(f"script: {error}"))
