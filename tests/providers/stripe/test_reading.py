"""Invoices and failures as read from the sandbox, in few calls."""

from datetime import UTC, datetime

import pytest

from core.errors import ProviderUnavailable
from core.payments import CustomerView, Failure, InvoiceStatus, Risk
from providers.stripe.gateway import StripeGateway
from sandbox.stripe.client import StripeSandboxClient
from tests.providers.stripe.builders import dispute_of, open_invoice
from tests.providers.stripe.canned_server import CannedServer


async def test_an_open_invoice(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(amount=4200, currency="eur", next_payment_attempt=2_000_000_000)
    view = await gateway.read_invoice(failed_invoice.invoice)
    assert (view.status, view.amount_due, view.currency) == (InvoiceStatus.OPEN, 4200, "EUR")
    assert (view.customer_id, view.subscription_id) == (failed_invoice.customer, failed_invoice.subscription)
    assert view.next_provider_attempt == datetime.fromtimestamp(2_000_000_000, UTC)
    assert (view.latest_charge_id, view.latest_charge_status) == (failed_invoice.charge, "failed")
    assert not view.processing
    assert not view.disputed


async def called_objects(box: StripeSandboxClient, before: int) -> list[str]:
    """The kinds of objects that calls since `before` asked for, sorted."""
    return sorted(entry.path.split("/")[2] for entry in (await box.read_log())[before:])


async def test_a_failed_invoice_takes_one_call_and_its_failure_two(
    box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice()
    before = len(await box.read_log())
    await gateway.read_invoice(failed_invoice.invoice)
    assert await called_objects(box, before) == ["invoices"]
    await gateway.read_failure(failed_invoice.invoice, None)
    assert await called_objects(box, before + 1) == ["invoices", "payment_intents"]


async def test_money_that_moved_is_read_with_its_charge(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.pay_hosted(failed_invoice.invoice)
    before = len(await box.read_log())
    assert (await gateway.read_invoice(failed_invoice.invoice)).latest_charge_status == "succeeded"
    assert await called_objects(box, before) == ["invoices", "payment_intents"]
    await gateway.read_failure(failed_invoice.invoice, None)
    assert await called_objects(box, before + 2) == ["invoices", "payment_intents", "radar"]


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("pay_hosted", InvoiceStatus.PAID),
        ("void_invoice", InvoiceStatus.VOID),
        ("mark_uncollectible", InvoiceStatus.UNCOLLECTIBLE),
    ],
)
async def test_a_closed_invoice(
    box: StripeSandboxClient, gateway: StripeGateway, action: str, status: InvoiceStatus
) -> None:
    failed_invoice = await box.create_failed_invoice()
    await getattr(box, action)(failed_invoice.invoice)
    assert (await gateway.read_invoice(failed_invoice.invoice)).status is status


async def test_an_unknown_invoice_is_missing(gateway: StripeGateway) -> None:
    assert (await gateway.read_invoice("in_x")).status is InvoiceStatus.MISSING
    event = dispute_of(None, failure=Failure(code="expired_card"))
    facts = await gateway.read_failure("in_x", event)
    assert (facts.invoice.status, facts.failure.code, facts.missing) == (
        InvoiceStatus.MISSING,
        "expired_card",
        ("invoice",),
    )


async def test_an_id_never_changes_where_a_path_leads(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    view = await gateway.read_invoice(f"x/../{failed_invoice.invoice}")
    assert view.status is InvoiceStatus.MISSING


async def test_all_facts_of_a_failure_are_read(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(
        decline_code="do_not_honor",
        network_decline_code="05",
        risk_level="elevated",
        risk_score=71,
        card={"brand": "visa", "funding": "debit", "country": "FR"},
        country="FR",
        customer_metadata={"time_zone": "Europe/Paris"},
        created=1_790_000_000,
    )
    facts = await gateway.read_failure(failed_invoice.invoice, None)
    assert facts.failure.code == "do_not_honor"
    assert (facts.failure.network, facts.failure.network_code) == ("visa", "05")
    assert (facts.failure.method_id, facts.failure.charge_id) == (failed_invoice.payment_method, failed_invoice.charge)
    assert (facts.card.network, facts.card.funding, facts.card.country) == ("visa", "debit", "FR")
    assert facts.risk == Risk(level="elevated", score=71, early_warning=False, disputed=False)
    assert facts.customer == CustomerView(
        customer_id=failed_invoice.customer,
        created_at=datetime.fromtimestamp(1_790_000_000, UTC),
        country="FR",
        time_zone="Europe/Paris",
        default_method_id=failed_invoice.payment_method,
    )
    assert facts.missing == ()
    assert "jenny" not in facts.model_dump_json().lower()


async def test_a_payment_that_waits_for_the_customer(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(requires_action=True)
    failure = (await gateway.read_failure(failed_invoice.invoice, None)).failure
    assert (failure.code, failure.charge_id) == ("authentication_required", None)


async def test_warning_and_dispute_are_read(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.pay_hosted(failed_invoice.invoice)
    await box.warn_of_fraud(failed_invoice.invoice)
    assert (await gateway.read_failure(failed_invoice.invoice, None)).risk.early_warning is True
    await box.open_dispute(failed_invoice.invoice)
    facts = await gateway.read_failure(failed_invoice.invoice, None)
    assert facts.risk.disputed is True
    assert facts.invoice.disputed


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/v1/radar/early_fraud_warnings", ("early_warnings",)),
    ],
)
@pytest.mark.parametrize("fault", ["error:403", "error:500", "drop", "malformed"])
async def test_optional_facts_may_be_missing(
    box: StripeSandboxClient, gateway: StripeGateway, path: str, missing: tuple[str, ...], fault: str
) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.pay_hosted(failed_invoice.invoice)
    await box.add_fault(path, fault)
    facts = await gateway.read_failure(failed_invoice.invoice, None)
    assert facts.invoice.latest_charge_status == "succeeded"
    if fault != "malformed":
        assert facts.missing == missing


async def test_optional_reads_time_out_quickly(box: StripeSandboxClient, impatient_gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.pay_hosted(failed_invoice.invoice)
    await box.add_fault("/v1/radar/*", "hang:2")
    assert (await impatient_gateway.read_failure(failed_invoice.invoice, None)).missing == ("early_warnings",)


async def test_unreadable_invoice_is_unavailable(box: StripeSandboxClient, impatient_gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.add_fault("/v1/invoices/*", "hang:2")
    with pytest.raises(ProviderUnavailable):
        await impatient_gateway.read_invoice(failed_invoice.invoice)


async def test_a_payment_that_may_not_be_read_is_filled_from_the_event(
    box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.add_fault("/v1/payment_intents/*", "error:403")
    facts = await gateway.read_failure(
        failed_invoice.invoice, dispute_of(None, failure=Failure(code="stolen_card", network_code="43"))
    )
    assert (facts.failure.code, facts.failure.network_code, facts.missing) == ("stolen_card", "43", ("payment",))
    assert facts.risk.level is None


@pytest.mark.parametrize("fault", ["error:500", "error:429:3", "drop", "malformed", "error:401"])
async def test_an_invoice_that_cannot_be_asked_for_is_unavailable(
    box: StripeSandboxClient, gateway: StripeGateway, fault: str
) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.add_fault("/v1/invoices/*", fault)
    with pytest.raises(ProviderUnavailable):
        await gateway.read_failure(failed_invoice.invoice, None)


async def test_payment_is_assigned_to_its_invoice(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    for payment_id in (failed_invoice.payment_intent, failed_invoice.charge):
        event = await gateway.resolve_event(dispute_of(payment_id))
        assert (event.invoice_id, event.customer_id) == (failed_invoice.invoice, failed_invoice.customer)
    unknown_dispute = dispute_of("ch_nobody")
    assert await gateway.resolve_event(unknown_dispute) == unknown_dispute
    bare_dispute = dispute_of(None)
    assert await gateway.resolve_event(bare_dispute) is bare_dispute


@pytest.mark.parametrize("outcome", [{"reason": "not a code", "type": ["x"]}, "blocked", 7], ids=str)
async def test_an_odd_reason_does_not_hide_the_failure(
    canned: CannedServer, foreign: StripeGateway, outcome: object
) -> None:
    charge = {"id": "ch_1", "status": "failed", "failure_code": "card_declined", "outcome": outcome}
    intent = {"id": "pi_1", "status": "requires_payment_method", "latest_charge": charge}
    payments = {"data": [{"status": "open", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]}
    canned.set_answer("GET /v1/invoices/in_1", open_invoice(payments=payments))
    canned.set_answer("GET /v1/payment_intents/pi_1", intent)
    assert (await foreign.read_failure("in_1", None)).failure.code == "card_declined"
