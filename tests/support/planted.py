"""Personal data and secrets that a test plants, and the search for them in everything that the service puts out."""

import html
import json
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import quote

ADDRESS: Final = "jennifer.plantedson@example.com"
PLANTED: Final = {
    "card": "4242424242424242",
    "spaced card": "5555 5555 5555 4444",
    "address": ADDRESS,
    "name": "Jennifer Plantedson",
    "phone": "+49 171 5550199",
    "customer id": "Jennifer-Plantedson",
    "Stripe key": "sk_live_PLANTEDplanted0123456789",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.cGxhbnRlZC1zaWduYXR1cmU",
}
IN_SENTENCES: Final = ("card", "spaced card", "address", "Stripe key", "token")
"""What is recognised in free text; a name or a number in a sentence looks like any other word."""
SENTENCE: Final = "please ask " + " or ".join(PLANTED[name] for name in IN_SENTENCES)


class Sink(NamedTuple):
    """Something that the service puts out or keeps, and what stands in it."""

    name: str
    content: bytes


def find_planted(sinks: Iterable[Sink], *allowed: str) -> set[tuple[str, str]]:
    """Which planted values stand in which sinks, plain or encoded; `allowed` ones are left out."""
    forms = {name: _encoded_forms(value) for name, value in PLANTED.items() if name not in allowed}
    pairs = ((sink, name) for sink in sinks for name in forms)
    return {(sink.name, name) for sink, name in pairs if any(form in sink.content for form in forms[name])}


def _encoded_forms(value: str) -> set[bytes]:
    spelled = {value, quote(value), quote(value, safe=""), html.escape(value), json.dumps(value)[1:-1]}
    return {form.encode() for form in spelled} | {quote(value).replace("%20", "+").encode()}
