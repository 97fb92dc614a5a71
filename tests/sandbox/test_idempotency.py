"""Stripe's rules for idempotency keys, as its documentation states them."""

import asyncio
import uuid
from typing import Any

import pytest
import stripe

from sandbox.stripe.client import StripeSandboxClient
from tests.sandbox.harness import stripe_client


def new_key() -> dict[str, Any]:
    return {"idempotency_key": uuid.uuid4().hex}


async def pay_invoice(api: stripe.StripeClient, invoice: str, options: Any, **params: Any) -> tuple[int, Any, bool]:
    """Status, body, and whether it was a replay."""
    try:
        answer = await api.v1.invoices.pay_async(invoice, params, options)  # type: ignore[arg-type]
    except stripe.StripeError as error:
        headers: Any = error.headers or {}
        return error.http_status or 0, error.json_body, headers.get("idempotent-replayed") == "true"
    response: Any = answer.last_response
    return 200, response.data, response.headers.get("idempotent-replayed") == "true"


@pytest.mark.parametrize("script", ["succeed", "decline:do_not_honor", "error:500", "succeed_then_error:500"])
async def test_the_first_answer_is_replayed(box: StripeSandboxClient, api: stripe.StripeClient, script: str) -> None:
    failed_invoice = await box.create_failed_invoice(script=(script,), default="succeed")
    options = new_key()
    first = await pay_invoice(api, failed_invoice.invoice, options)
    again = await pay_invoice(api, failed_invoice.invoice, options)
    assert first[:2] == again[:2]
    assert (first[2], again[2]) == (False, True)
    assert len(await box.read_ledger(failed_invoice.invoice)) == ("succeed" in script)
    assert [call.replayed for call in await box.pay_calls(failed_invoice.invoice)] == [False, True]


async def test_a_replay_consumes_no_outcome(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("decline:do_not_honor", "succeed"))
    options = new_key()
    await pay_invoice(api, failed_invoice.invoice, options)
    await pay_invoice(api, failed_invoice.invoice, options)
    assert await box.read_script(failed_invoice.invoice) == ["succeed"]


@pytest.mark.parametrize("script", ["error:429", "error:409", "error:503", "drop"])
async def test_request_that_never_ran_is_not_stored(
    box: StripeSandboxClient, api: stripe.StripeClient, script: str
) -> None:
    failed_invoice = await box.create_failed_invoice(script=(script, "succeed"))
    options = new_key()
    assert (await pay_invoice(api, failed_invoice.invoice, options))[0] != 200
    assert (await pay_invoice(api, failed_invoice.invoice, options))[::2] == (200, False)


async def test_a_lost_answer_is_replayed(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("succeed_then_drop",), default="decline:lost_card")
    options = new_key()
    with pytest.raises(stripe.APIConnectionError):
        await api.v1.invoices.pay_async(failed_invoice.invoice, options=options)  # type: ignore[arg-type]
    status, body, replayed = await pay_invoice(api, failed_invoice.invoice, options)
    assert (status, body["status"], replayed) == (200, "paid", True)
    assert len(await box.read_ledger(failed_invoice.invoice)) == 1


async def test_other_parameters_are_refused(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(default="decline:do_not_honor")
    options = new_key()
    await pay_invoice(api, failed_invoice.invoice, options)
    status, body, _ = await pay_invoice(api, failed_invoice.invoice, options, off_session=True)
    assert (status, body["error"]["type"]) == (400, "idempotency_error")


async def test_another_endpoint_is_refused(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    first, second = await box.create_failed_invoice(), await box.create_failed_invoice()
    options = new_key()
    await pay_invoice(api, first.invoice, options)
    with pytest.raises(stripe.IdempotencyError):
        await api.v1.invoices.pay_async(second.invoice, options=options)  # type: ignore[arg-type]


async def test_a_running_key_is_in_use(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("hang:0.5",))
    options = new_key()
    running = asyncio.create_task(pay_invoice(api, failed_invoice.invoice, options))
    await asyncio.sleep(0.2)
    status, body, _ = await pay_invoice(api, failed_invoice.invoice, options)
    assert (status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    assert (await running)[0] == 200
    assert (await pay_invoice(api, failed_invoice.invoice, options))[::2] == (200, True)


async def test_delayed_answer_is_already_stored(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("succeed_then_hang:1",))
    options = new_key()
    running = asyncio.create_task(pay_invoice(api, failed_invoice.invoice, options))
    await asyncio.sleep(0.3)
    assert (await pay_invoice(api, failed_invoice.invoice, options))[::2] == (200, True)
    assert (await running)[0] == 200


async def test_validation_error_is_not_stored(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    options = new_key()
    status, body, _ = await pay_invoice(api, failed_invoice.invoice, options, colour="red")
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, "parameter_unknown", "colour")
    assert (await pay_invoice(api, failed_invoice.invoice, options))[0] == 200


async def test_a_key_is_at_most_255_characters(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    assert (await pay_invoice(api, failed_invoice.invoice, {"idempotency_key": "k" * 256}))[0] == 400
    assert (await pay_invoice(api, failed_invoice.invoice, {"idempotency_key": uuid.uuid4().hex.ljust(255, "k")}))[
        0
    ] == 200


async def test_a_key_is_forgotten_after_a_day(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("decline:do_not_honor", "succeed"))
    options = new_key()
    await pay_invoice(api, failed_invoice.invoice, options)
    await box.advance_clock(23 * 3600)
    assert (await pay_invoice(api, failed_invoice.invoice, options))[::2] == (402, True)
    await box.advance_clock(3601)
    assert (await pay_invoice(api, failed_invoice.invoice, options))[::2] == (200, False)


async def test_keys_can_live_shorter_and_running_ones_stay(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(script=("hang:1:decline:do_not_honor", "succeed"), unguarded=True)
    options = new_key()
    await box.set_key_lifetime(10)
    running = asyncio.create_task(pay_invoice(api, failed_invoice.invoice, options))
    await asyncio.sleep(0.3)
    await box.advance_clock(11)
    assert (await pay_invoice(api, failed_invoice.invoice, options))[0] == 409
    assert (await running)[0] == 402
    assert (await pay_invoice(api, failed_invoice.invoice, options))[::2] == (200, False)
    await box.set_key_lifetime(86_400)


async def test_a_wrong_key_is_an_authentication_error(box: StripeSandboxClient, address: str) -> None:
    failed_invoice = await box.create_failed_invoice()
    async with stripe_client(address, key="sk_live_no") as unauthorised:
        with pytest.raises(stripe.AuthenticationError):
            await unauthorised.v1.invoices.retrieve_async(failed_invoice.invoice)
