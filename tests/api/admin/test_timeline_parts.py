"""The timeline renders whatever the log holds, and none of it as markup."""

from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from api.admin.formatting import render_fact_value
from api.admin.pages import PageRenderer
from core.events import EventType, Record, State, read_data
from core.events.data import UnreadableData
from core.events.registry import MODELS
from core.payments import Failure
from core.timeline.timeline import UNREADABLE, build_timeline
from tests.support.builders import REQUIRED_DATA

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"
PAGES = PageRenderer()
NAMES = (
    "why", "currency", "rejected", "action", "reason", "cause", "level", "reasons", "actor", "refused", "kind",
    "outcome", "missing", "trigger", "state", "segment", "strategy", "policy_version", "experiment", "arm",
    "decided_by", "source", "category", "rule", "campaign", "idempotency_key", "method_id", "charge_id", "event_type",
    "event_id", "detail", "channel", "language", "step", "radar_level", "asked_by", "asked_reason", "decision",
    "network", "evidence",
)  # fmt: skip


def render_timeline(*records: Record) -> str:
    """The timeline of these rows as HTML."""
    template = PAGES._templates.get_template("story_timeline.html")
    render = partial(render_fact_value, now=NOW)
    return template.render(entries=build_timeline(records)[::-1], shown=render, now=NOW)


def log_record(type_: EventType, data: dict[str, Any], sequence: int = 2) -> Record:
    """A row of the log."""
    return Record(type=type_, occurred_at=NOW, sequence=sequence, attempt=1, to_state=State.WAITING, data=data)


FEE = {"amount": 1, "currency": HOSTILE}
INNER = dict.fromkeys([*Failure.model_fields, "last4", "country", "funding", "rule", "source", "planned_why"], HOSTILE)
SHAPES: tuple[Any, ...] = (INNER | FEE | {"fee": FEE, "planned_at": "2026-11-23T08:00:00Z"}, [HOSTILE], HOSTILE)


def hostile_data(type_: EventType) -> dict[str, Any]:
    """Data that fits this type, with markup in every field that takes text, a list of texts or an object."""
    data = dict(REQUIRED_DATA.get(type_, {}))
    for name, shape in product(MODELS[type_].model_fields, SHAPES):
        changed = data | {name: shape}
        data = data if isinstance(read_data(type_, changed), UnreadableData) else changed
    return data


@pytest.mark.parametrize("type_", EventType)
def test_no_text_of_a_row_is_markup(type_: EventType) -> None:
    html = render_timeline(log_record(type_, hostile_data(type_)))
    assert "alert(1)" in html
    assert "<script" not in html


@pytest.mark.parametrize("type_", EventType)
def test_nothing_of_an_unreadable_row_is_markup(type_: EventType) -> None:
    unreadable = {name: {HOSTILE: [HOSTILE]} for name in MODELS[type_].model_fields}
    html = render_timeline(log_record(type_, unreadable))
    assert escape(UNREADABLE) in html
    assert "<script" not in html


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = st.none() | st.booleans() | st.integers() | TEXTS | st.just("2026-11-23T08:00:00Z")
JSON = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.sampled_from(["code", "amount", "last4"]), PLAIN)
DATA = st.dictionaries(
    st.sampled_from([*NAMES, "at", "until", "amount", "score", "delay_seconds", "wait_seconds", "failure", "card"]),
    JSON,
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(EventType), st.booleans(), DATA), max_size=6))
def test_no_data_breaks_the_page(rows: list[tuple[EventType, bool, dict[str, Any]]]) -> None:
    html = render_timeline(
        *(
            log_record(type_, (REQUIRED_DATA.get(type_, {}) if is_complete else {}) | data, at)
            for at, (type_, is_complete, data) in enumerate(rows, start=1)
        )
    )
    assert html.encode()
    assert ("Just received" in html) is (not rows)
