"""Rows that give up say until when the recovery waits; what is derived from them comes out as it was."""

from datetime import timedelta

from core.classifier.taxonomy import Cause
from core.events import Record, State, moment
from core.retry.decide import Means
from core.retry.rederive import rederive
from core.retry.shadow import shadow
from tests.core.retry.test_shadow import SHIPPED, beside, found, placed
from tests.support.story import STRATEGIES, Story, shipped_means

NEVER_RETRIED = shipped_means(SHIPPED.replace('GENERIC = "standard_ladder"', ""))
SHORTER = shipped_means(
    SHIPPED.replace('GENERIC = "standard_ladder"', "").replace("window_days = 21", "window_days = 9")
)


def given_up(means: Means) -> tuple[Story, Record]:
    """A recovery whose cause is never retried, and its row."""
    story = Story(means=means)
    story.fails(Cause.GENERIC)
    return story, story.records[-1]


def test_the_row_says_the_end_of_the_window_and_derives_again() -> None:
    story, row = given_up(NEVER_RETRIED)
    assert (row.data["action"], row.data["reason"], row.to_state) == ("give_up", "no_retry", State.AWAITING_CUSTOMER)
    assert moment(row.data["until"]) == story.recovery.window_ends_at
    assert rederive(row, "stripe", STRATEGIES).agrees is True


def test_a_shadow_that_gives_up_too_agrees_whatever_its_window() -> None:
    findings = found()
    row = shadow(findings, SHORTER, beside(findings, NEVER_RETRIED))
    assert row is not None
    assert (row.data["action"], row.data["agrees"]) == ("give_up", True)
    assert rederive(placed(row), "stripe", STRATEGIES).agrees is True


def test_a_plan_that_is_made_later_forgets_that_there_was_none() -> None:
    """Another card may fail for a cause that is retried."""
    story, _ = given_up(NEVER_RETRIED)
    assert story.recovery.used_up == "no_retry"
    story.later(timedelta(hours=1)).decides(Cause.INSUFFICIENT_FUNDS)
    planned = story.recovery
    assert planned.stage is State.WAITING
    assert planned.used_up is None
