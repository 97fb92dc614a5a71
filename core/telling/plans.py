"""What was decided: another try, or something else in its place."""

import re

from core.events import Record
from core.telling.said import Said
from core.telling.telling import Fact, Mood, Telling, amount, at, code, facts, lasting, named, sentence
from core.telling.words import TRIGGERS, plain


def planned(record: Record) -> Telling:
    """The next charge has a moment."""
    said = Said(record.data)
    moved = said.inner("network")
    return Telling(
        headline=f"{_which(said)} is planned",
        why=_moved(said) if moved.moment("planned_at") else _why(said.text("why")),
        facts=facts(
            ("When", at(said.moment("at"))),
            ("Wait", lasting(said.number("delay_seconds"))),
        )
        + _by(said)
        + limits(said),
        rejected=said.texts("rejected"),
        mood=Mood.BUSY,
    )


def _which(said: Said) -> str:
    counted = _of(said.number("retry"), said.number("attempts_allowed"))
    return f"Retry {counted}" if counted else "Another try"


def _why(text: str) -> str:
    """The planner's words, without the names of cause and group, which stand beside them anyway."""
    return sentence(_SITUATION.sub("", text).replace("rung ", "step "))


_SITUATION = re.compile(r"^[A-Z_]+ in segment [^:]*: ")


def _moved(said: Said) -> str:
    """The strategy's own words, and who overruled them."""
    own = said.inner("network").text("planned_why") or said.text("why")
    return _why(own) + " The card network's limit moved it to a later moment."


def _of(number: int | None, allowed: int | None) -> str:
    if number is None:
        return ""
    return f"{number} of {allowed}" if allowed is not None else str(number)


def _by(said: Said) -> tuple[Fact, ...]:
    return facts(
        ("Strategy", named(said.text("strategy"))),
        ("Policy version", code(said.text("policy_version"))),
        ("Experiment", named(said.text("experiment"))),
        ("Arm", named(said.text("arm"))),
    )


def limits(said: Said) -> tuple[Fact, ...]:
    """What a card network's rule had to do with it."""
    found = said.inner("network")
    fee = found.inner("fee")
    used, allowed = found.number("used"), found.number("allowed")
    return facts(
        ("Network rule", code(found.text("rule"))),
        ("Used of that rule", "" if used is None else _of(used, allowed)),
        ("First planned for", at(found.moment("planned_at"))),
        ("Network fee avoided", amount(fee.number("amount"), fee.text("currency").upper())),
        ("Source of the rule", found.text("source")),
    )


def skipped(record: Record) -> Telling:
    """No charge, and what instead."""
    said = Said(record.data)
    action, reason = said.text("action"), said.text("reason")
    told = facts(
        ("Looks again", at(said.moment("at"))),
        ("Deadline", at(said.moment("until"))),
        ("Possible again", at(said.moment("free_at"))),
        ("Asked for because", TRIGGERS.get(said.text("trigger"), "")),
        ("Reason", named(reason)),
    )
    return Telling(
        headline=_INSTEAD.get(action, f"No try now: {plain(action or reason) or 'no reason given'}"),
        why=sentence(said.text("why")),
        facts=told + _by(said) + limits(said),
        rejected=said.texts("rejected"),
        mood=_MOODS.get(action, Mood.WARN),
    )


_INSTEAD = {
    "refuse": "The try was held back",
    "postpone": "The try is put off",
    "ask_customer": "The customer is asked to act",
    "wait_for_method": "Waiting for another payment method",
    "review": "A person has to look at this",
    "tell_operators": "The operators have to look at this",
    "stop": "No further try is allowed",
    "stand_back": "Nothing is done for now",
    "decide_anew": "The try is off: it is decided anew",
    "out_of_scope": "The invoice is not ours to collect",
    "give_up": "No further try",
}
_MOODS = {"stop": Mood.BAD, "give_up": Mood.BAD, "postpone": Mood.BUSY, "stand_back": Mood.BUSY}


def shadow(record: Record) -> Telling:
    """What a policy on trial would have done; it changes nothing."""
    said = Said(record.data)
    action = said.text("action")
    would = "try again" if action == "retry" else plain(action) or "do something else"
    same = said.yes("agrees")
    return Telling(
        headline="The policy on trial agrees" if same else f"The policy on trial would {would}",
        why=_why(said.text("why")),
        facts=facts(("When", at(said.moment("at"))), ("Wait", lasting(said.number("delay_seconds")))) + _by(said),
        rejected=said.texts("rejected"),
    )
