"""What another policy would have done: from the same findings, beside the decision, without effect."""

from typing import Any

from core.classifier.taxonomy import Cause
from core.events import Event, EventType, Record
from core.fraud.assess import assess
from core.payments import Card, FailureFacts
from core.retry.decide import Findings, Means, decide
from core.retry.machine import fold, next_step, place_all
from core.retry.network_plan import found_card
from core.retry.network_rules import NetworkRules
from core.retry.recovery import Recovery
from core.retry.rederive import rederive
from core.retry.shadow import RETRY, Beside, shadow
from core.segmentation.segment import Segment
from tests.support.builders import THEN
from tests.support.story import OPEN, POLICY_FILE, STRATEGIES, Story, classified, shipped_means

SHIPPED = POLICY_FILE.read_text()
QUICKER = shipped_means(SHIPPED.replace('["3h", "24h", "72h", "168h"]', '["1h", "24h", "72h", "168h"]'))
EXPERIMENT = """
[experiments.all]
arms.patient = { share = 100, strategies = { GENERIC = "patient_ladder" } }
"""


def found(cause: Cause = Cause.GENERIC, story: Story | None = None) -> Findings:
    """What is known of a failure that waits for its decision."""
    told = story or _failed()
    facts, classification = FailureFacts(invoice=OPEN, card=Card(network="visa")), classified(cause)
    segment = Segment(name=told.recovery.segment or "default", rule="", why="")
    return Findings(
        recovery=told.recovery,
        facts=facts,
        classification=classification,
        segment=segment,
        assessment=assess(facts, classification),
        now=told.now,
    )


def _failed() -> Story:
    story = Story()
    story.fails(Cause.GENERIC)
    story.recovery, story.records = fold(Recovery(provider="stripe", invoice_id="in_1"), story.records[:1]), []
    return story


def beside(findings: Findings, means: Means | None = None) -> Beside:
    """The decision of the active policy."""
    decision = decide(findings, means or shipped_means())[-1]
    return Beside(decision=decision, card=found_card(findings), rules=NetworkRules(limits=()), tries=())


def shadowed(findings: Findings, means: Means) -> Event:
    """The shadow's row."""
    row = shadow(findings, means, beside(findings))
    assert row is not None
    return row


def placed(row: Event) -> Record:
    """In some log."""
    return Record(**dict(row), sequence=9, to_state=_failed().recovery.state)


def test_the_same_policy_agrees() -> None:
    findings = found()
    row, decision = shadowed(findings, shipped_means()), beside(findings).decision
    assert row.type is EventType.SHADOW_PLANNED
    assert (row.data["action"], row.data["agrees"]) == (RETRY, True)
    assert {key: row.data[key] for key in ("at", "strategy", "why")} == {
        key: decision.data[key] for key in ("at", "strategy", "why")
    }


def test_another_ladder_disagrees_and_says_what_it_would_do() -> None:
    row = shadowed(found(), QUICKER)
    assert row.data["agrees"] is False
    assert row.data["policy_version"] == QUICKER.policy.version
    assert row.data["delay_seconds"] < 3 * 3600


def test_what_no_retry_can_mend_is_no_retry_for_both() -> None:
    row = shadowed(found(Cause.PERMANENT), QUICKER)
    assert (row.data["action"], row.data["agrees"]) == ("wait_for_method", True)
    assert "at" not in row.data


def test_it_can_be_derived_again_from_its_own_row() -> None:
    row = placed(shadowed(found(), QUICKER))
    assert rederive(row, "stripe", STRATEGIES).agrees is True
    lie = row.having(delay_seconds=1)
    assert rederive(lie, "stripe", STRATEGIES).agrees is False


def test_its_experiment_deals_arms_of_its_own_also_later() -> None:
    means = shipped_means(SHIPPED + EXPERIMENT)
    for story in (_failed(), _declined()):
        row = shadowed(found(story=story), means)
        assert (row.data["experiment"], row.data["arm"], row.data["strategy"]) == ("all", "patient", "patient_ladder")


def _declined() -> Story:
    """After a first charge that was declined; the active policy has no experiment."""
    story = Story().fails(Cause.GENERIC)
    story.recovery = story.recovery.having(next_attempt_at=None, attempts_used=1, undecided=True)
    assert (story.recovery.segment, story.recovery.arm) == ("default", None)
    return story


def test_where_the_schedule_stands_there_is_nothing_to_compare() -> None:
    findings = found()
    given = beside(findings)
    kept: dict[str, Any] = {**given.decision.data, "inputs": {"kept_at": "2026-01-01T00:00:00Z"}}
    stood = given.model_copy(update={"decision": given.decision.holding(given.decision.type, kept)})
    assert shadow(findings, QUICKER, stood) is None


def test_it_changes_nothing() -> None:
    findings = found()
    decided = decide(findings, shipped_means())
    alone, _ = place_all(findings.recovery, decided, THEN)
    both, records = place_all(findings.recovery, (*decided, shadowed(findings, QUICKER)), THEN)
    assert both == alone.having(sequence=alone.sequence + 1)
    assert next_step(both, THEN) == next_step(alone, THEN)
    assert records[-1].from_state is records[-1].to_state is alone.state


def test_it_stands_before_the_end_that_the_decision_brings() -> None:
    findings = found(Cause.STOP_INSTRUCTION)
    decided = decide(findings, shipped_means())
    _, records = place_all(findings.recovery, (*decided, shadowed(findings, QUICKER)), THEN)
    assert [one.type.value for one in records][-3:] == ["retry.skipped", "shadow.planned", "recovery.closed"]
