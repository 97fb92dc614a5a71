"""A recorded decision comes out the same again, from its row alone; a changed row doesn't."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

import catalog
from core.classifier.tables import Tables
from core.classifier.taxonomy import Cause
from core.contracts import Action
from core.events import EventType, Record
from core.retry.decide import Means
from core.retry.policy import Policy, parse
from core.retry.rederive import Rederived, rederive
from db import chain
from tests.support.gateway import declined
from tests.support.story import Story

STRATEGIES = catalog.strategies()


def stored(record: Record, **changes: Any) -> Record:
    """The record as the log gives it back, but for these changes of its data."""
    data = json.loads(json.dumps(chain.plain(record.data.stored))) | changes
    return record.holding(record.type, data)


def again(record: Record, **changes: Any) -> Rederived:
    return rederive(stored(record, **changes), "stripe", STRATEGIES)


def last(story: Story, kind: EventType) -> Record:
    return [record for record in story.records if record.type is kind][-1]


def means(text: str) -> Means:
    return Means(policy=parse(text, "policies.toml", STRATEGIES), strategies=STRATEGIES)


def using(shipped_text: str, table: str) -> Means:
    """The shipped policy with this in the place of its standard ladder."""
    before, _, after = shipped_text.partition("[strategies.standard_ladder]")
    return means(f"{before}[strategies.standard_ladder]\n{table}\n{after[after.index('[strategies.patient') :]}")


@pytest.mark.parametrize("cause", [Cause.GENERIC, Cause.TECHNICAL, Cause.VELOCITY, Cause.UNKNOWN, Cause.API_LIMIT])
@pytest.mark.parametrize("wait", [None, 3_600, 864_000])
def test_a_plan_comes_out_the_same_from_its_row(cause: Cause, wait: int | None) -> None:
    found = again(last(Story().fails(cause, wait_seconds=wait), EventType.RETRY_PLANNED))
    assert found.agrees, found


@pytest.mark.parametrize("change", [{"delay_seconds": 1}, {"at": "2030-01-01T00:00:00Z"}, {"strategy": "other"}])
def test_a_changed_row_is_found(change: Mapping[str, Any]) -> None:
    found = again(last(Story().fails(), EventType.RETRY_PLANNED), **change)
    assert found.agrees is False
    assert next(iter(change)) in found.why


def test_giving_up_comes_out_the_same() -> None:
    found = again(last(Story().fails(wait_seconds=90 * 86_400), EventType.RETRY_SKIPPED))
    assert found.agrees, found
    assert found.recorded["reason"] == "window"


def test_a_failed_strategy_and_its_stand_in_come_out_the_same(shipped_text: str) -> None:
    story = Story(using(shipped_text, 'use = "exponential_backoff"\nbase = "90d"\ncap = "90d"')).fails()
    row = last(story, EventType.RETRY_PLANNED)
    assert row.data["strategy"] == "fallback"
    assert again(row).agrees


def test_what_today_s_policy_says_is_told_besides(shipped: Policy, shipped_text: str) -> None:
    row = stored(last(Story().fails(), EventType.RETRY_PLANNED))
    newer = parse(shipped_text.replace('"3h", ', '"5h", '), "policies.toml", STRATEGIES)
    assert rederive(row, "stripe", STRATEGIES, shipped).today is None
    found = rederive(row, "stripe", STRATEGIES, newer)
    assert found.agrees
    assert found.today is not None
    assert "5 h" in found.today


def test_a_classification_is_made_again(tables: Tables) -> None:
    data = {
        "category": "SOFT_DECLINE", "cause": "INSUFFICIENT_FUNDS", "code": "insufficient_funds",
        "decided_by": "stripe decline_code=insufficient_funds", "wait_seconds": None,
        "failure": {"code": "insufficient_funds"}, "card": {},
    }  # fmt: skip
    template = last(Story().fails(), EventType.FAILURE_CLASSIFIED)
    row = template.holding(template.type, data)
    found = rederive(row, "stripe", STRATEGIES, tables=tables)
    assert found.agrees, found
    other = row.having(cause="PERMANENT")
    assert rederive(other, "stripe", STRATEGIES, tables=tables).agrees is False


@pytest.mark.parametrize("inputs", [{}, {"situation": 1}, {"kept_at": None}, {"situation": {}, "window_ends_at": 5}, 7])
def test_what_can_t_be_read_is_said_and_never_raised(inputs: Any) -> None:
    assert not again(last(Story().fails(), EventType.RETRY_PLANNED), inputs=inputs).agrees


def test_other_rows_hold_no_decision() -> None:
    assert again(last(Story().fails(), EventType.FRAUD_ASSESSED)).agrees is None


def test_a_schedule_that_was_kept_is_checked_too() -> None:
    story = Story().fails()
    story.later(timedelta(minutes=5)).asked(Action.RETRY)
    story.charges()
    story.answered(declined("do_not_honor"))
    story.decides(Cause.GENERIC)
    row = last(story, EventType.RETRY_PLANNED)
    assert "kept_at" in row.data["inputs"]
    assert again(row).agrees
    assert again(row, at="2030-01-01T00:00:00Z").agrees is False
