"""Arms: dealt by a stable hash, kept for the whole recovery, and never a way around a policy."""

from collections import Counter
from collections.abc import Mapping

import pytest

from core.classification.taxonomy import Cause
from core.errors import InvalidPolicy
from core.events import EventType
from core.planning.experiment_arms import apply_arm
from core.policy.experiments import HOLDOUT, Assignment, assign_arm, bucket_of
from core.policy.policy import Policy, StrategyFactory, parse_policy
from core.rates import Interval, newcombe_difference, wilson_interval
from tests.support.builders import HOUR
from tests.support.gateway import decline_result
from tests.support.recovery_scenario import RecoveryScenario, decision_config_of

EXPERIMENT = """
[experiments.patience]
holdout = 20
[experiments.patience.arms.patient]
share = 40
attempts_allowed = 6
strategies = { GENERIC = "patient_ladder" }
[experiments.patience.arms.short]
share = 20
[experiments.patience.arms.short.segments.loyal]
window_days = 5
campaign = "brief"
[campaigns.brief]
"""


@pytest.fixture(scope="module")
def policy(shipped_text: str, strategies: Mapping[str, StrategyFactory]) -> Policy:
    return parse_policy(shipped_text + EXPERIMENT, "p.toml", strategies)


def test_shares_are_kept_and_the_same_customer_is_always_dealt_the_same(policy: Policy) -> None:
    keys = [f"stripe\ncus_{number}" for number in range(10_000)]
    dealt = [assign_arm(policy.experiments, key) for key in keys]
    assert dealt == [assign_arm(policy.experiments, key) for key in keys]
    counts = Counter(one.arm if one else None for one in dealt)
    shares = {name: round(count / 100) for name, count in counts.items()}
    assert shares == pytest.approx({HOLDOUT: 20, "patient": 40, "short": 20, None: 20}, abs=2)


def test_a_hash_that_can_be_computed_anywhere() -> None:
    assert bucket_of("patience", "stripe\ncus_1") == bucket_of("patience", "stripe\ncus_1")
    assert 0 <= bucket_of("patience", "") < 10_000


def test_an_arm_changes_what_it_says_and_nothing_else(policy: Policy) -> None:
    patient = apply_arm(policy, Assignment(experiment="patience", arm="patient"))
    assert patient.segment_named("default").attempts_allowed == 6
    spec = patient.strategy_for("default", Cause.GENERIC)
    assert spec
    assert spec.name == "patient_ladder"
    assert patient.version == policy.version
    short = apply_arm(policy, Assignment(experiment="patience", arm="short"))
    assert (short.segment_named("loyal").window_days, short.segment_named("loyal").campaign) == (5, "brief")
    assert short.segment_named("default") == policy.segment_named("default")
    for gone in (HOLDOUT, "no such arm"):
        assert apply_arm(policy, Assignment(experiment="patience", arm=gone)) is policy


def test_every_row_of_a_decision_names_policy_and_arm_and_the_arm_stays(policy: Policy) -> None:
    only = policy.experiments[0].model_copy(update={"holdout": 0, "arms": policy.experiments[0].arms[:1]})
    everybody = only.model_copy(update={"arms": (only.arms[0].model_copy(update={"share": 100}),)})
    scenario = RecoveryScenario(
        decision_config=decision_config_of(policy.model_copy(update={"experiments": (everybody,)}))
    )
    scenario.fail_payment(Cause.GENERIC)
    decided = [row for row in scenario.records if row.type is not EventType.PAYMENT_FAILED]
    assert len(decided) == 4
    for row in decided:
        recorded = [row.data[key] for key in ("experiment", "arm", "policy_version")]
        assert recorded == ["patience", "patient", policy.version]
    assert (scenario.recovery.experiment, scenario.recovery.arm) == ("patience", "patient")
    scenario.decision_config = decision_config_of(policy.model_copy(update={"experiments": ()}))
    scenario.advance_until_due().request_charge()
    scenario.record_answer(decline_result("generic_decline"))
    scenario.advance_clock(HOUR).decide_failure(Cause.GENERIC)
    assert scenario.last_record(EventType.RETRY_PLANNED).data["arm"] == "patient"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("share = 40", "share = 90", "experiments.patience: holdout and shares come to 130 percent"),
        ("share = 40", "share = 4.5", "experiments.patience.arms.patient.share"),
        ("arms.patient]", "arms.holdout]", "experiments.patience.arms.holdout: an arm can't have that name"),
        ("patient_ladder", "rope", "experiments.patience.arms.patient.strategies.GENERIC: there is no [strategies."),
        ("GENERIC =", "FRAUD =", "experiments.patience.arms.patient.strategies.FRAUD: a failure of cause FRAUD"),
        ("segments.loyal", "segments.gone", "experiments.patience.arms.short.segments.gone: there is no segment"),
    ],
)
def test_a_mistake_is_named(shipped_text: str, old: str, new: str, complaint: str) -> None:
    assert old in EXPERIMENT
    with pytest.raises(InvalidPolicy) as caught:
        parse_policy(shipped_text + EXPERIMENT.replace(old, new), "p.toml")
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("p.toml:")


def test_newcombes_published_example() -> None:
    """56 of 70 against 48 of 80: Newcombe 1998, table II, method 10, first column: 0.0524 to 0.3339."""
    gap = newcombe_difference(wilson_interval(56, 70), wilson_interval(48, 80))
    assert gap
    assert (round(gap.estimate, 4), round(gap.low, 4), round(gap.high, 4)) == (0.2, 0.0524, 0.3339)


def test_rates_of_little(shipped: Policy) -> None:
    assert shipped.experiments == ()
    assert wilson_interval(0, 0) is None
    assert newcombe_difference(None, wilson_interval(1, 2)) is None
    nothing = wilson_interval(0, 10)
    assert nothing
    assert nothing == Interval(estimate=0, low=0, high=nothing.high)
