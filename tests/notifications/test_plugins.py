"""Channels by entry point; the documented example works."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.errors import InvalidInput, NotDelivered
from notifications import channels
from notifications.apprise_urls import AppriseChannel, AppriseOperators
from tests.notifications.conftest import JENNY, a_message
from tests.notifications.receiver import receiver

DOCUMENT = Path(__file__).parents[2] / "docs" / "plugins.md"


def load_example() -> ModuleType:
    """The documented channel, imported."""
    match = re.search(r"```python title=\"acme_push.py\"\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert match
    module = ModuleType("acme_push")
    exec(match[1], module.__dict__)
    return module


def test_the_example_is_about_thirty_lines() -> None:
    match = re.search(r"```python title=\"acme_push.py\"\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert match
    assert len([line for line in match[1].splitlines() if line.strip()]) <= 35


async def test_the_example_of_the_document_works() -> None:
    async with receiver() as listening:
        push = load_example().channel({"ACME_PUSH_URL": listening.url})
        await push.send(a_message())
        ((_, body),) = listening.posts
        assert b'"user":"jenny@example.com"' in body
        assert b"https://pay.example.com/in_1" in body
        listening.status = 422
        with pytest.raises(NotDelivered) as refused:
            await push.send(a_message())
        assert refused.value.permanent
    assert load_example().channel({}) is None
    with pytest.raises(NotDelivered):
        await load_example().channel({"ACME_PUSH_URL": "http://127.0.0.1:1"}).send(a_message())


class FakeEntryPoint:
    """An entry point as importlib.metadata returns it."""

    def __init__(self, name: str, plugin: Any) -> None:
        self.name, self._plugin = name, plugin

    def load(self) -> Any:
        """The plugin."""
        return self._plugin


def test_a_plug_in_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [FakeEntryPoint("push", load_example().channel), FakeEntryPoint("off", lambda _: None)]
    monkeypatch.setattr(channels, "entry_points", lambda group: points if group == "pri.channels" else [])
    assert list(channels.installed_channels({"ACME_PUSH_URL": "http://127.0.0.1:1"})) == ["push"]


def test_built_in_channels_are_off_without_their_settings() -> None:
    assert channels.installed_channels({}) == {}
    both = {"SMTP_URL": "smtp://127.0.0.1", "CUSTOMER_NOTIFY_URLS": "json://127.0.0.1/{phone}"}
    assert sorted(channels.installed_channels(both)) == ["email", "sms"]


async def test_a_text_message_reaches_the_customers_number() -> None:
    async with receiver() as listening:
        url = listening.url.replace("http://", "json://").replace("/hook", "/{phone}")
        await AppriseChannel([url]).send(a_message())
        ((_, body),) = listening.posts
        assert b"Your payment of" in body
        assert b"https://pay.example.com/in_1" in body
        listening.status = 500
        with pytest.raises(RuntimeError):
            await AppriseChannel([url]).send(a_message())


async def test_without_a_number_nothing_is_sent() -> None:
    with pytest.raises(NotDelivered) as refused:
        await AppriseChannel(["json://127.0.0.1:1/{phone}"]).send(
            a_message(contact=JENNY.model_copy(update={"phone": None}))
        )
    assert refused.value.permanent


async def test_operators_are_notified_through_apprise() -> None:
    async with receiver() as listening:
        operators = AppriseOperators([listening.url.replace("http://", "json://")])
        assert await operators.send_notice("a recovery waits for review", "in_1")
        assert b"a recovery waits for review" in listening.posts[0][1]
        listening.status = 500
        assert not await operators.send_notice("a title", "a body")


@pytest.mark.parametrize("url", ["json://127.0.0.1/", "json://127.0.0.1/{iban}", "json://127.0.0.1/{phone"])
def test_apprise_address_needs_a_placeholder_for_the_customers(url: str) -> None:
    with pytest.raises(InvalidInput):
        AppriseChannel([url])


def test_unknown_apprise_address_is_reported_by_its_position() -> None:
    with pytest.raises(InvalidInput, match="Address 2 "):
        AppriseOperators(["json://127.0.0.1/", "nonsense-secret"])
