"""Unsubscribe tokens: only ours are accepted, and they contain no address."""

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.messages.recipients import LONGEST_TOKEN_CHARS, Subscription, create_unsubscribe_token, read_unsubscribe_token

KEY, OLDER, FOREIGN = b"k" * 32, b"o" * 32, b"f" * 32
JENNYS = Subscription(provider="stripe", customer_id="cus_1", channel="email")


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=40))
def test_signed_token_is_read_back(customer: str, provider: str) -> None:
    subscription = Subscription(provider=provider, customer_id=customer, channel="email")
    token = create_unsubscribe_token(subscription, KEY)
    assert read_unsubscribe_token(token, [KEY]) == subscription
    assert read_unsubscribe_token(token, [FOREIGN]) is None
    assert read_unsubscribe_token(token, []) is None
    assert token.replace("-", "").replace("_", "").replace(".", "").isalnum()


def test_old_links_work_after_key_rotation() -> None:
    assert read_unsubscribe_token(create_unsubscribe_token(JENNYS, OLDER), [KEY, OLDER]) == JENNYS
    assert read_unsubscribe_token(create_unsubscribe_token(JENNYS, OLDER), [KEY]) is None


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_changed_character_invalidates_a_token(at: int, character: str) -> None:
    token = create_unsubscribe_token(JENNYS, KEY)
    at = at % len(token)
    changed = token[:at] + character + token[at + 1 :]
    assert read_unsubscribe_token(changed, [KEY]) == (JENNYS if changed == token else None)


def test_foreign_payload_has_no_valid_signature() -> None:
    other = JENNYS.model_copy(update={"customer_id": "cus_2"})
    names, signature = create_unsubscribe_token(other, KEY), create_unsubscribe_token(JENNYS, KEY)
    mixed = f"{names.partition('.')[0]}.{signature.partition('.')[2]}"
    assert read_unsubscribe_token(mixed, [KEY]) is None


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.ü", "." * 50, "x" * (LONGEST_TOKEN_CHARS + 1), "\0", "a" * 5])
def test_any_other_text_is_no_token(text: str) -> None:
    assert read_unsubscribe_token(text, [KEY]) is None


def test_token_verifies_as_documented() -> None:
    """Runs the example of docs/notifications.md."""
    document = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text(encoding="utf-8")
    lines = re.search(r"```py\n(payload, signature.*?)```", document, re.DOTALL)
    assert lines
    for secret, genuine in (("k" * 32, True), ("another", False)):
        defaults: dict[str, Any] = {"token": create_unsubscribe_token(JENNYS, KEY), "secret": secret}
        defaults |= {"hmac": hmac, "hashlib": hashlib, "base64": base64, "json": json}
        exec(lines[1], defaults)
        assert defaults["genuine"] is genuine
        assert defaults["wish"] == JENNYS.model_dump(mode="json")
