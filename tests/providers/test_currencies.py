"""Minor units of each provider against its documentation, and their conversion to ISO 4217.

Stripe: docs.stripe.com/currencies (zero-decimal, special cases, three-decimal). Adyen:
docs.adyen.com/development-resources/currency-codes (the four that differ from the standard, and samples of the rest).
Braintree: amounts are decimal texts with ISO 4217's decimals.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.money import currency_decimals, rescale_amount, to_major_units
from core.payments import ChargeOrder, Outcome
from providers.adyen import notification as adyen
from providers.braintree import client_objects as braintree
from providers.stripe import amounts as stripe
from providers.stripe.config import StripeConfig
from providers.stripe.gateway import StripeGateway
from tests.providers.stripe.builders import normalise_event, open_invoice, stripe_event
from tests.providers.stripe.canned_server import canned_server

STRIPE = {
    0: "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF",
    2: "USD EUR GBP HUF TWD ISK UGX IDR CVE AUD CAD BRL INR MXN CHF SEK COP CRC LAK MMK UZS",
    3: "BHD JOD KWD OMR TND",
}
ADYEN = {
    0: "CVE DJF GNF IDR JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: "CLP ISK EUR USD GBP HUF TWD MGA BRL INR MXN CHF SEK COP",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
ISO = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "EUR USD GBP HUF TWD IDR CVE MGA COP MRU",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


def currency_exponents(table: dict[int, str]) -> list[tuple[str, int]]:
    return [(code, count) for count, codes in table.items() for code in codes.split()]


@pytest.mark.parametrize(("currency", "count"), currency_exponents(ISO))
def test_decimals_are_those_of_iso_4217(currency: str, count: int) -> None:
    assert currency_decimals(currency) == currency_decimals(currency.lower()) == count


@pytest.mark.parametrize(("currency", "count"), currency_exponents(STRIPE))
def test_stripes_minor_units(currency: str, count: int) -> None:
    assert stripe.stripe_decimals(currency) == count
    amount = Decimal(20000).scaleb(-count)
    assert (
        to_major_units(stripe.to_iso_amounts({"currency": currency.lower(), "amount": 20000})["amount"], currency)
        == amount
    )


@pytest.mark.parametrize(("currency", "count"), currency_exponents(ADYEN))
def test_adyens_minor_units(currency: str, count: int) -> None:
    assert adyen.adyen_decimals(currency) == count
    amount = adyen.to_iso(20000, currency)
    assert amount is not None
    assert to_major_units(amount, currency) == Decimal(20000).scaleb(-count)
    assert adyen.from_iso(amount, currency) == 20000


@pytest.mark.parametrize(("currency", "count"), currency_exponents(ISO))
def test_braintrees_decimals(currency: str, count: int) -> None:
    assert braintree.to_amount_text(20000, currency) == f"{Decimal(20000).scaleb(-count):.{count}f}"
    assert braintree.to_minor(Decimal(braintree.to_amount_text(20000, currency)), currency) == 20000


def test_open_amount_never_rounds_to_zero() -> None:
    assert [rescale_amount(amount, 2, 0) for amount in (0, 1, 99, 100, 101)] == [0, 1, 1, 1, 2]


UGX: dict[str, Any] = {"currency": "ugx", "amount_due": 500000, "amount_remaining": 500000, "amount_paid": 0}


def test_every_amount_of_a_stripe_event_is_in_iso_units() -> None:
    event = normalise_event(stripe_event("invoice.payment_failed", open_invoice(**UGX)))
    assert (event.amount, event.currency) == (5000, "UGX")
    lines = {"data": [{"amount": 500000, "quantity": 100, "period": {"start": 1700000000}}], "total_count": 100}
    inner = {"currency": "eur", "amount": 700}
    converted = stripe.to_iso_amounts(UGX | {"lines": lines, "charge": inner, "attempt_count": 100, "total": -500000})
    assert converted["lines"] == {"data": [{**lines["data"][0], "amount": 5000}], "total_count": 100}  # type: ignore[index]
    assert (converted["charge"], converted["attempt_count"], converted["total"]) == (inner, 100, -5000)


def test_one_object_in_such_a_currency_is_found_wherever_it_is() -> None:
    inner = {"payments": [[{"payment": {"charge": {"currency": "Isk", "amount": 500000}}}]]}
    converted = stripe.to_iso_amounts({"currency": "eur", "amount": 100, **inner})
    assert converted["payments"][0][0]["payment"]["charge"] == {"currency": "Isk", "amount": 5000}
    assert converted["amount"] == 100


def test_unaffected_objects_stay_identical() -> None:
    body = open_invoice(currency="eur")
    assert stripe.to_iso_amounts(body) is body
    deep: Any = {}
    for _ in range(5000):
        deep = {"currency": "ugx", "inner": deep}
    assert stripe.to_iso_amounts(deep) is not None


@pytest.mark.parametrize(("amount", "outcome"), [(300000, Outcome.UNKNOWN), (500000, Outcome.SUCCEEDED)])
async def test_an_order_and_its_charge_are_compared_in_the_same_unit(amount: int, outcome: Outcome) -> None:
    """A part of 3,000 shillings is no payment of 5,000."""
    now = datetime.now(UTC).replace(microsecond=0)
    charge = {"id": "ch_1", "status": "succeeded", "created": int(now.timestamp()), "amount": amount, "currency": "ugx"}
    order_fields: dict[str, Any] = {"provider": "stripe", "invoice_id": "in_1", "attempt": 1, "idempotency_key": "k"}
    order = ChargeOrder(**order_fields, amount=5000, currency="UGX", requested_at=now)
    with canned_server() as server:
        gateway = StripeGateway(StripeConfig(api_key="sk_test_x", api_base=server.address))
        server.set_answer("GET /v1/invoices/in_1", open_invoice(**UGX, payment_intent="pi_1"))
        server.set_answer(
            "GET /v1/payment_intents/pi_1", {"id": "pi_1", "status": "succeeded", "latest_charge": charge}
        )
        invoice, result = await gateway.read_invoice("in_1"), await gateway.reconcile(order)
        await gateway.close()
    assert (invoice.amount_due, invoice.currency) == (5000, "UGX")
    assert result.outcome is outcome


@pytest.mark.parametrize("spelling", ["isk", "ISK", "Isk", "\\u0069sk", "\\u0131sk", "\u0131sk"])
def test_a_body_is_converted_however_it_spells_its_currency(spelling: str) -> None:
    """The capital of the letter i without a dot is I."""
    body = f'{{"currency": "{spelling}", "amount": 100}}'
    assert stripe.to_iso_amounts(json.loads(body))["amount"] == 1
    assert stripe.may_have_other_decimals(body.encode())


def test_a_body_without_such_a_currency_is_not_searched() -> None:
    assert not stripe.may_have_other_decimals(b'{"currency": "eur", "amount": 100}')
