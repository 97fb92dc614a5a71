"""The timeline renders whatever the log holds, and none of it as markup."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.admin.formatting import render_fact_value
from api.admin.pages import PageRenderer
from core.events import EventType, Record, State
from core.timeline.timeline import build_timeline

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


@pytest.mark.parametrize("type_", EventType)
def test_no_text_of_a_row_is_markup(type_: EventType) -> None:
    texts: dict[str, Any] = dict.fromkeys(NAMES, HOSTILE)
    inner = {"failure": texts, "card": texts, "network": texts, "network_fee": texts, "fee": texts}
    lists = {"rejected": [HOSTILE], "reasons": [HOSTILE], "missing": [HOSTILE]}
    for data in (texts | lists, texts | inner, texts | inner | lists):
        html = render_timeline(log_record(type_, data), log_record(EventType.RETRY_PLANNED, data, 3))
        assert "alert(1)" in html
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
@given(st.lists(st.tuples(st.sampled_from(EventType), DATA), max_size=6))
def test_no_data_breaks_the_page(rows: list[tuple[EventType, dict[str, Any]]]) -> None:
    html = render_timeline(*(log_record(type_, data, at) for at, (type_, data) in enumerate(rows, start=1)))
    assert html.encode()
    assert ("Just received" in html) is (not rows)
