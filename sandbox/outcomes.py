"""The small language that scripts what a pay call does, e.g. `decline:do_not_honor;advice=try_again_later`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sandbox.models import Decline

DECLINE_OPTIONS = {
    "code": "code",
    "advice": "advice_code",
    "network": "network_decline_code",
    "mac": "network_advice_code",
    "type": "outcome_type",
    "reason": "reason",
    "status": "network_status",
    "risk": "risk_level",
}


class Effect(StrEnum):
    """What happens to the money."""

    SUCCEED = "succeed"
    DECLINE = "decline"
    REQUIRES_ACTION = "requires_action"
    NOTHING = "nothing"


class Reply(StrEnum):
    """What the caller hears of it."""

    TRUTH = "truth"
    ERROR = "error"
    DROP = "drop"
    MALFORMED = "malformed"
    GARBAGE = "garbage"


@dataclass(frozen=True)
class Outcome:
    """One scripted execution: wait, change the money, wait, answer."""

    text: str
    effect: Effect
    reply: Reply = Reply.TRUTH
    decline: Decline | None = None
    status: int = 0
    body: str = ""
    """Of garbage: what stands in the place of the answer."""
    retry_after: str | None = None
    before: float = 0.0
    after: float = 0.0

    @property
    def retry_headers(self) -> dict[str, str]:
        """`Retry-After`, where the script asks for it."""
        return {"Retry-After": self.retry_after} if self.retry_after else {}


def parse_outcome(text: str) -> Outcome:
    """Read an outcome; ValueError names what isn't understood."""
    head, _, rest = text.partition(":")
    if head == "decline":
        return Outcome(text, Effect.DECLINE, decline=_parse_decline(rest))
    if head == "hang":
        return _parse_hang(text, rest)
    if head in ("error", "succeed_then_error"):
        return _parse_error(text, head, rest)
    if head == "garbage":
        return _parse_garbage(text, rest)
    if head == "succeed_then_hang":
        return Outcome(text, Effect.SUCCEED, after=float(rest))
    if rest or text not in SIMPLE_OUTCOMES:
        raise ValueError(f"unknown outcome: {text!r}")
    return replace(SIMPLE_OUTCOMES[text], text=text)


SIMPLE_OUTCOMES = {
    "succeed": Outcome("", Effect.SUCCEED),
    "succeed_then_drop": Outcome("", Effect.SUCCEED, Reply.DROP),
    "malformed": Outcome("", Effect.SUCCEED, Reply.MALFORMED),
    "drop": Outcome("", Effect.NOTHING, Reply.DROP),
    "requires_action": Outcome("", Effect.REQUIRES_ACTION),
}


def _parse_decline(rest: str) -> Decline:
    code, *options = rest.split(";")
    fields = {"decline_code": code or "generic_decline"}
    for option in options:
        name, _, value = option.partition("=")
        if name not in DECLINE_OPTIONS:
            raise ValueError(f"unknown option of a decline: {name!r}")
        fields[DECLINE_OPTIONS[name]] = value
    return Decline.model_validate(fields)


GARBAGE: Final[Mapping[str, tuple[int, str]]] = {
    "text": (200, "upstream connect error or disconnect/reset before headers"),
    "truncated": (200, '{"id": "in_1", "object": "invoice", "status": "pa'),
    "html": (502, "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"),
    "types": (
        200,
        '{"id": 17, "object": ["invoice"], "status": {"paid": true}, "amount_due": "many"}',
    ),
    "list": (200, "[]"),
}
"""Status and body of what proxies and broken servers answer; an outcome `garbage:KIND` charges all the same."""


def _parse_garbage(text: str, kind: str) -> Outcome:
    if kind not in GARBAGE:
        raise ValueError(f"unknown kind of garbage: {kind!r}")
    status, body = GARBAGE[kind]
    return Outcome(text, Effect.SUCCEED, Reply.GARBAGE, status=status, body=body)


def _parse_hang(text: str, rest: str) -> Outcome:
    seconds, _, then = rest.partition(":")
    return replace(parse_outcome(then or "succeed"), text=text, before=float(seconds))


def _parse_error(text: str, head: str, rest: str) -> Outcome:
    status, _, retry_after = rest.partition(":")
    effect = Effect.SUCCEED if head == "succeed_then_error" else Effect.NOTHING
    return Outcome(text, effect, Reply.ERROR, status=int(status), retry_after=retry_after or None)
