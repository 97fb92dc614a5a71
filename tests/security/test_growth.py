"""Each parser that meets outside text takes time that grows with the text: doubled input, at most 2.5 times."""

import base64
import json
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from pydantic import ValidationError

import catalog
from api.admin.masking import mask_body
from api.admin.policies import list_changes
from api.problems import list_field_problems
from api.simulations import SimulationRequest
from core.errors import InvalidInput
from core.messages.recipients import Contact
from core.policy.policy import parse_policy
from core.redaction.text import redact_text
from core.toml_text import parse_toml
from db.cursors import decode_cursor
from db.models import recovery
from notifications.locales import locale_for
from notifications.mailboxes import parse_mailbox, parse_recipient
from observability.scrubbing import scrub_text, scrub_value
from providers.adyen.config import AdyenConfig
from providers.adyen.webhook import AdyenWebhooks
from providers.braintree.config import BraintreeConfig
from providers.braintree.webhook import BraintreeWebhooks
from providers.fields import parse_json_object
from providers.stripe.config import StripeConfig
from providers.stripe.webhook import StripeWebhooks
from settings import SHIPPED_POLICY
from simulator.history.attempts_table import COLUMNS, read_attempts_table
from simulator.model.assumptions import load_assumptions
from tests.security.growth import MOST_GROWTH, GrowthCase, measure_growth

Attacks = Mapping[str, tuple[Callable[[Any], object], Callable[[int], Any]]]
"""By name: a call, and what makes its input of any size."""
NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)
SHIPPED: Final = SHIPPED_POLICY.read_text()
STRIPE: Final = StripeWebhooks(StripeConfig(webhook_secrets=("whsec_x",)))
ADYEN: Final = AdyenWebhooks(AdyenConfig(hmac_keys=("AB" * 32,)))
BRAINTREE: Final = BraintreeWebhooks(BraintreeConfig(public_key="pub", private_key="priv"))


def repeated(unit: str, before: str = "", after: str = "") -> Callable[[int], str]:
    """Makes texts of this unit between two others."""
    return lambda size: before + unit * size + after


def numbered(line: str, before: str = "", after: str = "") -> Callable[[int], str]:
    """Makes texts of lines with their number in place of `#`."""
    return lambda size: before + "".join(line.replace("#", str(number)) for number in range(size)) + after


def as_bytes(make: Callable[[int], str]) -> Callable[[int], bytes]:
    """Makes the same as UTF-8."""
    return lambda size: make(size).encode()


def read_policy(text: str) -> object:
    """The policy, as a request's is parsed."""
    return parse_policy(text, "p.toml", catalog.installed_strategies(), catalog.network_rules().limit_ceilings())


def read_file(read: Callable[[Path], object], text: str) -> object:
    """What is read from a file with this text."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        return read(Path(file.name))


def check_request(body: Mapping[str, Any]) -> object:
    """The problems of a request to the API."""
    try:
        return SimulationRequest.model_validate(body)
    except ValidationError as error:
        return list_field_problems(error.errors())


def stripe_event(**subject: Any) -> bytes:
    """A Stripe event about this object."""
    event = {
        "object": "event",
        "id": "evt_1",
        "type": "invoice.payment_failed",
        "created": 1,
        "data": {"object": subject},
    }
    return json.dumps(event).encode()


def adyen_batch(size: int) -> bytes:
    """A batch of Adyen's, as large as is allowed at most."""
    item = {
        "eventCode": "AUTHORISATION",
        "success": "false",
        "pspReference": "P1",
        "reason": "803" + " " * 190 + "a",
        "amount": {"value": 1, "currency": "EUR"},
        "additionalData": {"hmacSignature": base64.b64encode(b"x" * 32).decode(), "shopperName": "[first name=" * 20},
    }
    return json.dumps({"notificationItems": [{"NotificationRequestItem": item}] * size}).encode()


def braintree_form(xml: str, signature: str = "pub|x") -> bytes:
    """A form of Braintree's with this payload."""
    return f"bt_signature={signature}&bt_payload={quote(base64.b64encode(xml.encode()))}".encode()


BRAINTREE_TIME: Final = '<timestamp type="datetime">2026-05-01T00:00:00Z</timestamp>'


def braintree_xml(size: int) -> bytes:
    """A notification with many parts."""
    parts = "".join(f"<a-{number}>\n <b type='integer'>1</b> </a-{number}>" for number in range(size))
    return braintree_form(f"<notification><kind>x</kind>{BRAINTREE_TIME}<subject>{parts}</subject></notification>")


@cache
def _columns() -> str:
    return ",".join(COLUMNS)


POLICIES: Final = {
    "unknown keys": numbered("key# = 1\n", SHIPPED + "\n[operators]\n"),
    "unknown tables": numbered("[t#]\n", SHIPPED),
    "unknown keys of segments": numbered('[[segments]]\nname = "s#"\nx = 1\n'),
    "long key": repeated("a", SHIPPED, " = 1"),
    "blanks in a header": repeated(" ", SHIPPED + "\n[x", "y"),
    "blanks before a header": repeated(" ", "wrong = 1\n", "[x]]]"),
    "blanks behind a key": repeated(" ", SHIPPED + "\nx", "= 1"),
    "dotted key": repeated("a.", "", "a = 1"),
    "dotted header": repeated("a.", "[", "a]\nb = 1\nc = 2"),
    "quoted dotted key": repeated('"a" . ', "x = {", "a = 1}"),
    "deep lists": repeated("[", "x = "),
    "deep tables": repeated("{x=", "x = "),
    "long number": repeated("1", "x = "),
    "hexadecimal number": repeated("f", "format = 0x"),
    "long float": repeated("1", "format = 1."),
    "quotes": repeated('"""\\'),
    "escapes": repeated("\\n", 'format = "', '"'),
    "list of tables": numbered('{ kind = "x#" },\n', "x = [\n", "]\n"),
    "segments": numbered(
        '[[segments]]\nname = "s#"\nwhen = { country_in = ["DE"] }\n',
        SHIPPED.partition("[[segments]]")[0],
        "[[segments]]" + SHIPPED.rpartition("[[segments]]")[2],
    ),
    "arms": numbered("[experiments.x.arms.a#]\nshare = 0\nsegments.default = {}\n", SHIPPED),
    "overrides": numbered('"stripe.x#" = "GENERIC"\n', SHIPPED.replace("[overrides]", "") + "\n[overrides]\n"),
    "delays": repeated('"1h", ', SHIPPED + '\n[strategies.x]\nuse = "fixed_ladder"\ndelays = [', "]"),
    "messages": repeated('{ kind = "payment_failed" },\n', SHIPPED + "\n[campaigns.x.messages]\nGENERIC = [\n", "]\n"),
}
SLOW: Final = {"arms": 500, "segments": 800, "messages": 1_500}
"""Sizes of policies that are parsed to the end."""
BODIES: Final = {
    "one word": as_bytes(repeated("a", '{"a": "', '"}')),
    "beginnings of secrets": as_bytes(repeated("sk_", '{"a": "', '"}')),
    "blanks": as_bytes(repeated(" ", '{"a": "', 'x"}')),
    "digits": as_bytes(repeated("1 ", '{"a": "', '"}')),
    "at signs": as_bytes(repeated("@ ", '{"a": "', '"}')),
    "address": as_bytes(repeated("/a", '{"a": "http://x', '"}')),
    "capitals in a key": as_bytes(repeated("A", '{"', 'a": 1}')),
    "long key and many values": lambda size: json.dumps({"a_" * size: ["x1"] * size}).encode(),
    "many keys": as_bytes(numbered('"name_#": "x",', "{", '"z": 1}')),
    "deep lists with values": lambda size: ("[" * 50 + ",".join("1" * size) + "]" * 50).encode(),
    "deep": as_bytes(repeated("[")),
    "long number": as_bytes(repeated("1", "[", "]")),
    "XML": as_bytes(repeated("<b>a_1</b>", "<a>", "</a>")),
    "XML text": as_bytes(repeated("sk_", "<a>", "</a>")),
    "XML attributes": as_bytes(numbered(' x#="a_1"', "<a", "/>")),
    "form": as_bytes(repeated("sk_", "a=")),
    "many fields": as_bytes(repeated("a=1&")),
}
TEXTS: Final[Attacks] = {
    "parse_mailbox": (parse_mailbox, repeated("a", "", '"@example.com')),
    "parse_mailbox, domain": (parse_mailbox, repeated("é", "a@", ".example")),
    "parse_recipient": (parse_recipient, repeated("a;", "", "<a@b.example>")),
    "parse_recipient, quotes": (parse_recipient, repeated("\\\\", '"', " <a@b.example>")),
    "locale_for": (lambda text: locale_for(Contact(language=text)), repeated("-x", "de")),
    "redact_text, digits": (redact_text, repeated("1")),
    "redact_text, spaced digits": (redact_text, repeated("4 2-4.2")),
    "redact_text, digits of another script": (redact_text, repeated("٤２")),
    "redact_text, encoded": (redact_text, repeated("%2540&amp;#64;")),
    "redact_text, addresses": (redact_text, repeated("a@b.de ")),
    "redact_text, overlapping": (redact_text, repeated("password=4242424242424242 a@b.de")),
    "scrub_text": (scrub_text, repeated("authorization: ")),
    "scrub_value": (lambda text: scrub_value({text: [text]}), repeated("a@")),
    "decode_cursor": (lambda text: decode_cursor(text, recovery.c.recovery_id), repeated("W1tb")),
    "parse_toml": (parse_toml, repeated("a.")),
    "candidate": (partial(list_changes, SHIPPED), lambda size: SHIPPED * (size // 100)),
}
FILES: Final[Attacks] = {
    "assumptions": (load_assumptions, numbered("key# = 1\n", "[failures]\n")),
    "assumptions, tables": (load_assumptions, numbered("[t#]\n")),
    "attempts, columns": (read_attempts_table, numbered("c#,", after="x\n")),
    "attempts, quotes": (read_attempts_table, lambda size: _columns() + '\n"' + 'a""' * size),
    "attempts, rows": (
        read_attempts_table,
        lambda size: (
            "invoice,attempted_at,outcome,amount,currency\n" + "in_1,2026-03-02T09:30:00Z,declined,100,EUR\n" * size
        ),
    ),
}
HOOKS: Final[Attacks] = {
    "JSON escapes": (parse_json_object, as_bytes(repeated("\\ud800", '{"a": "', '"}'))),
    "JSON depth": (parse_json_object, as_bytes(repeated('{"a":'))),
    "stripe": (STRIPE.normalise, lambda size: stripe_event(id="in_1", lines=[{"amount": 1}] * size)),
    "stripe, amounts": (STRIPE.normalise, lambda size: stripe_event(currency="ugx", **{"amount_" * size + "1": 1})),
    "stripe, header": (
        lambda header: STRIPE.verify({"stripe-signature": header}, b"{}", NOW),
        lambda size: "t=1" + ",v1=a" * size,
    ),
    "adyen": (ADYEN.normalise, lambda size: adyen_batch(size // 10)),
    "adyen, signatures": (lambda body: ADYEN.verify({}, body, NOW), lambda size: adyen_batch(size // 10)),
    "braintree": (BRAINTREE.normalise, lambda size: braintree_xml(size // 10)),
    "braintree, signatures": (
        lambda body: BRAINTREE.verify({}, body, NOW),
        lambda size: braintree_form("x" * 10 * size, "pub|x%26" * size),
    ),
}  # fmt: skip
CASES: Final = (
    *(GrowthCase(f"policy: {name}", read_policy, make, SLOW.get(name, 4_000)) for name, make in POLICIES.items()),
    *(GrowthCase(f"body: {name}", mask_body, make) for name, make in BODIES.items()),
    *(GrowthCase(name, call, make) for name, (call, make) in TEXTS.items()),
    *(GrowthCase(f"file: {name}", partial(read_file, call), make) for name, (call, make) in FILES.items()),
    *(GrowthCase(f"webhook: {name}", call, make) for name, (call, make) in HOOKS.items()),
    # Smaller, since the errors of 8,000 fields fill more than the processor's cache, whatever code makes them.
    GrowthCase("request: unknown fields", check_request, lambda size: {f"key{n}": 1 for n in range(size)}, 1_000),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_parser_takes_linear_time(case: GrowthCase) -> None:
    assert measure_growth(case) <= MOST_GROWTH


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (parse_toml, "a." * 20 + "a = 1"),
        (parse_toml, 'x = ["""a"""", {' + "a." * 20 + "a = 1}]"),
        (parse_toml, "x = " + "[" * 40 + "]" * 40),
        (parse_toml, "x = " + "[" * 4000 + "]" * 4000),
        (parse_toml, "x = 0x" + "f" * 17),
        (parse_toml, "x = " + "1" * 5000),
    ],
    ids=["long key", "behind five quotes", "deep", "deeper", "hexadecimal", "decimal"],
)
def test_toml_beyond_the_limits_is_refused_in_one_sentence(call: Callable[[str], object], given: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-z].{10,100}$"):
        call(given)


def test_a_file_with_thousands_of_mistakes_is_answered_in_a_few_lines() -> None:
    with pytest.raises(InvalidInput, match=r"and 4980 more$") as refused:
        read_policy(numbered("k" * 5 + "# = 1\n")(5000 - 4))
    assert len(str(refused.value)) < 20 * 400
