"""The result of each answer to a charge, over real HTTP: the four outcomes, and what was not executed."""

import pytest

from core.errors import ProviderUnavailable
from core.payments import Outcome
from providers.base import Gateway
from tests.providers.contract.subject import FailedPayment, ProviderControl, Subject, order_for_failed


async def charged_amounts(books: ProviderControl, failed: FailedPayment) -> list[int]:
    return [line.amount for line in await books.ledger(failed.invoice_id)]


async def test_a_success_takes_the_ordered_amount_once(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    failed = await books.fail_payment("succeed")
    result = await gateway.charge(order_for_failed(subject, failed))
    assert result.outcome is Outcome.SUCCEEDED
    assert result.charge_id
    assert await charged_amounts(books, failed) == [failed.amount]


async def test_a_decline_is_a_result(subject: Subject, books: ProviderControl, gateway: Gateway) -> None:
    failed = await books.fail_payment("decline")
    result = await gateway.charge(order_for_failed(subject, failed))
    assert result.outcome is Outcome.DECLINED
    assert result.failure.code
    assert await charged_amounts(books, failed) == []


@pytest.mark.parametrize(
    ("script", "is_charged"),
    [
        ("error:500", False),
        ("error:502", False),
        ("error:503", False),
        ("drop", False),
        ("malformed", True),
        ("succeed_then_drop", True),
        ("succeed_then_error:500", True),
    ],
)
async def test_charge_without_a_definite_answer_is_unknown(
    subject: Subject, books: ProviderControl, gateway: Gateway, script: str, is_charged: bool
) -> None:
    failed = await books.fail_payment(script)
    result = await gateway.charge(order_for_failed(subject, failed))
    assert result.outcome is Outcome.UNKNOWN
    assert result.reason
    assert len(await charged_amounts(books, failed)) == is_charged
    assert len(await books.pay_calls(failed.invoice_id)) == 1, "repeating is for whoever keeps the record"


async def test_timed_out_charge_is_unknown(
    subject: Subject, books: ProviderControl, impatient_gateway: Gateway
) -> None:
    failed = await books.fail_payment("hang:3")
    result = await impatient_gateway.charge(order_for_failed(subject, failed))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")


async def test_rate_limit_is_unavailable_with_a_retry_delay(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    failed = await books.fail_payment("error:429:7")
    with pytest.raises(ProviderUnavailable) as away:
        await gateway.charge(order_for_failed(subject, failed))
    assert away.value.retry_after
    assert away.value.retry_after.total_seconds() == 7
    assert await charged_amounts(books, failed) == []


async def test_refused_connection_is_unavailable(subject: Subject) -> None:
    gateway = subject.gateway("http://127.0.0.1:9", 5)
    try:
        with pytest.raises(ProviderUnavailable):
            await gateway.charge(order_for_failed(subject, FailedPayment("inv_1", 2000, "USD", "customer", "method")))
    finally:
        await gateway.close()


async def test_the_same_key_charges_once_where_keys_are_honoured(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    failed = await books.fail_payment("succeed")
    order = order_for_failed(subject, failed)
    first = await gateway.charge(order)
    if gateway.idempotency is None:
        return
    assert gateway.idempotency.total_seconds() > 3600
    assert await gateway.charge(order) == first
    assert await charged_amounts(books, failed) == [failed.amount]
    assert [call.idempotency_key for call in await books.pay_calls(failed.invoice_id)] == [order.idempotency_key] * 2
    assert len(order.idempotency_key) <= 64
