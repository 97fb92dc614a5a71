"""The Adyen sandbox beyond the first refusal: interactions, rescues, parts, returns, with sources."""

from collections.abc import AsyncIterator, Iterator

import Adyen
import pytest

from sandbox.adyen.client import AdyenSandboxClient
from sandbox.config import SandboxConfig
from tests.sandbox.harness import run_sandbox
from tests.sandbox.test_adyen import KEY, WAIT, Receiver, make_payment, run_receiver


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    with run_receiver() as running_receiver:
        yield running_receiver


@pytest.fixture
def address(receiver: tuple[Receiver, str]) -> Iterator[str]:
    with run_sandbox(SandboxConfig(adyen_webhook_url=receiver[1], adyen_hmac_key=KEY)) as sandbox_url:
        yield sandbox_url


@pytest.fixture
async def box(address: str) -> AsyncIterator[AdyenSandboxClient]:
    async with AdyenSandboxClient(address) as client:
        yield client


async def test_checkout_payment_has_a_present_shopper(box: AdyenSandboxClient, receiver: tuple[Receiver, str]) -> None:
    await box.create_failed_payment(shopper_interaction="Ecommerce", stored=False, delivery=WAIT)
    (item,) = receiver[0].received_items
    assert item["additionalData"]["shopperInteraction"] == "Ecommerce"
    assert "recurring.recurringDetailReference" not in item["additionalData"]


async def test_a_debit_shows_no_card(box: AdyenSandboxClient, receiver: tuple[Receiver, str]) -> None:
    await box.create_failed_payment(payment_method="sepadirectdebit", delivery=WAIT)
    (item,) = receiver[0].received_items
    assert item["paymentMethod"] == "sepadirectdebit"
    assert not {"cardSummary", "fundingSource", "cardIssuingCountry"} & set(item["additionalData"])


async def test_a_rescue_tries_and_ends_with_a_reason(box: AdyenSandboxClient, receiver: tuple[Receiver, str]) -> None:
    failed_payment = await box.create_failed_payment(rescue_scheduled=True)
    await box.run_rescue(failed_payment.invoice, tries=2, reason="maxRetryAttemptsReached", delivery=WAIT)
    *tries, end = receiver[0].received_items
    assert [item["additionalData"]["retry.orderAttemptNumber"] for item in tries] == ["2", "3"]
    assert [item["additionalData"]["retry.rescueScheduled"] for item in tries] == ["true", "false"]
    assert (end["eventCode"], end["success"], end["reason"]) == ("AUTORESCUE", "false", "maxRetryAttemptsReached")
    assert end["originalReference"] == failed_payment.psp_reference
    assert "paymentMethod" not in end
    assert {item["additionalData"]["retry.rescueReference"] for item in receiver[0].received_items} == {
        failed_payment.psp_reference
    }


async def test_a_rescue_that_brings_the_money_books_it_once(
    box: AdyenSandboxClient, receiver: tuple[Receiver, str]
) -> None:
    failed_payment = await box.create_failed_payment(rescue_scheduled=True)
    await box.run_rescue(failed_payment.invoice, success=True, delivery=WAIT)
    items = [(item["eventCode"], item["success"]) for item in receiver[0].received_items]
    assert items == [("AUTHORISATION", "false"), ("AUTHORISATION", "true"), ("AUTORESCUE", "true")]
    assert len(await box.read_ledger(failed_payment.invoice)) == 1


async def test_a_card_may_authorise_a_part(
    address: str, box: AdyenSandboxClient, receiver: tuple[Receiver, str]
) -> None:
    failed_payment = await box.create_failed_payment(authorises=500)
    answer = make_payment(address, failed_payment.invoice)
    assert (answer["resultCode"], answer["amount"]) == ("PartiallyAuthorised", {"value": 500, "currency": "USD"})
    assert [line.amount for line in await box.read_ledger(failed_payment.invoice)] == [500]
    await box.wait_until_idle()
    assert receiver[0].received_items[-1]["amount"]["value"] == 500


async def test_a_token_that_was_removed_is_not_found(address: str, box: AdyenSandboxClient) -> None:
    failed_payment = await box.create_failed_payment()
    await box.remove_token("TOKEN1")
    with pytest.raises(Adyen.AdyenAPIUnprocessableEntity) as refused:
        make_payment(address, failed_payment.invoice)
    assert '"803"' in str(refused.value) or "803" in str(refused.value.error_code)
    assert await box.read_ledger(failed_payment.invoice) == []


@pytest.mark.parametrize("invoice", ["Bestellung-Müller-17", "order 17 ", "a/b 👩‍💻"])
async def test_later_webhooks_name_their_payment(
    invoice: str, box: AdyenSandboxClient, receiver: tuple[Receiver, str]
) -> None:
    failed_payment = await box.create_failed_payment(invoice_id=invoice)
    details = {"chargebackReasonCode": "AM04"}
    await box.report_event(invoice, "CHARGEBACK", amount=700, additional=details, reference="mine", delivery=WAIT)
    await box.report_event(invoice, "CAPTURE", success=False, reason="no", delivery=WAIT)
    chargeback, capture = receiver[0].received_items
    assert chargeback["additionalData"]["chargebackReasonCode"] == "AM04"
    assert (chargeback["amount"]["value"], chargeback["merchantReference"]) == (700, "mine")
    assert {item["originalReference"] for item in (chargeback, capture)} == {failed_payment.psp_reference}
    assert capture["merchantReference"] == invoice
