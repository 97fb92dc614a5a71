"""For any codes, classification gives a reproducible answer and keeps the money laws."""

from hypothesis import given
from hypothesis import strategies as st

from core.classification.classify import classify
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Category, Cause
from core.payments import Failure

CODES = st.sampled_from(["insufficient_funds", "lost_card", "do_not_honor", "stop_payment_order", "rule", "rate_limit"])
NUMBERS = st.sampled_from(["00", "05", "41", "51", "79", "83", "R1", "116", "03", "24", "43", "21"])
ADVICE = st.sampled_from(["do_not_try_again", "try_again_later", "confirm_card_data"])
NETWORKS = st.sampled_from(["visa", "mc", "American Express", "discover"])


def optional_code(codes: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.none() | codes | st.text(max_size=80)


failures = st.builds(
    Failure,
    code=optional_code(CODES),
    advice=optional_code(ADVICE),
    network=optional_code(NETWORKS),
    network_code=optional_code(NUMBERS),
    network_advice=optional_code(NUMBERS),
    outcome=optional_code(st.just("blocked")),
    outcome_reason=optional_code(CODES),
)


@given(failure=failures, provider=st.just("stripe") | st.text(max_size=20))
def test_any_failure_has_one_storable_answer(tables: DeclineTables, failure: Failure, provider: str) -> None:
    answer = classify(failure, tables, provider=provider)
    assert answer == classify(failure, tables, provider=provider)
    assert answer.category is answer.cause.category
    assert answer.decided_by
    assert answer.source
    if provider.isprintable():
        assert answer.decided_by.isprintable()


@given(failure=failures)
def test_a_hard_code_is_softened_by_advice_only(tables: DeclineTables, failure: Failure) -> None:
    hard = failure.model_copy(update={"code": "lost_card"})
    answer = classify(hard, tables, provider="stripe")
    assert answer.category is Category.HARD_DECLINE or "advice_code" in answer.decided_by


@given(failure=failures)
def test_nothing_softens_a_stop(tables: DeclineTables, failure: Failure) -> None:
    with_stop = failure.model_copy(update={"network": "visa", "network_code": "R1"})
    assert classify(with_stop, tables, provider="stripe").cause is Cause.STOP_INSTRUCTION


@given(failure=failures)
def test_advised_wait_is_never_lost(tables: DeclineTables, failure: Failure) -> None:
    with_advice = failure.model_copy(update={"network": "mastercard", "network_advice": "27"})
    assert classify(with_advice, tables, provider="stripe").wait_seconds == 4 * 86_400
