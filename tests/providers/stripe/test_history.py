"""Failed invoices of the past, read from the sandbox as from Stripe."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from core.errors import InvalidInput, ProviderUnavailable
from core.events import Trigger
from core.payment_history import InvoiceEnding, PastInvoice
from core.payments import Outcome
from providers.stripe.config import StripeConfig
from providers.stripe.history import StripeHistory
from sandbox.config import SandboxConfig
from sandbox.models import Card
from sandbox.stripe.client import StripeSandboxClient
from tests.providers.stripe.conftest import KEY
from tests.providers.stripe.test_contract_stripe_mock import RequestChecker, mock
from tests.sandbox.harness import run_sandbox

__all__ = ["mock"]

FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
THEN = 1_772_445_600
DAY = 86_400


@pytest.fixture
async def own() -> AsyncIterator[tuple[StripeSandboxClient, StripeHistory]]:
    """A sandbox of the test's own, so that lists hold only its objects, and a reader of it."""
    with run_sandbox(SandboxConfig(echo=False)) as address:
        reader = StripeHistory(StripeConfig(api_key=KEY, api_base=address), calls_per_second=1_000)
        async with StripeSandboxClient(address) as box:
            yield box, reader
        await reader.close()


OwnSandbox = tuple[StripeSandboxClient, StripeHistory]


async def read_all(reader: StripeHistory) -> list[PastInvoice]:
    page = await reader.read_page(None, FAR_FUTURE, None)
    assert page.last_invoice_id is None
    return list(page.failed_invoices)


async def pay_invoice(reader: StripeHistory, invoice: str) -> None:
    """Pays the invoice through the API."""
    await reader._api.post(f"/v1/invoices/{invoice}/pay", str(uuid4()))


async def test_failed_invoice_is_read_with_all_its_charges(own: OwnSandbox) -> None:
    box, reader = own
    failed_invoice = await box.create_failed_invoice(
        script=("decline:do_not_honor", "succeed"), created=THEN, customer_created=THEN - 90 * DAY, amount=4_900,
        network_decline_code="51", card=Card(country="DE"), country="DE",
        customer_metadata={"time_zone": "Europe/Berlin"},
    )  # fmt: skip
    await pay_invoice(reader, failed_invoice.invoice)
    await pay_invoice(reader, failed_invoice.invoice)
    [recovery] = await read_all(reader)
    assert (recovery.invoice_id, recovery.customer_id, recovery.amount, recovery.currency) == (
        failed_invoice.invoice,
        failed_invoice.customer,
        4_900,
        "USD",
    )
    assert [attempt.outcome for attempt in recovery.attempts] == [Outcome.DECLINED, Outcome.DECLINED, Outcome.SUCCEEDED]
    assert [attempt.failure.code for attempt in recovery.attempts] == ["insufficient_funds", "do_not_honor", None]
    assert recovery.attempts[0].failure.network_code == "51"
    assert (recovery.card.network, recovery.card.country, recovery.card.last4) == ("visa", "DE", None)
    assert (recovery.country, recovery.time_zone, recovery.profile.tenure_days) == ("DE", "Europe/Berlin", 90)
    assert (recovery.end, recovery.ended_at, recovery.paid_at, recovery.method_at) == (
        InvoiceEnding.PAID, recovery.attempts[-1].at, None, None,
    )  # fmt: skip


async def test_imported_history_holds_no_personal_data(own: OwnSandbox) -> None:
    box, reader = own
    failed_invoice = await box.create_failed_invoice(email="someone@example.com", name="Some One")
    [recovery] = await read_all(reader)
    recovery_json = recovery.model_dump_json()
    assert not [
        text for text in ("someone", "Some One", "4242", failed_invoice.charge or "ch_") if text in recovery_json
    ]


async def test_charge_of_another_card_is_marked_as_such(own: OwnSandbox) -> None:
    box, reader = own
    failed_invoice = await box.create_failed_invoice(created=THEN)
    await box.add_card(failed_invoice.customer, card=Card(last4="5556", fingerprint="fp_other"))
    await pay_invoice(reader, failed_invoice.invoice)
    [recovery] = await read_all(reader)
    assert [attempt.trigger for attempt in recovery.attempts] == [Trigger.SCHEDULED, Trigger.METHOD_CHANGE]
    assert recovery.method_at == recovery.attempts[1].at


async def test_ends_of_invoices_are_read(own: OwnSandbox) -> None:
    box, reader = own
    void, uncollectible, open_ = [await box.create_failed_invoice(created=THEN) for _ in range(3)]
    waiting = await box.create_failed_invoice(created=THEN, next_payment_attempt=THEN + 3 * DAY)
    await box.void_invoice(void.invoice)
    await box.mark_uncollectible(uncollectible.invoice)
    ends = {recovery.invoice_id: recovery.end for recovery in await read_all(reader)}
    assert ends == {
        void.invoice: InvoiceEnding.CANCELED,
        uncollectible.invoice: InvoiceEnding.LOST,
        open_.invoice: InvoiceEnding.LOST,
        waiting.invoice: InvoiceEnding.OPEN,
    }


async def test_invoices_without_a_failed_payment_are_skipped(own: OwnSandbox) -> None:
    box, reader = own
    await box.create_failed_invoice(requires_action=True)
    failed = await box.create_failed_invoice()
    page = await reader.read_page(None, FAR_FUTURE, None)
    assert ([recovery.invoice_id for recovery in page.failed_invoices], page.invoice_count, page.unclear_count) == (
        [failed.invoice],
        2,
        1,
    )


async def test_days_and_pages(own: OwnSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.stripe.history.PAGE_SIZE", 2)
    box, reader = own
    failed_invoices = [await box.create_failed_invoice(created=THEN + day * DAY) for day in range(5)]
    since, until = (datetime.fromtimestamp(THEN + day * DAY, UTC) for day in (1, 4))
    invoice_ids: list[str] = []
    after, pages = None, 0
    while pages == 0 or after:
        page = await reader.read_page(since, until, after)
        invoice_ids, after, pages = (
            [*invoice_ids, *(recovery.invoice_id for recovery in page.failed_invoices)],
            page.last_invoice_id,
            pages + 1,
        )
    assert (pages, sorted(invoice_ids)) == (
        2,
        sorted(failed_invoice.invoice for failed_invoice in failed_invoices[1:4]),
    )


async def test_failed_reads_are_repeated(own: OwnSandbox) -> None:
    box, reader = own
    await box.create_failed_invoice()
    await box.add_fault("/v1/invoices", "error:500", times=1)
    await box.add_fault("/v1/charges", "error:500", times=1)
    assert len(await read_all(reader)) == 1


async def test_persistent_outage_is_reported(own: OwnSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.stripe.history.MAX_TRIES", 2)
    box, reader = own
    await box.add_fault("/v1/invoices", "error:500", times=9)
    with pytest.raises(ProviderUnavailable, match="HTTP 500"):
        await reader.read_page(None, FAR_FUTURE, None)


async def test_key_without_permission_is_reported(own: OwnSandbox) -> None:
    box, reader = own
    await box.add_fault("/v1/invoices", "error:403", times=1)
    with pytest.raises(InvalidInput, match=r"HTTP 403\. The key needs the right to read invoices"):
        await reader.read_page(None, FAR_FUTURE, None)
    with pytest.raises(InvalidInput, match="STRIPE_API_KEY is not set"):
        StripeHistory(StripeConfig())


async def test_import_requests_fit_stripes_api(mock: RequestChecker, own: OwnSandbox) -> None:
    box, reader = own
    await box.create_failed_invoice()
    mock.record_requests(reader._api._http)
    page = await reader.read_page(datetime(2020, 1, 1, tzinfo=UTC), FAR_FUTURE, None)
    await reader.read_page(None, FAR_FUTURE, page.failed_invoices[0].invoice_id)
    assert mock.request_kinds == {"GET /v1/invoices", "GET /v1/charges"}
    assert await mock.find_complaints() == []
