"""Webhook bodies are shown without personal data: hidden by key, by shape, or cut to their first letters."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.admin.masking import LONGEST_SHOWN, MASK, mask_body, mask_tree
from tests.api.harness import failed_event

VISIBLE_FIELDS = [
    ("id", "evt_1ABCdef"),
    ("type", "invoice.payment_failed"),
    ("status", "open"),
    ("decline_code", "insufficient_funds"),
    ("currency", "usd"),
    ("amount_due", 4900),
    ("total_excluding_tax", 4118),
    ("created", 1795420392),
    ("eventDate", "2026-11-23T07:45:00+01:00"),
    ("merchantReference", "INV-2026-0815"),
    ("pspReference", "8515131751004933"),
    ("pspReference", "NC6HT9CRT65ZGN82"),
    ("success", "false"),
    ("livemode", False),
    ("country", "DE"),
    ("last4", "4242"),
    ("unknown_thing", "cus_9s6XKzkNRiz8i3"),
    ("unknown_count", 12),
    ("processor-response-code", "2001"),
]
HIDDEN_FIELDS = [
    ("customer_email", "jenny.rosen@example.com"),
    ("customer_name", "Jenny Rosen"),
    ("customer-id", "Jenny-Rosen"),
    ("id", "Jenny_Rosen"),
    ("name", "Jenny"),
    ("shopperName", "[first name=Jenny,infix=null,last name=Rosen,gender=UNKNOWN]"),
    ("cardHolderName", "J Rosen"),
    ("phone", "+49 151 1234567"),
    ("client_secret", "pi_3MtwBw_secret_YrKJUKribcBjcG8HVhfZluoGH"),
    ("hmacSignature", "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="),
    ("bt_signature", "key|0a1b2c"),
    ("shopperIP", "203.0.113.7"),
    ("fingerprint", "Xt5EWLLDS7FJjR1c"),
    ("authCode", "123456"),
    ("postal_code", 10115),
    ("statement_descriptor", "Rosen Ltd"),
    ("text", "anything"),
]
"""By their key."""
SHAPES = [
    "jenny@example.com",
    "Jenny <jenny@example.com> said no",
    "+49 151 12345678",
    "(030) 123-4567",
    "4242424242424242",
    "4242 4242 4242 4242",
    "378282246310005",
    "DE89 3704 0044 0532 0130 00",
    "203.0.113.7",
    "2001:db8::8a2e:370:7334",
    "whsec_0123456789abcdef",
    "sk_live_0123456789",
    "pi_1_secret_abc",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
]
"""Under whatever key."""
KEYS = ("id", "status", "type", "code", "unknown", "metadata", "reason", "customer", "value")


@pytest.mark.parametrize(("key", "value"), VISIBLE_FIELDS)
def test_impersonal_values_are_shown(key: str, value: Any) -> None:
    assert mask_tree({key: value}) == {key: value}


@pytest.mark.parametrize(("key", "value"), HIDDEN_FIELDS)
def test_persons_and_secrets_are_hidden_by_their_key(key: str, value: Any) -> None:
    assert mask_tree({key: value}) == {key: MASK}


@pytest.mark.parametrize("value", SHAPES)
@pytest.mark.parametrize("key", KEYS)
def test_persons_and_secrets_are_hidden_by_their_shape(key: str, value: str) -> None:
    assert mask_tree({key: value}) == {key: MASK}


def test_a_card_number_that_is_a_number_is_hidden() -> None:
    assert mask_tree({"value": 4242424242424242}) == {"value": MASK}


def test_other_texts_are_shown_by_their_first_letters() -> None:
    masked = mask_tree({"surprise": "Your card was declined by the bank", "short": "Rosen", "tiny": "Ann"})
    assert masked == {"surprise": f"You{MASK}", "short": f"R{MASK}", "tiny": MASK}


def test_links_show_only_where_they_lead() -> None:
    link = "https://invoice.example.com/i/acct_1/live_YWNjdF8x?s=ap"
    assert mask_tree({"hosted_invoice_url": link}) == {"hosted_invoice_url": f"https://invoice.example.com/{MASK}"}
    assert mask_tree({"url": "https://jenny:pw@pay.example.com/"}) == {"url": MASK}


def test_values_below_a_person_are_hidden_except_the_country() -> None:
    person = {"address": {"country": "DE", "x": ["Hauptstr. 1", {"y": "cus_1", "id": "in_1"}], "n": 7, "none": None}}
    hidden = {"country": "DE", "x": [MASK, {"y": MASK, "id": MASK}], "n": MASK, "none": None}
    assert mask_tree(person) == {"address": hidden}


def test_keys_can_be_personal_too() -> None:
    assert list(mask_tree({"jenny@example.com": 1, "Jenny Rosen, 7 Elm Street, Springfield": 2, "cus_1": 3})) == [
        f"jen{MASK}",
        f"Jen{MASK}",
        "cus_1",
    ]


def test_a_stripe_event_stays_readable() -> None:
    event = failed_event("in_1", customer_id="cus_1")
    body = mask_body(json.dumps(event).encode())
    assert body.kind == "JSON"
    document = json.loads(body.text)
    assert (document["id"], document["type"], document["data"]["object"]["id"]) == (event["id"], event["type"], "in_1")
    assert document["data"]["object"]["amount_due"] == event["data"]["object"]["amount_due"]


def test_a_form_of_braintree_is_decoded() -> None:
    xml = "<notification><kind>subscription_charged_unsuccessfully</kind><subject><subscription><id>sub1</id>"
    xml += "<customer><first-name>Jenny</first-name><email type='x'>jenny@example.com</email></customer>"
    xml += "</subscription></subject></notification>"
    form = urlencode({"bt_signature": "pub|abc", "bt_payload": base64.encodebytes(xml.encode())})
    body = mask_body(form.encode())
    assert body.kind == "form with XML"
    assert "<kind>subscription_charged_unsuccessfully</kind>" in body.text
    assert "<id>sub1</id>" in body.text
    for secret in ("Jenny", "jenny", "pub|abc"):
        assert secret not in body.text


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"hello", b"{", b"<a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>']
)
def test_unknown_bodies_show_only_their_length(body: bytes) -> None:
    masked = mask_body(body)
    assert (masked.text, f"{len(body)} bytes" in masked.kind) == ("", True)


def test_deep_or_long_values_are_masked_safely() -> None:
    assert mask_body(b"[" * 100_000).text == ""
    assert mask_body(b"[" * 200 + b"]" * 200).text == ""
    assert mask_body(b"<a>" * 200 + b"</a>" * 200).text == ""
    long = mask_body(json.dumps([{"id": f"in_{number}"} for number in range(50_000)]).encode())
    assert (len(long.text), long.is_truncated) == (200_000, True)


NAMES = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4))
SENTINEL = "Zweigelt-Ö"


def plant_value(document: Any, value: Any) -> Any:
    """The same tree with this value at every leaf."""
    if isinstance(document, dict):
        return {name: plant_value(inner, value) for name, inner in document.items()}
    return [plant_value(inner, value) for inner in document] if isinstance(document, list) else value


@given(TREES, st.sampled_from(SHAPES))
def test_wherever_a_personal_value_stands_it_is_hidden(document: Any, value: str) -> None:
    assert value not in json.dumps(mask_tree(plant_value(document, value)), ensure_ascii=False)


@given(TREES, st.sampled_from([key for key, _ in HIDDEN_FIELDS]))
def test_whatever_stands_below_a_personal_key_is_hidden(value: Any, key: str) -> None:
    assert SENTINEL not in json.dumps(mask_tree({key: plant_value(value, SENTINEL)}), ensure_ascii=False)


@given(TREES)
def test_masking_keeps_the_shape_of_a_body(value: Any) -> None:
    def outline(value: Any) -> Any:
        if isinstance(value, dict):
            return [outline(inner) for inner in value.values()]
        return [outline(inner) for inner in value] if isinstance(value, list) else "leaf"

    def unmixed(value: Any) -> bool:
        """Whether no two keys of the masked tree became one."""
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return (not isinstance(value, dict) or len(mask_tree(value)) == len(value)) and all(map(unmixed, inner))

    if unmixed(value):
        assert outline(mask_tree(value)) == outline(value)


@given(st.binary(max_size=200) | TREES.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_the_viewer(body: bytes) -> None:
    mask_body(body)


@pytest.mark.parametrize(
    "secret", ["pi_1_secret_2", "seti_x_y_secret", "a pi_1secret", "CS_secretsecret", "a sk_ksecret"]
)
def test_a_providers_secret_is_masked_wherever_it_stands(secret: str) -> None:
    assert mask_tree({"status": secret}) == {"status": MASK}


def test_a_key_that_is_too_long_to_be_read_hides_its_value() -> None:
    key = "status_" * 50
    assert list(mask_tree({key: "open"}).values()) == [MASK]


def test_integers_that_are_too_long_to_be_read_are_masked() -> None:
    assert mask_tree({"amount": 10**30, "total": 16**5000, "paid": 10**29}) == {
        "amount": MASK,
        "total": MASK,
        "paid": 10**29,
    }


def test_only_the_beginning_of_a_deep_body_is_written() -> None:
    body = mask_body(("[" * 50 + ",".join("1" * 100_000) + "]" * 50).encode())
    assert body.is_truncated
    assert len(body.text) == LONGEST_SHOWN
