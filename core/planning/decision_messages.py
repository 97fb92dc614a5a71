"""Plans the messages to the customer for a decision, and adds them to its last row."""

from datetime import datetime
from typing import Final

from core.classification.taxonomy import Chargeability
from core.events import Event, EventType, parse_timestamp
from core.messages.campaigns import Campaign
from core.messages.plans import MessagePlan, build_occasion, plan_messages
from core.planning.decision_input import ArmConfig, DecisionInput
from core.planning.planner import Exhausted, plan_next_retry
from core.planning.planner_inputs import parse_planner_inputs
from core.recovery.chargeability import assess_ability

WAITS_FOR_PEOPLE: Final = frozenset({"ask_customer", "wait_for_method", "review", "tell_operators", "give_up"})


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
        waits = last.data.get("action") in WAITS_FOR_PEOPLE
        return parse_timestamp(last.data.get("customer_until") or last.data.get("until")) if waits else None
    return parse_timestamp(last.data["at"]) if _is_last(last, config) else None


def _is_last(planned: Event, config: ArmConfig) -> bool:
    """Whether the strategy, asked with today's inputs, would plan no retry after this one."""
    data = planned.data
    if data.get("retry", 0) >= data.get("attempts_allowed", 0):
        return True
    at, inputs = parse_timestamp(data["at"]), data.get("inputs") or {}
    if at is None or "situation" not in inputs:
        return False
    given = parse_planner_inputs(inputs, data["policy_version"])
    following = given.situation.model_copy(
        update={"attempt": given.situation.attempt + 1, "failed_at": at, "now": at, "asked_wait_seconds": None}
    )
    after = plan_next_retry(following, given.policy, config.strategies, given.window_ends_at, given.time_scale)
    return isinstance(after, Exhausted)
