"""The messages that belong to a decision, as part of its last row."""

from datetime import datetime
from typing import Final

from core.classifier.taxonomy import Ability
from core.events import Event, EventType, moment
from core.messages.campaign import Campaign
from core.messages.plan import MessagePlan, occasion, plan_messages
from core.retry.ability import ability
from core.retry.decide import Findings, Means
from core.retry.inputs import read_back
from core.retry.planner import Exhausted, plan
from core.retry.strategies.calendar import Calendar

WAITS_FOR_PEOPLE: Final = frozenset({"ask_customer", "wait_for_method", "review", "tell_operators", "give_up"})


def with_messages(
    events: tuple[Event, ...],
    findings: Findings,
    means: Means,
    campaign: Campaign | None,
    offered: frozenset[str],
    calendar: Calendar,
) -> tuple[Event, ...]:
    """The same rows; the last one says what the customer is told when. Nothing where no channel ever was set up."""
    if campaign is None or (not offered and findings.recovery.messages is None):
        return events
    *before, last = events
    planned = _plan(last, findings, means, campaign, offered, calendar)
    return (*before, last.having(messages=planned.recorded()))


def _plan(
    last: Event, findings: Findings, means: Means, campaign: Campaign, offered: frozenset[str], calendar: Calendar
) -> MessagePlan:
    cause, recovery = findings.classification.cause, findings.recovery
    able = ability(recovery, findings.facts)
    known = recovery.messages_since.get(cause.value if able is Ability.CHARGEABLE else able.value)
    return plan_messages(
        occasion(
            campaign,
            cause,
            able,
            offered,
            calendar=calendar,
            since=known or recovery.failed_at or findings.now,
            now=findings.now,
            ends_at=_ends_at(last, means),
            time_scale=means.pace.time_scale,
        )
    )


def _ends_at(last: Event, means: Means) -> datetime | None:
    """When it is over unless something happens: the customer's deadline, or the last retry. None: not known yet."""
    if last.type is EventType.RETRY_SKIPPED:
        waits = last.data.get("action") in WAITS_FOR_PEOPLE
        return moment(last.data.get("customer_until") or last.data.get("until")) if waits else None
    return moment(last.data["at"]) if _is_last(last, means) else None


def _is_last(planned: Event, means: Means) -> bool:
    """Whether no retry would follow this one, as far as the strategy can say today."""
    data = planned.data
    if data.get("retry", 0) >= data.get("attempts_allowed", 0):
        return True
    at, inputs = moment(data["at"]), data.get("inputs") or {}
    if at is None or "situation" not in inputs:
        return False
    given = read_back(inputs, data["policy_version"])
    following = given.situation.model_copy(
        update={"attempt": given.situation.attempt + 1, "failed_at": at, "now": at, "asked_wait_seconds": None}
    )
    after = plan(following, given.policy, means.strategies, given.window_ends_at, given.pace)
    return isinstance(after, Exhausted)
