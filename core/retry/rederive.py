"""A recorded decision derived again from its own row: does it still come out the same?"""

from collections.abc import Mapping
from typing import Any, Final

from core.base import Value
from core.classifier.classify import classify
from core.classifier.tables import Tables
from core.classifier.taxonomy import Cause
from core.events import EventType, Record, moment, stamp
from core.messages.plan import agrees
from core.payments import Card, Failure
from core.retry.inputs import Inputs, read_back
from core.retry.planner import Exhausted, Plan, plan
from core.retry.policy import Policy, StrategyFactory

PLANS: Final = frozenset({EventType.RETRY_PLANNED, EventType.RETRY_SKIPPED, EventType.SHADOW_PLANNED})
PLANNED: Final = ("at", "delay_seconds", "strategy", "why", "rejected")
GIVEN_UP: Final = ("reason", "strategy", "why", "rejected")
CLASSIFIED: Final = ("category", "cause", "code", "decided_by", "wait_seconds")


class Rederived(Value):
    """How a decision compares with its row."""

    agrees: bool | None
    """None: the row holds nothing that could be derived again."""
    why: str
    """In words for a person."""
    recorded: Mapping[str, Any] = {}
    derived: Mapping[str, Any] = {}
    today: str | None = None
    """What the policy in force would plan from the same inputs, where it is another version."""


NOTHING: Final = Rederived(agrees=None, why="this row holds no decision that could be derived again")


def rederive(
    record: Record,
    provider: str,
    strategies: Mapping[str, StrategyFactory],
    policy: Policy | None = None,
    tables: Tables | None = None,
) -> Rederived:
    """The decision of this row again. Never raises for what a row holds.

    A plan needs nothing but its row and the strategies that are installed; `policy` only says what is planned today.
    A classification needs the tables and, for a merchant's overrides, the policy: as they are now.
    """
    stored = record.data.stored
    if record.type is EventType.FAILURE_CLASSIFIED and tables:
        return _classification(stored, provider, tables, policy.overrides if policy else {})
    if record.type not in PLANS:
        return NOTHING
    try:
        found = _planning(stored, strategies, policy) if "inputs" in stored else NOTHING
        return _with_messages(found, stored)
    except (ValueError, KeyError, TypeError) as error:
        return Rederived(agrees=None, why=f"its inputs can't be read: {type(error).__name__} {error}")


def _with_messages(found: Rederived, data: Mapping[str, Any]) -> Rederived:
    """The messages of the same row derived again too, where it plans any."""
    if "messages" not in data or found.agrees is False:
        return found
    if agrees(data["messages"]):
        same = {"agrees": True, "why": "its messages come out the same"}
        return found if found.agrees else found.model_copy(update=same)
    return found.model_copy(update={"agrees": False, "why": "differs in messages"})


def _planning(data: Mapping[str, Any], strategies: Mapping[str, StrategyFactory], policy: Policy | None) -> Rederived:
    data = _before_network(data)
    inputs = data["inputs"]
    if "kept_at" in inputs:
        return _kept(data, inputs)
    given = read_back(inputs, data["policy_version"])
    answer = plan(given.situation, given.policy, strategies, given.window_ends_at, given.pace)
    fields = PLANNED if "at" in data else GIVEN_UP
    compared = _compared(data, _row(answer), fields)
    return compared.model_copy(update={"today": _today(given, strategies, policy)})


def _before_network(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row as the policy alone had it, where a card network's rule moved or ended the plan."""
    network = data.get("network") or {}
    if "planned_at" not in network:
        return data
    return {**data, "at": network["planned_at"], "why": network["planned_why"]}


def _kept(data: Mapping[str, Any], inputs: Mapping[str, Any]) -> Rederived:
    """A plan that was left where it stood: it still had to lie between the asked waits and the end of the window."""
    earliest, at, ends = (moment(inputs[key]) for key in ("earliest", "kept_at", "window_ends_at"))
    fits = bool(earliest and at and ends and earliest < at <= ends)
    return _compared(data, {"at": inputs["kept_at"] if fits else None}, ("at",))


def _classification(
    data: Mapping[str, Any], provider: str, tables: Tables, overrides: Mapping[str, Cause]
) -> Rederived:
    failure, card = Failure.model_validate(data.get("failure") or {}), Card.model_validate(data.get("card") or {})
    known = failure.model_copy(update={"network": failure.network or card.network})
    found = classify(known, tables, overrides, provider=provider)
    return _compared(data, found.model_dump(mode="json"), CLASSIFIED)


def _row(answer: Plan | Exhausted) -> dict[str, Any]:
    found = answer.model_dump() | {"rejected": list(answer.rejected)}
    return found | ({"at": stamp(answer.at)} if isinstance(answer, Plan) else {"reason": answer.reason.value})


def _compared(data: Mapping[str, Any], derived: Mapping[str, Any], fields: tuple[str, ...]) -> Rederived:
    before, again = ({key: one.get(key) for key in fields} for one in (data, derived))
    differing = [key for key in fields if before[key] != again[key]]
    why = f"differs in {', '.join(differing)}" if differing else "comes out the same"
    return Rederived(agrees=not differing, why=why, recorded=before, derived=again)


def _today(given: Inputs, strategies: Mapping[str, StrategyFactory], policy: Policy | None) -> str | None:
    if policy is None or policy.version == given.policy.version:
        return None
    answer = plan(given.situation, policy, strategies, given.window_ends_at, given.pace)
    said = f"at {stamp(answer.at)}" if isinstance(answer, Plan) else f"no retry ({answer.reason})"
    return f"policy {policy.version}: {said}, {answer.why}"
