"""Plans the messages to the customer for a decision, and adds them to its last row."""

from datetime import datetime
from typing import Final

from core.classification.taxonomy import Chargeability
from core.events import Event, EventType
from core.events.decision_data import RetryPlanned, RetrySkipped
from core.events.types import SkipAction
from core.messages.campaigns import Campaign
from core.messages.plans import MessagePlan, build_occasion, plan_messages
from core.planning.decision_input import ArmConfig, DecisionInput
from core.planning.planner import Exhausted, plan_next_retry
from core.planning.planner_inputs import parse_planner_inputs
from core.recovery.chargeability import assess_ability

WAITS_FOR_PEOPLE: Final = frozenset(
    {
        SkipAction.ASK_CUSTOMER,
        SkipAction.WAIT_FOR_METHOD,
        SkipAction.REVIEW,
        SkipAction.TELL_OPERATORS,
        SkipAction.GIVE_UP,
    }
)


def add_message_plan(events: tuple[Event, ...], decision_input: DecisionInput, config: ArmConfig) -> tuple[Event, ...]:
    """The rows, with the message plan in the last one; unchanged if no channel was ever set up."""
    policy = config.policy
    campaign = policy.campaigns.get(policy.segment_named(decision_input.segment.name).campaign)
    if campaign is None or (not config.channels and decision_input.recovery.messages is None):
        return events
    *before, last = events
    planned = _plan_for_decision(last, decision_input, config, campaign)
    return (*before, last.having(messages=planned.to_record()))


def _plan_for_decision(
    last: Event,
    decision_input: DecisionInput,
    config: ArmConfig,
    campaign: Campaign,
) -> MessagePlan:
    cause, recovery = decision_input.classification.cause, decision_input.recovery
    able = assess_ability(recovery, decision_input.facts)
    known = recovery.messages_since.get(cause.value if able is Chargeability.CHARGEABLE else able.value)
    return plan_messages(
        build_occasion(
            campaign,
            cause,
            able,
            config.channels,
            calendar=decision_input.customer_clock,
            since=known or recovery.failed_at or decision_input.now,
            now=decision_input.now,
            ends_at=_end_time(last, config),
            time_scale=config.time_scale.factor,
        )
    )


def _end_time(last: Event, config: ArmConfig) -> datetime | None:
    """When the recovery ends by itself (UTC): the customer's deadline or the last retry; None: not known yet."""
    if last.type is EventType.RETRY_SKIPPED:
        skipped = last.read(RetrySkipped)
        return (skipped.customer_until or skipped.until) if skipped.action in WAITS_FOR_PEOPLE else None
    planned = last.read(RetryPlanned)
    return planned.at if _is_last(planned, config) else None


def _is_last(planned: RetryPlanned, config: ArmConfig) -> bool:
    """Whether the strategy, asked with today's inputs, would plan no retry after this one."""
    if (planned.retry or 0) >= (planned.attempts_allowed or 0):
        return True
    if planned.inputs is None or planned.inputs.situation is None:
        return False
    given = parse_planner_inputs(planned.inputs.stored, config.policy.version)
    after_this = {"attempt": given.situation.attempt + 1, "failed_at": planned.at, "now": planned.at}
    following = given.situation.model_copy(update=after_this | {"asked_wait_seconds": None})
    after = plan_next_retry(following, given.policy, config.strategies, given.window_ends_at, given.time_scale)
    return isinstance(after, Exhausted)
