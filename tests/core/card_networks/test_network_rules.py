"""The limits of the card networks by network and date, against the shipped tables."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import network_rules
from core.card_networks.rules import (
    AttemptOutcome,
    Credential,
    LedgerEntry,
    NetworkRules,
    Verdict,
    check_attempt,
    fee_of,
    find_free_moment,
)
from core.card_networks.tables import parse_network_rules as tables
from core.card_networks.verdicts import explain_verdict
from core.errors import InvalidInput, InvalidPolicy
from core.policy.policy import parse_policy
from tests.support.recovery_scenario import STRATEGIES

RULES = network_rules()
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)


def credential_of(network: str | None = "visa", **more: Any) -> Credential:
    """A card of this network with 50.00 EUR to charge."""
    defaults: dict[str, Any] = {"recovery_id": "r", "fingerprint": "fp", "amount": 5000, "currency": "EUR"}
    return Credential(provider="stripe", network=network, **defaults | more)


def declined_try(at: datetime, outcome: AttemptOutcome = AttemptOutcome.DECLINED, **more: Any) -> LedgerEntry:
    """A declined try of that card and amount."""
    defaults: dict[str, Any] = {"provider": "stripe", "fingerprint": "fp", "amount": 5000, "currency": "EUR"}
    return LedgerEntry(
        recovery_id="r", key=at.isoformat(), at=at, trigger="scheduled", outcome=outcome, **defaults | more
    )


def series_of_tries(count: int, last: datetime, gap: timedelta = SECOND, **more: Any) -> list[LedgerEntry]:
    """So many tries, the newest at `last`."""
    return [declined_try(last - gap * number, **more) for number in range(count)]


# --- how many, by network and day ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "day", "allowed", "rule", "length"),
    [
        ("visa", "2021-04-16", 15, "visa_30d", 30 * DAY),  # before the first rule: to count too early harms nobody
        ("visa", "2025-05-18", 15, "visa_30d", 30 * DAY),
        ("visa", "2025-05-19", 20, "visa_30d", 30 * DAY),
        ("visa", "2026-11-23", 20, "visa_30d", 30 * DAY),
        ("mastercard", "2021-01-01", 10, "mastercard_24h", DAY),
        ("mastercard", "2026-11-23", 10, "mastercard_24h", DAY),
        ("amex", "2026-11-23", 15, "amex_30d", 30 * DAY),
        ("discover", "2026-11-23", 15, "discover_30d", 30 * DAY),
        ("elo", "2026-11-23", 15, "elo_31d", 31 * DAY),
        ("ach", "2026-11-23", 3, "ach_180d", 180 * DAY),
        ("sepa_debit", "2026-11-23", 3, "sepa_debit_30d", 30 * DAY),
        ("jcb", "2026-11-23", 10, "any_24h", DAY),
        (None, "2026-11-23", 10, "any_24h", DAY),
    ],
)
def test_try_above_the_limit_waits_until_the_window_frees_up(
    network: str | None, day: str, allowed: int, rule: str, length: timedelta
) -> None:
    at = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    assert check_attempt(RULES, credential_of(network), series_of_tries(allowed - 1, at), at).is_allowed
    full = series_of_tries(allowed, at)
    decision = check_attempt(RULES, credential_of(network), full, at)
    assert (decision.is_allowed, decision.rule) == (False, rule)
    assert decision.binding
    assert (decision.binding.used, decision.binding.left, decision.binding.allowed) == (allowed, 0, allowed)
    assert decision.binding.free_at == min(entry.at for entry in full) + length


@pytest.mark.parametrize(("network", "allowed"), [("mastercard", 35), ("jcb", 15), (None, 15)])
def test_monthly_limit_binds_where_no_day_is_full(network: str | None, allowed: int) -> None:
    """With three hours between tries no day is ever full."""
    assert check_attempt(RULES, credential_of(network), series_of_tries(allowed - 1, NOW, 3 * HOUR), NOW).is_allowed
    decision = check_attempt(RULES, credential_of(network), series_of_tries(allowed, NOW, 3 * HOUR), NOW)
    assert decision.rule == f"{network if network == 'mastercard' else 'any'}_30d"
    assert decision.binding
    assert decision.binding.free_at == NOW - 3 * HOUR * (allowed - 1) + 30 * DAY


def test_try_leaves_the_window_exactly_at_its_end() -> None:
    """Thirty days later to the microsecond the window is free; a microsecond earlier it is not."""
    full = series_of_tries(20, NOW, timedelta(0))
    assert check_attempt(RULES, credential_of(), full, NOW + 30 * DAY).is_allowed
    assert not check_attempt(RULES, credential_of(), full, NOW + 30 * DAY - timedelta(microseconds=1)).is_allowed


def test_overfull_window_waits_until_enough_tries_have_left_it() -> None:
    """The provider's own tries may have gone too far: of 25, one an hour, the oldest six must leave."""
    binding = check_attempt(RULES, credential_of(), series_of_tries(25, NOW, HOUR), NOW).binding
    assert binding
    assert (binding.used, binding.left, binding.free_at) == (25, 0, NOW - 19 * HOUR + 30 * DAY)


def test_wait_ends_on_the_day_a_higher_limit_takes_effect() -> None:
    eve = datetime(2025, 5, 18, 12, tzinfo=UTC)
    full = series_of_tries(15, eve)
    assert not check_attempt(RULES, credential_of(), full, eve).is_allowed
    assert find_free_moment(RULES, credential_of(), full, eve) == datetime(2025, 5, 19, tzinfo=UTC)


@pytest.mark.parametrize(("network", "counted_apart"), [("visa", True), ("elo", True), ("amex", False), ("jcb", False)])
def test_other_amounts_and_currencies_count_where_the_rule_says_so(network: str, counted_apart: bool) -> None:
    for other in ({"amount": 5001}, {"currency": "USD"}):
        assert (
            check_attempt(RULES, credential_of(network), series_of_tries(40, NOW, **other), NOW).is_allowed
            is counted_apart
        )
    assert not check_attempt(RULES, credential_of(network, currency="eur"), series_of_tries(40, NOW), NOW).is_allowed


def test_mastercard_counts_all_amounts_per_day_and_one_amount_per_month() -> None:
    other_tries = [*series_of_tries(5, NOW, amount=1), *series_of_tries(5, NOW, amount=2)]
    assert check_attempt(RULES, credential_of("mastercard"), other_tries, NOW).rule == "mastercard_24h"
    assert check_attempt(
        RULES, credential_of("mastercard"), series_of_tries(40, NOW - 2 * DAY, amount=1), NOW
    ).is_allowed


# --- what counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (AttemptOutcome.REQUESTED, True),
        (AttemptOutcome.DECLINED, True),
        (AttemptOutcome.APPROVED, False),
        (AttemptOutcome.NOT_SENT, False),
        (AttemptOutcome.RELEASED, False),
        (AttemptOutcome.HELD, False),
    ],
)
@pytest.mark.parametrize("network", ["visa", "mastercard", "amex", None])
def test_only_tries_that_reached_the_network_count(network: str | None, outcome: AttemptOutcome, counts: bool) -> None:
    decision = check_attempt(RULES, credential_of(network), series_of_tries(40, NOW, outcome=outcome), NOW)
    assert decision.is_allowed is not counts
    assert {window.used for window in decision.windows} == ({40} if counts else {0})


def test_approval_resets_visas_count_and_no_other_networks() -> None:
    approval = declined_try(NOW - HOUR, AttemptOutcome.APPROVED)
    before, after = series_of_tries(20, NOW - 2 * HOUR), series_of_tries(3, NOW)
    visa = check_attempt(RULES, credential_of(), [*before, approval, *after], NOW)
    assert (visa.is_allowed, [window.used for window in visa.windows]) == (True, [3])
    for network in ("mastercard", "amex", None):
        assert not check_attempt(RULES, credential_of(network), [*before, approval], NOW).is_allowed


def test_approval_of_another_amount_resets_no_count() -> None:
    other = declined_try(NOW, AttemptOutcome.APPROVED, amount=1)
    assert not check_attempt(RULES, credential_of(), [*series_of_tries(20, NOW - HOUR), other], NOW).is_allowed


# --- never again ------------------------------------------------------------------------------------------------

CATEGORY_1 = ["04", "07", "12", "14", "15", "41", "43", "46", "57"]


@pytest.mark.parametrize(
    ("network", "codes", "reason"),
    [
        *[("visa", {"network_code": code}, "category_1") for code in CATEGORY_1],
        *[("visa", {"network_code": code}, "stop_instruction") for code in ("R0", "R1", "R3", "r1")],
        ("mastercard", {"network_code": "R1"}, "stop_instruction"),
        ("mastercard", {"network_advice": "03"}, "do_not_try_again"),
        ("mastercard", {"network_advice": "3"}, "do_not_try_again"),
        ("mastercard", {"network_advice": "21"}, "stop_instruction"),
        ("mastercard", {"network_advice": "42"}, "sanctions"),
        (None, {"network_code": "14"}, "category_1"),
        (None, {"network_advice": "03"}, "do_not_try_again"),
    ],
)
def test_stop_answers_forbid_every_further_try(network: str | None, codes: dict[str, Any], reason: str) -> None:
    tries = [declined_try(NOW - 4000 * DAY, **codes)]
    decision = check_attempt(RULES, credential_of(network), tries, NOW)
    assert (decision.is_allowed, decision.never, decision.rule) == (False, reason, "never_again")
    assert find_free_moment(RULES, credential_of(network), tries, NOW) is None
    assert (
        find_free_moment(RULES, credential_of(network), [*tries, declined_try(NOW - DAY, AttemptOutcome.APPROVED)], NOW)
        is None
    )


@pytest.mark.parametrize(
    ("network", "codes"),
    [
        ("visa", {"network_code": "51"}),
        ("visa", {"network_code": "05"}),
        ("visa", {"network_advice": "03"}),
        ("mastercard", {"network_code": "14"}),
        ("mastercard", {"network_advice": "24"}),
        ("mastercard", {"network_advice": "02"}),
        ("mastercard", {"network_code": "03"}),
        ("amex", {"network_code": "14"}),
        ("visa", {"network_code": "014"}),
    ],
)
def test_other_answers_do_not_forbid_further_tries(network: str, codes: dict[str, Any]) -> None:
    assert check_attempt(RULES, credential_of(network), [declined_try(NOW - DAY, **codes)], NOW).is_allowed


def test_stop_needs_a_fingerprint_and_a_declined_answer() -> None:
    """Without a fingerprint the next try may be another card's; a try in flight was not answered yet."""
    assert check_attempt(RULES, credential_of(fingerprint=None), [declined_try(NOW, network_code="R1")], NOW).is_allowed
    assert check_attempt(
        RULES, credential_of(), [declined_try(NOW, AttemptOutcome.APPROVED, network_code="14")], NOW
    ).is_allowed


# --- fees ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "day", "stop", "fee"),
    [
        ("visa", "2026-03-02", False, 10),
        ("visa", "2026-03-02", True, 10),
        ("visa", "2021-04-16", False, None),
        ("mastercard", "2022-10-14", False, 10),
        ("mastercard", "2023-11-01", False, 15),
        ("mastercard", "2023-12-31", False, 15),
        ("mastercard", "2024-01-01", False, 30),
        ("mastercard", "2025-01-01", False, 50),
        ("mastercard", "2026-03-02", True, 3),
        ("amex", "2026-03-02", False, None),
        (None, "2026-03-02", False, None),
    ],
)
def test_fee_of_one_try_too_many(network: str | None, day: str, stop: bool, fee: int | None) -> None:
    at = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    codes: dict[str, Any] = {"network_code": "R1"} if stop else {}
    decision = check_attempt(RULES, credential_of(network), series_of_tries(40, at, **codes), at)
    charged_fee = fee_of(RULES, credential_of(network), decision, at)
    assert (charged_fee.amount if charged_fee else None, charged_fee and charged_fee.currency) == (
        fee,
        "USD" if fee else None,
    )


def test_allowed_try_has_no_fee() -> None:
    assert fee_of(RULES, credential_of(), check_attempt(RULES, credential_of(), [], NOW), NOW) is None


# --- words and tables ---------------------------------------------------------------------------------------------


def test_explained_refusal_names_reason_and_date() -> None:
    full = series_of_tries(20, NOW, timedelta(0))
    explanation = explain_verdict(check_attempt(RULES, credential_of(), full, NOW), NOW + 30 * DAY)
    assert explanation == (
        "The card network allows 20 tries of one card and amount in 30 days, and 20 are used; "
        "the next one is possible at 2026-04-01T09:30:00Z."
    )
    day = check_attempt(RULES, credential_of("mastercard"), series_of_tries(10, NOW, timedelta(0)), NOW)
    assert explain_verdict(day, None) == "The card network allows 10 tries of one card in 24 hours, and 10 are used."
    never = explain_verdict(Verdict(never="stop_instruction"), None)
    assert never == "The card network forbids any further try of this card: stop instruction."


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ("visa,30d,many,yes,yes,2021-04-17,S1", r"network_limits.csv:2: .*many"),
        ("visa,30d,15,perhaps,yes,2021-04-17,S1", r"network_limits.csv:2: .*perhaps"),
        ("visa,monthly,15,yes,yes,2021-04-17,S1", r"network_limits.csv:2: .*monthly"),
        ("visa,30d,15,yes,yes,2021-04-31,S1", r"network_limits.csv:2: .*day"),
        ("visa,30d,15,yes,yes,2021-04-17,", r"network_limits.csv:2: source is empty"),
        ("visa,30d,15", r"network_limits.csv:2: 7 cells are needed"),
    ],
)
def test_table_error_names_its_line(limits: str, problem: str) -> None:
    header = "network,window,allowed,per_amount,approval_resets,effective,source\n"
    with pytest.raises(InvalidInput, match=problem):
        tables(header + limits, "network,kind,code,reason,source\n", "network,kind,amount,currency,effective,source\n")


# --- a merchant's own limits ------------------------------------------------------------------------------------


def test_merchant_may_lower_a_limit_and_never_raise_it() -> None:
    lowered = RULES.lower_limits({"mastercard_24h": 7, "visa_30d": 16})
    assert not check_attempt(lowered, credential_of("mastercard"), series_of_tries(7, NOW), NOW).is_allowed
    assert not check_attempt(lowered, credential_of(), series_of_tries(16, NOW), NOW).is_allowed
    assert check_attempt(lowered, credential_of("amex"), series_of_tries(14, NOW), NOW).is_allowed
    # An older, stricter rule of the network stands.
    assert [limit.allowed for limit in lowered.limits_in_force("visa", date(2025, 5, 18))] == [15]
    assert [limit.allowed for limit in RULES.lower_limits({"visa_30d": 99}).limits_in_force("visa", NOW.date())] == [20]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("visa_30d = 21", r"^p.toml:\d+: network_limits.visa_30d: 21 is above the network's own limit of 20"),
        ("mastercard_24h = 11", r"^p.toml:\d+: network_limits.mastercard_24h: 11 is above .* 10"),
        (
            "visa_7d = 3",
            r"^p.toml:\d+: network_limits.visa_7d: there is no such rule of a network; .*visa_30d",
        ),
        ("visa_30d = 0", r"^p.toml:\d+: network_limits.visa_30d: .*greater than or equal to 1"),
        ('visa_30d = "5"', r"^p.toml:\d+: network_limits.visa_30d: .*integer"),
    ],
)
def test_policy_above_the_networks_limit_is_refused_with_file_key_and_line(
    shipped_text: str, line: str, problem: str
) -> None:
    text = shipped_text.replace("[network_limits]", f"[network_limits]\n{line}")
    assert text != shipped_text
    with pytest.raises(InvalidPolicy, match=problem):
        parse_policy(text, "p.toml", STRATEGIES, RULES.limit_ceilings())


def test_policy_below_the_networks_limit_is_followed(shipped_text: str) -> None:
    text = shipped_text.replace("[network_limits]", "[network_limits]\nvisa_30d = 5")
    policy = parse_policy(text, "p.toml", STRATEGIES, RULES.limit_ceilings())
    assert not check_attempt(
        RULES.lower_limits(policy.network_limits), credential_of(), series_of_tries(5, NOW), NOW
    ).is_allowed


# --- laws -------------------------------------------------------------------------------------------------------

networks = st.sampled_from(["visa", "mastercard", "amex", "elo", "ach", "jcb", None])
starts = st.sampled_from([datetime(2025, 5, 1, tzinfo=UTC), NOW])
"""Before a limit changes, and long after."""
spans = st.integers(0, 45 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
outcomes = st.sampled_from([*[AttemptOutcome.DECLINED] * 8, *AttemptOutcome])
amounts = st.sampled_from([5000, 5000, 5000, 700])
crowds = st.lists(st.tuples(spans | st.just(DAY), outcomes, amounts), max_size=60)


@given(network=networks, start=starts, crowd=crowds, later=spans, lowered=st.sampled_from([None, 1, 2, 5]))
def test_named_free_time_is_the_first_allowed_moment(
    network: str | None, start: datetime, crowd: list[Any], later: timedelta, lowered: int | None
) -> None:
    rules = RULES.lower_limits(dict.fromkeys(RULES.limit_ceilings(), lowered)) if lowered else RULES
    tries = [declined_try(start + after, outcome, amount=amount) for after, outcome, amount in crowd]
    tried_at = start + later
    free = find_free_moment(rules, credential_of(network), tries, tried_at)
    assert free is not None, "nothing but an answer forbids a card for ever"
    assert free >= tried_at
    assert check_attempt(rules, credential_of(network), tries, free).is_allowed
    for earlier in (free - SECOND, free - timedelta(microseconds=1), tried_at):
        assert (
            not tried_at <= earlier < free
            or not check_attempt(rules, credential_of(network), tries, earlier).is_allowed
        )
    if (decision := check_attempt(rules, credential_of(network), tries, tried_at)).binding:
        assert (decision.binding.free_at or tried_at) > tried_at


gaps = st.lists(st.tuples(st.sampled_from([SECOND, HOUR, 7 * HOUR, DAY]), amounts, st.integers(0, 30)), max_size=150)


@given(network=networks, start=starts, attempts=gaps)
def test_no_sequence_of_allowed_tries_ever_overfills_a_window(
    network: str | None, start: datetime, attempts: list[Any]
) -> None:
    at, entries = start, list[LedgerEntry]()
    for gap, amount, attempt_outcome in attempts:
        at += gap
        if check_attempt(RULES, credential_of(network, amount=amount), entries, at).is_allowed:
            entries.append(
                declined_try(at, AttemptOutcome.DECLINED if attempt_outcome else AttemptOutcome.APPROVED, amount=amount)
            )
    for entry in entries:
        _assert_within_windows(RULES, network, entries, entry)


def _assert_within_windows(
    rules: NetworkRules, network: str | None, entries: list[LedgerEntry], last: LedgerEntry
) -> None:
    """Counts the other way round: from each try back over each window."""
    for limit in rules.limits_in_force(network, last.at.date()):
        count = 0
        for entry in reversed([entry for entry in entries if entry.at <= last.at]):
            if limit.per_amount and entry.amount != last.amount:
                continue
            if entry.at <= last.at - limit.length or (
                limit.approval_resets and entry.outcome is AttemptOutcome.APPROVED
            ):
                break
            count += entry.outcome is AttemptOutcome.DECLINED
        assert count <= limit.allowed, limit.name
