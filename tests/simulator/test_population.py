"""The synthetic source: reproducible cases, distributed as its assumptions say."""

import pickle
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.classification.taxonomy import Category, Cause
from simulator.model.assumptions import Assumptions, load_assumptions, load_shipped_assumptions
from simulator.model.cases import NEVER, Booleans, Cases, Integers
from simulator.model.source import Source
from simulator.population.synthetic import DISTINCT_NAMES, SyntheticSource

SHIPPED_ASSUMPTIONS = load_shipped_assumptions()
PLACES = len(SHIPPED_ASSUMPTIONS.countries.places)
DAY = 86_400
MANY_CASES = 300_000
COLUMNS = ("number", "name", "failure", "payer", "failed_at", "paid_at", "method_at")


def a_source(
    recoveries: int = MANY_CASES, seed: int = 7, assumptions: Assumptions = SHIPPED_ASSUMPTIONS
) -> SyntheticSource:
    return SyntheticSource(assumptions, recoveries, seed)


SOURCE = a_source()
CASES = SOURCE.cases(0, MANY_CASES)


def case_rows(cases: Cases) -> list[tuple[object, ...]]:
    columns = [getattr(cases, name).tolist() for name in COLUMNS]
    return list(zip(*columns, [cases.earlier.get(row, ()) for row in range(len(cases))], strict=True))


def is_about(values: Booleans, share: float, of: int | None = None) -> bool:
    """Whether the share of true values is within five standard deviations of `share`."""
    count = len(values) if of is None else of
    deviation = float((count * share * (1 - share)) ** 0.5)
    return bool(abs(int(values.sum()) - share * count) <= 5 * deviation + 1e-6)


def kind_of(cases: Cases) -> Integers:
    """The kinds of the cases, counted as `Assumptions.kinds` counts them."""
    return cases.failure // PLACES


def kinds_of_category(hard: bool) -> Booleans:
    matching = [
        (line.cause.category is Category.HARD_DECLINE) is hard for line, _, _ in SHIPPED_ASSUMPTIONS.failure_kinds
    ]
    return np.array(matching)[kind_of(CASES)]


def load_changed(folder: Path, text: str) -> Assumptions:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_assumptions(path)


NO_SELF_RECOVERY = "[self_recovery]\nsoft = 0.0\nhard = 0.0\n"
NO_MESSAGES = "[messages]\nadded = []\n"


# One case has one outcome


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**64 - 1), cuts=st.lists(st.integers(0, 700), max_size=6))
def test_cases_are_independent_of_chunks(seed: int, cuts: list[int]) -> None:
    source, ends = a_source(700, seed), sorted([0, *cuts, 700])
    source.book = SOURCE.book
    parts = [source.cases(begin, end - begin) for begin, end in pairwise(ends)]
    assert [row for part in parts for row in case_rows(part)] == case_rows(source.cases(0, 700))


def test_a_case_does_not_depend_on_how_many_there_are() -> None:
    assert case_rows(a_source(100).cases(0, 100)) == case_rows(a_source(10**9).cases(0, 100))


def test_source_has_the_requested_number_of_cases() -> None:
    source = a_source(10)
    assert (len(source), len(source.cases(8, 5)), len(source.cases(10, 5))) == (10, 2, 0)


def test_another_seed_is_another_population() -> None:
    assert case_rows(a_source(50, 1).cases(0, 50)) != case_rows(a_source(50, 2).cases(0, 50))


def test_pickled_source_draws_the_same_cases() -> None:
    pickled = pickle.dumps(SOURCE)
    assert len(pickled) < 60_000, "only the assumptions are sent, not what is made of them"
    assert case_rows(pickle.loads(pickled).cases(5_000, 200)) == case_rows(SOURCE.cases(5_000, 200))


def test_names_come_back_after_65536_cases() -> None:
    names = [a_source(10**6).cases(number, 1).case_at(0) for number in (0, DISTINCT_NAMES - 1, DISTINCT_NAMES)]
    assert [name.invoice_id for name in names] == ["in_sim_00000", "in_sim_65535", "in_sim_00000"]
    assert [name.customer_id for name in names] == ["cus_sim_00000", "cus_sim_65535", "cus_sim_00000"]
    assert [name.number for name in names] == [0, DISTINCT_NAMES - 1, DISTINCT_NAMES]


def test_implements_the_source_protocol() -> None:
    source: Source = SOURCE
    assert (source.name, source.currency) == ("synthetic", "USD")
    assert source.outcomes.recorded_attempts is None
    assert any("Nobody has published" in note for note in source.notes)


# The spread is the one that is assumed


def test_reasons_and_networks_are_spread_as_published() -> None:
    kinds = kind_of(CASES)
    assert all(
        is_about(kinds == number, share) for number, (_, _, share) in enumerate(SHIPPED_ASSUMPTIONS.failure_kinds)
    )
    funds = np.array([line.reason == "insufficient_funds" for line, _, _ in SHIPPED_ASSUMPTIONS.failure_kinds])[kinds]
    assert is_about(funds, 0.4056)


@pytest.mark.parametrize(("network", "share"), SHIPPED_ASSUMPTIONS.networks.shares.items())
def test_networks_are_spread_over_all_cards(network: str, share: float) -> None:
    networks = np.array([failure.card.network or "" for failure in SOURCE.book.failures])[CASES.failure]
    assert is_about(networks == network, share, of=int((networks != "").sum()))


def test_places_amounts_and_pasts_are_spread_independently() -> None:
    payers = SOURCE.book.payers
    amount = np.array([payer.amount for payer in payers])[CASES.payer]
    tenure = np.array([payer.profile.tenure_days for payer in payers])[CASES.payer]
    zone = np.array([payer.time_zone for payer in payers])[CASES.payer]
    assert all(is_about(amount == point.amount, point.share) for point in SHIPPED_ASSUMPTIONS.amounts.points)
    assert all(is_about(zone == country.time_zone, country.share) for country in SHIPPED_ASSUMPTIONS.countries.places)
    assert is_about(tenure == 240, 0.19)
    assert is_about((tenure == 240) & (amount == 1_900) & (zone == "Europe/Berlin"), 0.19 * 0.24 * 0.10)


def test_failures_arrive_over_the_days_and_hours() -> None:
    since = CASES.failed_at - 1_788_220_800  # 2026-09-01T00:00:00Z
    assert (since.min() >= 0, since.max() < 30 * DAY) == (True, True)
    assert all(is_about(since // DAY == day, 1 / 30) for day in range(30))
    assert all(
        is_about(since // 3_600 % 24 == hour, share) for hour, share in enumerate(SHIPPED_ASSUMPTIONS.arrivals.hours)
    )
    assert all(is_about(since % 60 == second, 1 / 60) for second in range(60))


def test_cards_were_tried_before_as_assumed() -> None:
    assert all(
        is_about(CASES.earlier_counts == prior.tries, prior.share) for prior in SHIPPED_ASSUMPTIONS.priors.classes
    )
    for row, times in CASES.earlier.items():
        ago = [int(CASES.failed_at[row]) - at for at in times]
        assert ago == sorted(ago, reverse=True)
        assert 1 <= ago[-1] <= ago[0] <= 30 * DAY


def test_tries_before_are_spread_over_the_whole_time() -> None:
    ago = np.array([CASES.failed_at[row] - at for row, times in CASES.earlier.items() for at in times])
    assert all(is_about(ago // (3 * DAY) == part, 0.1) for part in range(10))


# What customers do


def self_paying_cases(folder: Path) -> Cases:
    return a_source(assumptions=load_changed(folder, NO_MESSAGES)).cases(0, MANY_CASES)


def answering_cases(folder: Path) -> Cases:
    return a_source(assumptions=load_changed(folder, NO_SELF_RECOVERY)).cases(0, MANY_CASES)


def test_share_of_customers_who_pay_by_themselves(tmp_path: Path) -> None:
    cases = self_paying_cases(tmp_path)
    paid = cases.paid_at != NEVER
    assert is_about(paid & kinds_of_category(hard=False), 0.20, of=int(kinds_of_category(hard=False).sum()))
    assert is_about(paid & kinds_of_category(hard=True), 0.05, of=int(kinds_of_category(hard=True).sum()))
    assert (cases.method_at == NEVER).all()


def test_nine_of_ten_self_paying_customers_pay_within_ten_days(tmp_path: Path) -> None:
    cases = self_paying_cases(tmp_path)
    after = (cases.paid_at - cases.failed_at)[cases.paid_at != NEVER]
    assert after.min() >= 1
    assert after.max() <= 27 * DAY
    assert is_about(after <= 10 * DAY, 0.9)
    assert is_about(after <= DAY, 0.2)


def test_share_of_customers_who_answer_a_message_by_cause(tmp_path: Path) -> None:
    cases = answering_cases(tmp_path)
    has_answered = (cases.paid_at != NEVER) | (cases.method_at != NEVER)
    causes = np.array([line.cause.value for line, _, _ in SHIPPED_ASSUMPTIONS.failure_kinds])[kind_of(cases)]
    for cause in Cause:
        has_cause = causes == cause.value
        assert is_about(has_answered[has_cause], SHIPPED_ASSUMPTIONS.answering_share(cause)), cause
        other = (cases.method_at != NEVER)[has_cause & has_answered]
        assert is_about(other, SHIPPED_ASSUMPTIONS.answers.causes[cause].another_card), cause
    assert is_about(has_answered, SHIPPED_ASSUMPTIONS.messages.total_share)


def test_no_customer_answers_twice(tmp_path: Path) -> None:
    cases = answering_cases(tmp_path)
    assert not ((cases.paid_at != NEVER) & (cases.method_at != NEVER)).any()


def test_answers_follow_the_days_of_the_messages(tmp_path: Path) -> None:
    cases = answering_cases(tmp_path)
    after = np.minimum(cases.paid_at, cases.method_at) - cases.failed_at
    after = after[after < 10**9]
    weights = np.array(SHIPPED_ASSUMPTIONS.messages.rates) / sum(SHIPPED_ASSUMPTIONS.messages.rates)
    message_days = np.array(SHIPPED_ASSUMPTIONS.messages.days)
    soon = [(after > day * DAY) & (after <= day * DAY + 6 * 3_600) for day in message_days]
    assert all(is_about(share, weight * 0.45) for share, weight in zip(soon[2:], weights[2:], strict=True))
    assert is_about(soon[0], weights[0] * 0.45)
    assert after.max() <= (30 + 7) * DAY


def test_double_payment_counts_at_the_earlier_time(tmp_path: Path) -> None:
    either = np.minimum(self_paying_cases(tmp_path).paid_at, answering_cases(tmp_path).paid_at)
    assert np.array_equal(either, CASES.paid_at)


# The sweep


def paid_at_baseline(soft: float, hard: float) -> Integers:
    return SOURCE.with_baseline(soft, hard).cases(0, 50_000).paid_at


def test_another_baseline_changes_only_self_paying_customers() -> None:
    few, many = SOURCE.with_baseline(0.05, 0.0), SOURCE.with_baseline(0.35, 0.10)
    assert (few.assumptions.self_recovery.soft, few.assumptions.self_recovery.hard) == (0.05, 0.0)
    few_payments, other = few.cases(0, 5_000), many.cases(0, 5_000)
    assert all(
        np.array_equal(getattr(few_payments, name), getattr(other, name)) for name in COLUMNS if name != "paid_at"
    )
    assert few_payments.earlier == other.earlier


def test_payers_at_a_smaller_baseline_also_pay_at_a_larger_one() -> None:
    assert (paid_at_baseline(0.35, 0.10) <= paid_at_baseline(0.05, 0.0)).all()
    assert (paid_at_baseline(0.35, 0.10) != NEVER).sum() > (paid_at_baseline(0.05, 0.0) != NEVER).sum()


def test_the_believed_baseline_is_the_source_itself() -> None:
    assert np.array_equal(paid_at_baseline(0.20, 0.05), CASES.paid_at[:50_000])


# What a case says


def test_there_are_few_enough_payers_to_segment_each_once() -> None:
    payers = SOURCE.book.payers
    assert len({payer.model_dump_json() for payer in payers}) == len(payers) < 4_000


def test_payer_profile_has_what_the_service_would_know() -> None:
    loyal = next(payer for payer in SOURCE.book.payers if payer.profile.successes == 7 and payer.country == "DE")
    assert (loyal.amount, loyal.currency, loyal.time_zone) == (900, "USD", "Europe/Berlin")
    profile = loyal.profile
    assert (profile.lifetime_value, profile.invoice_amount, profile.recurring_revenue) == (6_300, 900, 900)
    assert (profile.country, profile.card_country, profile.time_zone) == ("DE", "DE", "Europe/Berlin")
    assert profile.tenure_days == 1_460


def test_card_country_is_the_holders_country() -> None:
    cases = [CASES.case_at(row) for row in range(2_000)]
    assert all(case.kind.card.country in {case.payer.country, None} for case in cases)
    assert all((case.kind.card.country is None) == (case.kind.card.network is None) for case in cases)


def test_risk_levels_are_distributed_as_assumed() -> None:
    levels = Counter((failure.risk.level, failure.failure.outcome_reason) for failure in SOURCE.book.failures)
    assert {reason for level, reason in levels if level == "highest"} == {"highest_risk_level"}
    assert ("normal", "insufficient_funds") in levels


def test_only_payments_without_a_card_have_no_network() -> None:
    bare = {failure.failure.outcome_reason for failure in SOURCE.book.failures if failure.failure.network is None}
    assert bare == {"partner_insufficient_funds"}


def test_categories_without_a_share_never_occur(tmp_path: Path) -> None:
    text = "[networks.shares]\nvisa = 0.0\nmastercard = 1.0\namex = 0.0\ndiscover = 0.0\n"
    source = a_source(20_000, assumptions=load_changed(tmp_path, text))
    networks = {source.book.failures[index].card.network for index in source.cases(0, 20_000).failure.tolist()}
    assert networks == {"mastercard", None}


def test_replaced_numbers_are_announced(tmp_path: Path) -> None:
    own = a_source(1, assumptions=load_changed(tmp_path, "[payday]\nfactor = 2.0\n"))
    assert own.notes == (*SOURCE.notes, "Replaced by you: payday.factor.")
