"""What a scripted pay call does to the money, and the answer to its caller."""

import asyncio
from typing import Any

import httpx
import pytest
import stripe

from sandbox.client import SandboxError
from sandbox.outcomes import GARBAGE, parse_outcome
from sandbox.stripe.client import StripeSandboxClient
from tests.sandbox.harness import stripe_client

CASES = [
    # script, error class (None: paid), HTTP status, charges in the ledger, status of the invoice
    ("succeed", None, 200, 1, "paid"),
    ("decline:insufficient_funds", stripe.CardError, 402, 0, "open"),
    ("requires_action", stripe.CardError, 402, 0, "open"),
    ("error:500", stripe.APIError, 500, 0, "open"),
    ("error:503", stripe.APIError, 503, 0, "open"),
    ("error:409", stripe.APIError, 409, 0, "open"),
    ("error:429", stripe.RateLimitError, 429, 0, "open"),
    ("hang:0.05", None, 200, 1, "paid"),
    ("hang:0.05:decline:do_not_honor", stripe.CardError, 402, 0, "open"),
    ("succeed_then_hang:0.05", None, 200, 1, "paid"),
    ("succeed_then_error:500", stripe.APIError, 500, 1, "paid"),
    ("succeed_then_drop", stripe.APIConnectionError, None, 1, "paid"),
    ("drop", stripe.APIConnectionError, None, 0, "open"),
]


@pytest.mark.parametrize(("script", "error", "status", "charges", "state"), CASES, ids=[c[0] for c in CASES])
async def test_scripted_outcomes_do_what_they_say(
    box: StripeSandboxClient,
    api: stripe.StripeClient,
    script: str,
    error: type[stripe.StripeError] | None,
    status: int | None,
    charges: int,
    state: str,
) -> None:
    failed_invoice = await box.create_failed_invoice(script=(script,))
    if error is None:
        paid = await api.v1.invoices.pay_async(failed_invoice.invoice)
        assert paid.status == "paid"
    else:
        with pytest.raises(error) as excinfo:
            await api.v1.invoices.pay_async(failed_invoice.invoice)
        assert excinfo.value.http_status == status
    assert len(await box.read_ledger(failed_invoice.invoice)) == charges
    assert (await api.v1.invoices.retrieve_async(failed_invoice.invoice)).status == state
    (call,) = await box.pay_calls(failed_invoice.invoice)
    assert (call.outcome, call.status) == (script, status or 0)


async def test_a_decline_carries_every_code(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    script = "decline:do_not_honor;advice=do_not_try_again;network=05;mac=03"
    failed_invoice = await box.create_failed_invoice(script=(script,))
    with pytest.raises(stripe.CardError) as excinfo:
        await api.v1.invoices.pay_async(failed_invoice.invoice)
    error: Any = excinfo.value.json_body["error"]  # type: ignore[index]
    assert error["type"] == "card_error"
    assert (error["code"], error["decline_code"]) == ("card_declined", "do_not_honor")
    assert error["advice_code"] == "do_not_try_again"
    assert (error["network_decline_code"], error["network_advice_code"]) == ("05", "03")
    assert error["payment_method"]["id"] == failed_invoice.payment_method
    assert error["payment_intent"]["last_payment_error"]["charge"] == error["charge"] != failed_invoice.charge
    charge = await api.v1.charges.retrieve_async(error["charge"])
    assert charge.outcome is not None
    assert charge.outcome.network_advice_code == "03"
    assert charge.status == "failed"


async def test_some_decline_codes_are_codes_of_their_own(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("decline:expired_card",))
    with pytest.raises(stripe.CardError) as excinfo:
        await api.v1.invoices.pay_async(failed_invoice.invoice)
    assert excinfo.value.code == "expired_card"


async def test_a_malformed_answer_hides_a_real_charge(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("malformed",))
    malformed = await api.v1.invoices.pay_async(failed_invoice.invoice)
    assert malformed.to_dict() == {"object": "nonsense", "amount": "many"}
    assert len(await box.read_ledger(failed_invoice.invoice)) == 1


async def test_a_retry_after_is_passed_on(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("error:429:7",))
    with pytest.raises(stripe.RateLimitError) as excinfo:
        await api.v1.invoices.pay_async(failed_invoice.invoice)
    assert excinfo.value.headers is not None
    assert excinfo.value.headers["retry-after"] == "7"


async def test_outcomes_are_consumed_in_order_then_the_default(
    box: StripeSandboxClient, api: stripe.StripeClient
) -> None:
    failed_invoice = await box.create_failed_invoice(script=("decline:lost_card",), default="decline:stolen_card")
    for expected in ("lost_card", "stolen_card", "stolen_card"):
        with pytest.raises(stripe.CardError) as excinfo:
            await api.v1.invoices.pay_async(failed_invoice.invoice)
        assert excinfo.value.json_body["error"]["decline_code"] == expected  # type: ignore[index]
    await box.set_script(failed_invoice.invoice, "succeed")
    assert await box.read_script(failed_invoice.invoice) == ["succeed"]
    assert (await api.v1.invoices.pay_async(failed_invoice.invoice)).amount_remaining == 0


async def test_our_pay_calls_leave_the_attempt_count_alone(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(default="decline:do_not_honor")
    with pytest.raises(stripe.CardError):
        await api.v1.invoices.pay_async(failed_invoice.invoice)
    assert (await api.v1.invoices.retrieve_async(failed_invoice.invoice)).attempt_count == 1
    await box.run_provider_retry(failed_invoice.invoice, "decline:do_not_honor", next_payment_attempt=2_000_000_000)
    invoice = await api.v1.invoices.retrieve_async(failed_invoice.invoice)
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (2, 2_000_000_000)


async def test_a_paid_invoice_is_not_paid_again(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    await api.v1.invoices.pay_async(failed_invoice.invoice)
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        await api.v1.invoices.pay_async(failed_invoice.invoice)
    assert len(await box.read_ledger(failed_invoice.invoice)) == 1


async def test_a_void_invoice_is_not_paid_but_an_uncollectible_one_is(
    box: StripeSandboxClient, api: stripe.StripeClient
) -> None:
    void, written_off = await box.create_failed_invoice(), await box.create_failed_invoice()
    await api.v1.invoices.void_invoice_async(void.invoice)
    await api.v1.invoices.mark_uncollectible_async(written_off.invoice)
    with pytest.raises(stripe.InvalidRequestError):
        await api.v1.invoices.pay_async(void.invoice)
    assert (await api.v1.invoices.pay_async(written_off.invoice)).status == "paid"


async def test_paid_out_of_band_takes_no_money(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("decline:lost_card",))
    paid = await api.v1.invoices.pay_async(failed_invoice.invoice, {"paid_out_of_band": True})
    assert (paid.status, await box.read_ledger(failed_invoice.invoice)) == ("paid", [])
    assert await box.read_script(failed_invoice.invoice) == ["decline:lost_card"]


async def test_the_named_method_is_charged(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.add_card(failed_invoice.customer, set_default=False)
    methods = await api.v1.payment_methods.list_async({"customer": failed_invoice.customer})
    other = next(method.id for method in methods.data if method.id != failed_invoice.payment_method)
    await api.v1.invoices.pay_async(failed_invoice.invoice, {"payment_method": other, "off_session": True})
    assert [entry.payment_method for entry in await box.read_ledger(failed_invoice.invoice)] == [other]


async def test_another_customers_method_is_refused(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice, other = await box.create_failed_invoice(), await box.create_failed_invoice()
    with pytest.raises(stripe.InvalidRequestError):
        await api.v1.invoices.pay_async(failed_invoice.invoice, {"payment_method": other.payment_method})


async def test_two_calls_at_once_meet_a_lock(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(default="hang:0.3")
    calls = [api.v1.invoices.pay_async(failed_invoice.invoice) for _ in range(2)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, stripe.RateLimitError) for answer in results) == 1
    assert len(await box.read_ledger(failed_invoice.invoice)) == 1


async def test_an_unguarded_invoice_shows_a_double_charge(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(default="hang:0.1", unguarded=True)
    await asyncio.gather(*(api.v1.invoices.pay_async(failed_invoice.invoice) for _ in range(2)))
    assert len(await box.read_ledger(failed_invoice.invoice)) == 2
    assert (await api.v1.invoices.retrieve_async(failed_invoice.invoice)).amount_overpaid == 2000


async def test_a_caller_that_gives_up_does_not_stop_the_charge(box: StripeSandboxClient, address: str) -> None:
    failed_invoice = await box.create_failed_invoice(script=("hang:0.3",))
    async with stripe_client(address, timeout_seconds=0.1) as hasty:
        with pytest.raises(stripe.APIConnectionError):
            await hasty.v1.invoices.pay_async(failed_invoice.invoice)
    assert await box.read_ledger(failed_invoice.invoice) == []
    await asyncio.sleep(0.5)
    assert len(await box.read_ledger(failed_invoice.invoice)) == 1


@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage_is_no_answer_of_stripe(box: StripeSandboxClient, address: str, kind: str) -> None:
    failed_invoice = await box.create_failed_invoice(script=(f"garbage:{kind}",))
    await box.add_fault(f"/v1/invoices/{failed_invoice.invoice}", f"garbage:{kind}")
    headers = {"Authorization": "Bearer sk_test_sandbox"}
    async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as http:
        answers = [await http.get(f"/v1/invoices/{failed_invoice.invoice}")]
        path = f"/v1/invoices/{failed_invoice.invoice}/pay"
        answers += [await http.post(path, headers={"Idempotency-Key": f"key_{kind}"}) for _ in range(2)]
    assert [(answer.status_code, answer.text) for answer in answers] == [GARBAGE[kind]] * 3
    assert len(await box.read_ledger(failed_invoice.invoice)) == 1


@pytest.mark.parametrize("text", ["", "sucseed", "decline:x;colour=red", "hang:soon", "succeed:now", "garbage:none"])
def test_an_unknown_outcome_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - float() words its own message
        parse_outcome(text)


async def test_a_bad_script_is_refused_when_it_is_set(box: StripeSandboxClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    with pytest.raises(SandboxError, match="unknown outcome"):
        await box.set_script(failed_invoice.invoice, "sucseed")
