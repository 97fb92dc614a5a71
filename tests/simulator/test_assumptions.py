"""The shipped assumptions: their sources, what a file may replace, and known modelling mistakes."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import catalog
from core.classification.classify import classify
from core.classification.taxonomy import Category, Cause
from core.durations import parse_duration
from core.errors import InvalidInput
from core.payments import Failure
from simulator.model.assumption_schema import DeclinePattern
from simulator.model.assumptions import REPLACED_WEAKNESS, Assumptions, load_assumptions, load_shipped_assumptions
from simulator.model.success_chances import CAUSE_INDEX, CAUSES, classify_delays

ROOT = Path(__file__).parents[2]
SHIPPED_TEXT = files("simulator.model").joinpath("assumptions.toml").read_text(encoding="utf-8")
SHIPPED_ASSUMPTIONS = load_shipped_assumptions()


def write_file(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def load_replaced(folder: Path, text: str) -> Assumptions:
    return load_assumptions(write_file(folder, text))


def shipped_delays() -> list[int]:
    policy = tomllib.loads((ROOT / "core/policy/policies.toml").read_text(encoding="utf-8"))
    return [parse_duration(text) for text in policy["strategies"]["standard_ladder"]["delays"]]


# Traps that others recorded


def test_shares_above_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"mine\.toml:1: reason_mix\.shares: the shares add up to 1\.1, not 1"):
        load_replaced(tmp_path, "[reason_mix.shares]\ninsufficient_funds = 0.5056\n")


def test_a_share_is_not_rounded_away(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="add up to"):
        load_replaced(tmp_path, "[networks.shares]\nvisa = 0.55000001\n")


def test_a_share_of_recoveries_is_not_taken_for_an_effectiveness() -> None:
    published_shares_of_recoveries = {"0.281", "0.084", "0.035", "0.006"}
    numbers = {text for number in SHIPPED_ASSUMPTIONS.list_numbers() for text in re.findall(r"[\d.]+", number.value)}
    assert not numbers & published_shares_of_recoveries


def test_message_effects_are_incremental() -> None:
    mean = sum(
        share * SHIPPED_ASSUMPTIONS.answering_share(cause) for cause, share in SHIPPED_ASSUMPTIONS.by_cause.items()
    )
    assert mean == pytest.approx(0.028 + 0.019 + 0.017 + 0.015 + 0.015)
    assert mean < sum(SHIPPED_ASSUMPTIONS.messages.rates) / 4


def test_day_and_attempt_factors_do_not_count_a_decay_twice() -> None:
    delays = classify_delays(np.array(shipped_delays(), dtype=np.int64))
    factors = [SHIPPED_ASSUMPTIONS.delays.factors[delay] for delay in delays]
    assert sum(factors) / len(factors) == pytest.approx(1)
    assert factors[-1] > factors[0], "the ladder's waits grow: a falling curve would repeat the decay of the attempts"
    assert list(SHIPPED_ASSUMPTIONS.attempts.factors) == sorted(SHIPPED_ASSUMPTIONS.attempts.factors, reverse=True)


def test_assumed_baseline_is_declared_and_swept() -> None:
    baseline, points = SHIPPED_ASSUMPTIONS.self_recovery, SHIPPED_ASSUMPTIONS.sweep.points
    assert baseline.source.startswith("assumption")
    assert "not published" in baseline.weakness
    assert (points[0].soft, points[0].hard) == (0.05, 0.0)
    assert (points[-1].soft, points[-1].hard) == (0.35, 0.10)
    assert (baseline.soft, baseline.hard) in {(point.soft, point.hard) for point in points[1:-1]}


def test_curves_are_kept_as_they_were_published() -> None:
    assert SHIPPED_ASSUMPTIONS.messages.rates == (0.1325, 0.1146, 0.1151, 0.0422, 0.0383, 0.042)
    assert SHIPPED_ASSUMPTIONS.weekdays.factors == (1.05, 1.18, 1.15, 1.12, 0.98, 0.82, 0.78)
    assert SHIPPED_ASSUMPTIONS.hours.factors[6:] == (
        *[1.15] * 3,
        *[1.185] * 3,
        *[1.10] * 3,
        *[1.0] * 3,
        *[0.925] * 3,
        *[0.875] * 3,
    )


def test_hours_are_relative_to_the_mean_as_the_source_says() -> None:
    assert sum(SHIPPED_ASSUMPTIONS.hours.factors) / 24 == pytest.approx(1)


# What the shipped numbers promise


def test_every_number_has_a_source_and_a_weakness() -> None:
    numbers = SHIPPED_ASSUMPTIONS.list_numbers()
    assert len({number.name for number in numbers}) == len(numbers) > 150
    assert not [number.name for number in numbers if not re.search(r"assumption|\bS\d+\b", number.source)]
    assert not [number.name for number in numbers if len(number.weakness) < 20]


def test_nothing_of_the_file_is_left_out_of_the_list() -> None:
    sections = {number.name.partition(".")[0] for number in SHIPPED_ASSUMPTIONS.list_numbers()}
    assert sections == set(tomllib.loads(SHIPPED_TEXT))


def test_the_mix_is_the_published_one() -> None:
    assert SHIPPED_ASSUMPTIONS.reason_mix.shares["insufficient_funds"] == 0.4056
    assert SHIPPED_ASSUMPTIONS.by_cause[Cause.INSUFFICIENT_FUNDS] == pytest.approx(0.4056 + 0.0368)
    assert sum(SHIPPED_ASSUMPTIONS.by_cause.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("line", "network"), [(line, network) for line, network, _ in SHIPPED_ASSUMPTIONS.failure_kinds]
)
def test_assumed_codes_classify_as_their_true_cause(line: DeclinePattern, network: str | None) -> None:
    tables = catalog.load_decline_tables(
        {"stripe": (ROOT / "providers/stripe/decline_codes.csv").read_text(encoding="utf-8")}
    )
    raw = line.model_dump(include=set(Failure.model_fields))
    assert classify(Failure(network=network, **raw), tables, provider="stripe").cause is line.cause


def test_blocked_failures_were_not_sent_to_the_network() -> None:
    blocked = [line for line in SHIPPED_ASSUMPTIONS.failures.lines if line.outcome == "blocked"]
    assert {line.network_status for line in blocked} == {"not_sent_to_network"}
    assert "highest" in {line.risk_level for line in blocked}


def test_hard_declines_have_no_chance() -> None:
    hard = [SHIPPED_ASSUMPTIONS.base.chances[cause] for cause in Cause if cause.category is Category.HARD_DECLINE]
    soft = [
        SHIPPED_ASSUMPTIONS.base.chances[cause] for cause in (Cause.GENERIC, Cause.INSUFFICIENT_FUNDS, Cause.TECHNICAL)
    ]
    assert max(hard) < 0.05 < min(soft)


def test_chance_table_follows_the_order_of_causes() -> None:
    outcomes = SHIPPED_ASSUMPTIONS.to_outcome_chances()
    assert outcomes.base[CAUSE_INDEX[Cause.TECHNICAL]] == SHIPPED_ASSUMPTIONS.base.chances[Cause.TECHNICAL]
    assert [len(array) for array in (outcomes.base, outcomes.attempts, outcomes.delays)] == [len(CAUSES), 8, 8]
    assert (outcomes.cap, outcomes.payday, outcomes.new_method) == (0.95, 1.4, 0.8)


def test_assumptions_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SHIPPED_ASSUMPTIONS.self_recovery.soft = 1.0  # type: ignore[misc]


# Replacing them


def test_a_file_replaces_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    assumptions = load_replaced(tmp_path, "[self_recovery]\nsoft = 0.1\n[base.chances]\nGENERIC = 0.4\n")
    assert (assumptions.self_recovery.soft, assumptions.self_recovery.hard) == (
        0.1,
        SHIPPED_ASSUMPTIONS.self_recovery.hard,
    )
    assert assumptions.base.chances == {**SHIPPED_ASSUMPTIONS.base.chances, Cause.GENERIC: 0.4}
    assert set(assumptions.replaced) == {"self_recovery.soft", "base.chances.GENERIC"}


def test_replaced_number_names_its_source(tmp_path: Path) -> None:
    numbers = {number.name: number for number in load_replaced(tmp_path, "[payday]\nfactor = 2\n").list_numbers()}
    assert (numbers["payday.factor"].value, numbers["payday.factor"].weakness) == ("2", REPLACED_WEAKNESS)
    assert numbers["payday.factor"].source == str(tmp_path / "mine.toml")
    assert numbers["cap.chance"].source == SHIPPED_ASSUMPTIONS.cap.source


def test_a_file_may_name_its_own_source(tmp_path: Path) -> None:
    numbers = load_replaced(tmp_path, '[payday]\nfactor = 2\nsource = "our own books of 2025"\n').list_numbers()
    source = next(number.source for number in numbers if number.name == "payday.factor")
    assert source == f"{tmp_path / 'mine.toml'}: our own books of 2025"


def test_a_copy_of_the_shipped_file_replaces_nothing(tmp_path: Path) -> None:
    assert load_replaced(tmp_path, SHIPPED_TEXT) == SHIPPED_ASSUMPTIONS


def test_an_empty_file_replaces_nothing(tmp_path: Path) -> None:
    assert load_replaced(tmp_path, "") == SHIPPED_ASSUMPTIONS


def test_lists_are_replaced_as_a_whole(tmp_path: Path) -> None:
    assumptions = load_replaced(tmp_path, "[amounts]\npoints = [{ amount = 700, share = 1.0 }]\n")
    assert [point.amount for point in assumptions.amounts.points] == [700]


def test_a_reason_of_ones_own_needs_a_line_of_its_own(tmp_path: Path) -> None:
    shares = "[reason_mix.shares]\nother = 0.0444\nmoon = 0.01\n"
    with pytest.raises(InvalidInput, match=r"reason_mix\.shares\.moon: no line of failures\.lines"):
        load_replaced(tmp_path, shares)


WRONG = {
    "[self_recovery]\nsoft = 1.5\n": r":2: self_recovery\.soft: Input should be less than or equal to 1",
    "[self_recovery]\nsoft = -0.1\n": r":2: self_recovery\.soft: Input should be greater than or equal to 0",
    "[self_recovery]\nsoft = nan\n": r":2: self_recovery\.soft: Input should be a finite number",
    "[self_recovery]\nsoft = true\n": r":2: self_recovery\.soft: Input should be a valid number",
    '[self_recovery]\nsoft = "0.1"\n': r":2: self_recovery\.soft: Input should be a valid number",
    "[self_recovery]\nsofter = 0.1\n": r":2: self_recovery\.softer: Extra inputs are not permitted",
    "[self_recover]\nsoft = 0.1\n": r":1: self_recover: Extra inputs are not permitted",
    "replaced = {}\n": r"replaced: Extra inputs are not permitted",
    "self_recovery = 3\n": r":1: self_recovery: Input should be a valid dictionary",
    "[base.chances]\nBAD_LUCK = 0.1\n": r"base\.chances\.BAD_LUCK.*Input should be 'PERMANENT'",
    "[hours]\nfactors = [1.0, 1.0]\n": r":2: hours\.factors: .* at least 24 items",
    "[delays]\nfactors = [1, 1, 1, 1, 1, 1, 1, 1, 1]\n": r":2: delays\.factors: .* at most 8 items",
    "[messages]\ndays = [0, 3]\n": r":1: messages: there are 2 days and 6 rates",
    "[messages]\ndays = [3, 0, 7, 15, 20, 30]\n": r":1: messages: the days must rise",
    "[messages]\nadded = [0.6, 0.6]\n": r":1: messages: the added shares come to 1\.2, more than everybody",
    "[messages]\nadded = [0.9]\n": r"answers\.causes\.PERMANENT: 1\.06 of the customers would answer, more than all",
    "[answer_times]\nsteps = [{ hours = 2, share = 0.5 }, { hours = 1, share = 0.5 }]\n": r"the hours must rise",
    "[answer_times]\nsteps = []\n": r":2: answer_times\.steps: the shares add up to 0, not 1",
    "[countries]\nplaces = [{ country = 'DE', time_zone = 'Europe/Berlin', share = 0.9 }]\n": r":2: .* 0\.9, not 1",
    "[countries]\nplaces = [{ country = 'DE', time_zone = 'Mars/Base', share = 1 }]\n": r"'Mars/Base' is no time zone",
    "[networks.shares]\nvisa = 0.5\nelo = 0.05\n": r"shares of insufficient_funds on elo add up to 0, not 1",
    "[[failures.lines]]\nreason = 'moon'\nshare = 1.0\ncause = 'GENERIC'\n": r"no line of failures\.lines says",
    "[self_recovery\n": r"mine\.toml: .*line 1",
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), WRONG.items(), ids=range(len(WRONG)))
def test_invalid_assumptions_are_refused_with_file_and_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as excinfo:
        load_replaced(tmp_path, text)
    assert str(excinfo.value).startswith(str(tmp_path / "mine.toml"))


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cap\.chance.*; .*self_recovery\.soft"):
        load_replaced(tmp_path, "[self_recovery]\nsoft = 2.0\n[cap]\nchance = 2.0\n")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nowhere"):
        load_assumptions(tmp_path / "nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="bytes"):
        load_assumptions(tmp_path / "bytes.toml")
