"""Stripe's webhook signatures: only valid, current ones pass, and no header or body causes another error."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import WebhookSignature

from core.errors import InvalidSignature
from providers.stripe.config import StripeConfig
from providers.stripe.webhook import StripeWebhooks

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
BODY = '{"id": "evt_1", "object": "event", "text": "Größe"}'
WEBHOOKS = StripeWebhooks(StripeConfig(webhook_secrets=("whsec_new", "whsec_old")))


def signature_header(body: str = BODY, secret: str = "whsec_new", at: int = AT) -> str:
    return str(WebhookSignature.generate_signature_header(body, secret, at))


def v1_signature(secret: str = "whsec_new", at: int = AT) -> str:
    return signature_header(secret=secret, at=at).partition("v1=")[2]


@pytest.mark.parametrize(
    "header",
    [
        signature_header(),
        signature_header(secret="whsec_old"),
        signature_header() + ",v0=abc",
        f"t={AT},v1={'0' * 64},v1={v1_signature()}",
        f"v1={v1_signature()},t={AT}",
        signature_header(at=AT - 300),
        signature_header(at=AT + 300),
    ],
    ids=["newest", "older secret", "other scheme", "several", "any order", "just not too old", "just not too new"],
)
def test_valid_signature_is_accepted(header: str) -> None:
    WEBHOOKS.verify({"stripe-signature": header}, BODY.encode(), NOW)


REFUSED_HEADERS = {
    "missing": (None, "missing"),
    "empty": ("", "missing"),
    "too old": (signature_header(at=AT - 301), "five minutes"),
    "of the future": (signature_header(at=AT + 301), "five minutes"),
    "other secret": (signature_header(secret="whsec_wrong"), "No signature matches"),
    "empty secret": (signature_header(secret=""), "No signature matches"),
    "other body": (signature_header(body=BODY + " "), "No signature matches"),
    "not ASCII": (f"t={AT},v1=ü" + "0" * 63, "ASCII"),
    "huge": (signature_header() + ",v1=" + "0" * 5000, "too long"),
    "no parts": ("nonsense", "form"),
    "part without a value": (signature_header() + ",x", "form"),
    "no time": (f"v1={v1_signature()}", "exactly one time"),
    "two times": (f"t={AT},t={AT},v1={v1_signature()}", "exactly one time"),
    "time with a sign": (f"t=+{AT},v1={v1_signature()}", "exactly one time"),
    "time with an underscore": (f"t=1_0,v1={v1_signature()}", "exactly one time"),
    "endless time": (f"t={'9' * 400},v1={v1_signature()}", "exactly one time"),
    "time of the year 33658": (f"t=999999999999,v1={v1_signature()}", "five minutes"),
    "no signature": (f"t={AT}", "no v1"),
    "only the older scheme": (f"t={AT},v0={v1_signature()}", "no v1"),
    "signature of another length": (f"t={AT},v1=abc", "no v1"),
}


@pytest.mark.parametrize(("header", "sentence"), REFUSED_HEADERS.values(), ids=REFUSED_HEADERS)
def test_invalid_signature_is_refused_with_a_reason(header: str | None, sentence: str) -> None:
    headers = {} if header is None else {"stripe-signature": header}
    with pytest.raises(InvalidSignature, match=sentence) as refusal:
        WEBHOOKS.verify(headers, BODY.encode(), NOW)
    assert "whsec" not in str(refusal.value)
    assert v1_signature() not in str(refusal.value)


def test_refuses_a_body_that_is_not_utf8() -> None:
    with pytest.raises(InvalidSignature, match="UTF-8"):
        WEBHOOKS.verify({"stripe-signature": signature_header()}, b"\xff" + BODY.encode(), NOW)


def test_age_counts_from_the_given_now_not_from_the_clock() -> None:
    with pytest.raises(InvalidSignature, match="five minutes"):
        WEBHOOKS.verify({"stripe-signature": signature_header()}, BODY.encode(), NOW + timedelta(days=1))


@given(
    header=st.text(max_size=200) | st.from_regex(r"t=[0-9]{9,11},v1=[0-9a-f]{60,66}(,[a-z0-9=]*)?", fullmatch=True),
    body=st.binary(max_size=200),
)
def test_any_header_and_body_raise_only_invalid_signature(header: str, body: bytes) -> None:
    with pytest.raises(InvalidSignature):
        WEBHOOKS.verify({"stripe-signature": header}, body, NOW)


@given(body=st.text(), at=st.integers(AT - 300, AT + 300))
def test_any_body_signed_by_stripe_in_time_is_accepted(body: str, at: int) -> None:
    WEBHOOKS.verify({"stripe-signature": signature_header(body, "whsec_old", at)}, body.encode("utf-8"), NOW)
