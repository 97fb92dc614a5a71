"""Derived ids: reproducible, distinct for different inputs, and safe wherever they are used."""

from hypothesis import given
from hypothesis import strategies as st

from core.ids import (
    MAX_ID_LENGTH,
    MAX_KEY_LENGTH,
    find_id_problem,
    idempotency_key,
    recovery_id,
    spread_attempt,
    spread_seed,
)

ANY_NAME = st.text(min_size=1, max_size=90)
ATTEMPTS = st.integers(1, 60)


def test_ids_have_the_form_of_the_contract() -> None:
    assert recovery_id("stripe", "in_1") == "recovery-stripe-in_1"
    assert idempotency_key("stripe", "in_1", 2) == "pri-stripe-in_1-2"


@given(ANY_NAME, ATTEMPTS)
def test_a_key_is_short_safe_in_a_header_and_the_same_in_every_repeat(invoice_id: str, attempt: int) -> None:
    key = idempotency_key("adyen", invoice_id, attempt)
    assert key == idempotency_key("adyen", invoice_id, attempt)
    assert len(key) <= MAX_KEY_LENGTH
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key


@given(ANY_NAME, ANY_NAME, ATTEMPTS, ATTEMPTS)
def test_two_attempts_never_share_a_key(invoice: str, other: str, first: int, second: int) -> None:
    is_same = (invoice, first) == (other, second)
    assert (idempotency_key("adyen", invoice, first) == idempotency_key("adyen", other, second)) is is_same


def test_spread_is_even_and_always_the_same() -> None:
    assert spread_attempt("in_1", 1) == spread_attempt("in_1", 1)
    values = [spread_attempt(f"in_{n}", 1) for n in range(2000)]
    assert all(0 <= value < 2**32 for value in values)
    quarters = [sum(value >> 30 == quarter for value in values) for quarter in range(4)]
    assert all(400 < quarter < 600 for quarter in quarters)


@given(st.text(max_size=300))
def test_accepted_id_fits_wherever_it_is_used(name: str) -> None:
    if find_id_problem(name) is None:
        assert 0 < len(name) <= MAX_ID_LENGTH
        assert len(recovery_id("braintree", name).encode()) <= 1000, "Temporal's limit of a workflow id"
        assert "\x00" not in name, "PostgreSQL can't hold it"
        assert name.splitlines() in ([name], [])
        spread_seed(name)
