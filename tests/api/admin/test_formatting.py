"""What the console adds to the common texts: a dash for what is missing, and how far away a moment is."""

from datetime import UTC, datetime, timedelta

import pytest

from api.admin.formatting import (
    format_display_amount,
    format_distance,
    format_number,
    format_share,
    format_span,
    render_list_moment,
    render_moment,
)
from api.admin.policy_description import describe_policy
from core.policy.policy import parse_policy
from settings import SHIPPED_POLICY

AT = datetime(2026, 11, 24, 8, 0, 7, tzinfo=UTC)
SOON = AT - timedelta(hours=3)


def test_what_is_missing_is_a_dash() -> None:
    missing = (format_display_amount(None, "EUR"), format_number(None), format_share(None), format_span(None))
    assert set(missing) == {"—"}
    assert render_moment(None) == render_list_moment(None, AT) == '<span class="none">—</span>'


def test_nothing_is_not_missing() -> None:
    shown = (format_display_amount(0, "KWD"), format_number(0), format_share(0.0), format_span(0))
    assert shown == ("0.000 KWD", "0", "0.0%", "0 s")


def test_an_amount_without_a_currency_says_so() -> None:
    assert format_display_amount(4_900, "") == "4,900 (currency not known yet)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"), (0.4, "now"), (-0.4, "now"), (59, "in 59 s"), (-60, "1 min ago"), (90 * 60, "in 1 h 30 min"),
        (-25 * 3_600, "1 d 1 h ago"), (45 * 86_400, "in 45 d"),
    ],
)  # fmt: skip
def test_how_far_away_a_moment_is(seconds: float, text: str) -> None:
    assert format_distance(AT + timedelta(seconds=seconds), AT) == text


def test_a_moment_is_one_for_people_and_programs() -> None:
    element = '<time datetime="2026-11-24T08:00:07+00:00" title="2026-11-24 08:00:07 UTC">{}</time>'
    minute = "2026-11-24 08:00 UTC"
    assert render_moment(AT) == element.format(minute)
    assert render_moment(AT, SOON) == element.format(minute) + ' <span class="away">in 3 h</span>'
    assert render_list_moment(AT, SOON) == element.format("in 3 h") + "<small>2026-11-24 08:00</small>"


EXPERIMENT = """
[experiments.ladder]
holdout = 10
[experiments.ladder.arms.patient]
share = 45
"""


def test_a_policy_is_described_in_exact_lengths_and_whole_percentages() -> None:
    policy = describe_policy(parse_policy(SHIPPED_POLICY.read_text() + EXPERIMENT, "test"))
    ladder = "waits 3 hours, then 24 hours, then 3 days, then 7 days, each up to 10% longer"
    assert policy.strategies[0].does == ladder
    assert "customer for at least 365 days, and payments that went through at least 85%" in [
        one.who for one in policy.segments
    ]
    shares = [(name, share) for name, share, _ in policy.experiments[0].arms]
    assert shares == [("Holdout", "10%"), ("Patient", "45%"), ("Not part of it", "45%")]
