"""Every installed strategy and a third-party one plan inside the window and rederive from their rows."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import catalog
from catalog import plugins
from catalog.calendars import calendar_for
from core.classification.taxonomy import Cause
from core.durations import TimeScale
from core.errors import InvalidPolicy
from core.events import EventType, State, format_timestamp
from core.planning.planner import Exhausted, ExhaustionReason, Plan, plan_next_retry
from core.planning.planner_inputs import PlannerInputs, dump_planner_inputs, parse_planner_inputs, required_lookups
from core.policy.policy import Policy, StrategyFactory, parse_policy
from core.strategies.base import Need, Proposal, Situation
from db import chain
from tests.core.strategies.test_adaptive import EXPERIENCE
from tests.support.recovery_scenario import RecoveryScenario, shipped_decision_config

FAILED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = FAILED_AT + timedelta(days=21)


class TideStrategy:
    """A third-party strategy whose proposals are sometimes invalid."""

    needs = ("calendar", "the moon")

    def __init__(self, hours: int) -> None:
        if hours < 1:
            raise InvalidPolicy("hours must be 1 or more")
        self._hours = hours

    def propose(self, situation: Situation) -> Proposal | None:
        """A proposal of `hours`; every third attempt lies far beyond the window."""
        return Proposal(delay_seconds=self._hours * 3_600 * (1_000 if situation.attempt == 3 else 1), why="high water")


STRATEGY_TABLES = {
    "payday": 'use = "payday"\ndelays = ["3h", "24h", "72h", "168h"]\njitter_percent = 10',
    "advice": 'use = "advice"\npreset = "polar"',
    "adaptive": 'use = "adaptive"\npreset = "polar"\nleast_trials = 50',
    "new_method_only": 'use = "new_method_only"',
    "preset": 'use = "fixed_ladder"\npreset = "stripe_observed"',
    "tides": 'use = "tides"\nhours = 12',
}
STRATEGIES: Mapping[str, StrategyFactory] = catalog.installed_strategies() | {"tides": TideStrategy}


@pytest.fixture(scope="module")
def policies(shipped_text: str) -> dict[str, Policy]:
    """The shipped policy with each of these strategies in place of its standard ladder."""
    before, _, rest = shipped_text.partition("[strategies.standard_ladder]")
    after = rest[rest.index("[strategies.patient") :]
    texts = {name: f"{before}[strategies.standard_ladder]\n{table}\n{after}" for name, table in STRATEGY_TABLES.items()}
    return {name: parse_policy(text, name, STRATEGIES) for name, text in texts.items()}


countries = st.sampled_from(["US", "GB", "DE", "AU", "JP", "XX", None])
situations = st.builds(
    lambda country, later, **more: Situation(
        provider="stripe", segment="default", amount=1_000, currency="USD", failed_at=FAILED_AT, now=FAILED_AT + later,
        country=country, calendar=calendar_for(country, None, FAILED_AT, WINDOW), **more,
    ),
    country=countries,
    later=st.timedeltas(timedelta(0), timedelta(days=25)),
    invoice_id=st.text(min_size=1, max_size=20),
    attempt=st.integers(1, 5),
    cause=st.sampled_from([Cause.GENERIC, Cause.INSUFFICIENT_FUNDS, Cause.TECHNICAL, Cause.VELOCITY]),
    asked_wait_seconds=st.none() | st.integers(-5, 3_000_000),
    experience=st.none() | st.just(EXPERIENCE),
)  # fmt: skip


@given(
    name=st.sampled_from(sorted(STRATEGY_TABLES)), situation=situations, scale=st.sampled_from([1, 60, 100_000, 10**9])
)
def test_every_strategys_plan_keeps_the_laws_and_rederives_from_its_row(
    policies: dict[str, Policy], name: str, situation: Situation, scale: int
) -> None:
    inputs = PlannerInputs(situation, policies[name], WINDOW, TimeScale(factor=scale))
    answer = plan_next_retry(situation, policies[name], STRATEGIES, WINDOW, inputs.time_scale)
    row = json.loads(json.dumps(chain.to_json_value(dump_planner_inputs(inputs)), ensure_ascii=False, allow_nan=False))
    if situation.invoice_id == chain.replace_unstorable(situation.invoice_id):
        again = parse_planner_inputs(row, policies[name].version)
        assert (
            plan_next_retry(again.situation, again.policy, STRATEGIES, again.window_ends_at, again.time_scale) == answer
        )
    if isinstance(answer, Plan):
        assert situation.now <= answer.at <= WINDOW
        assert answer.at >= FAILED_AT + timedelta(seconds=situation.asked_wait_seconds or 0)
        assert answer.strategy in {"standard_ladder", "after_velocity", "fallback"}


def first_situation(**more: Any) -> Situation:
    """The situation of a failure of today."""
    defaults: dict[str, Any] = {
        "provider": "stripe", "invoice_id": "in_1", "attempt": 1, "cause": Cause.GENERIC, "segment": "default",
        "amount": 1, "currency": "EUR", "failed_at": FAILED_AT, "now": FAILED_AT,
    }  # fmt: skip
    return Situation(**(defaults | more))


def test_third_party_strategy_is_loaded_by_its_entry_point(policies: dict[str, Policy], monkeypatch: Any) -> None:
    point = EntryPoint("tides", f"{__name__}:TideStrategy", plugins.STRATEGY_GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == "pri.strategies" else [])
    assert [*catalog.installed_strategies()] == ["tides"]
    assert catalog.installed_strategies()["tides"](hours=12).propose(first_situation()) == Proposal(
        delay_seconds=43_200, why="high water"
    )
    assert required_lookups(policies["tides"], {"tides": TideStrategy}, "default", Cause.GENERIC) == {Need.CALENDAR}


@pytest.mark.parametrize(("attempt", "strategy"), [(1, "standard_ladder"), (3, "fallback")])
def test_invalid_third_party_proposal_falls_back_to_the_ladder(
    policies: dict[str, Policy], attempt: int, strategy: str
) -> None:
    answer = plan_next_retry(first_situation(attempt=attempt), policies["tides"], STRATEGIES, WINDOW, TimeScale())
    assert isinstance(answer, Plan)
    assert answer.strategy == strategy
    assert ("beyond the window" in " ".join(answer.rejected)) == (strategy == "fallback")


def test_invalid_setting_of_a_third_party_strategy_names_its_line(shipped_text: str) -> None:
    text = f'{shipped_text}\n[strategies.moon]\nuse = "tides"\nhours = 0'
    with pytest.raises(InvalidPolicy, match=r"^p.toml:[0-9]+: strategies.moon: hours must be 1 or more"):
        parse_policy(text, "p.toml", STRATEGIES)


def test_asked_wait_beyond_the_window_ends_the_retries_without_an_error(policies: dict[str, Policy]) -> None:
    situation = first_situation(asked_wait_seconds=30 * 86_400)
    answer = plan_next_retry(situation, policies["advice"], STRATEGIES, WINDOW, TimeScale())
    assert isinstance(answer, Exhausted)
    assert (answer.reason, answer.strategy, answer.rejected) == (ExhaustionReason.WINDOW, "standard_ladder", ())


def test_a_strategy_that_leaves_it_to_a_new_method_waits_for_one(policies: dict[str, Policy]) -> None:
    decision_config = shipped_decision_config().model_copy(
        update={"policy": policies["new_method_only"], "strategies": STRATEGIES}
    )
    scenario = RecoveryScenario(decision_config).fail_payment(Cause.GENERIC)
    row = scenario.records[-1]
    assert (row.type, row.data["action"], row.data["reason"]) == (
        EventType.RETRY_SKIPPED,
        "wait_for_method",
        "new_method",
    )
    assert scenario.recovery.state is State.AWAITING_CUSTOMER
    assert row.data["until"] == format_timestamp(scenario.now + timedelta(days=21))


@pytest.mark.parametrize(
    ("name", "needs"), [("payday", {Need.CALENDAR}), ("adaptive", {Need.EXPERIENCE}), ("advice", set())]
)
def test_only_inputs_that_a_strategy_needs_are_looked_up(
    policies: dict[str, Policy], name: str, needs: set[Need]
) -> None:
    assert required_lookups(policies[name], STRATEGIES, "default", Cause.GENERIC) == needs
    assert required_lookups(policies[name], {}, "default", Cause.GENERIC) == set()
    assert required_lookups(policies[name], STRATEGIES, "default", Cause.PERMANENT) == set()
