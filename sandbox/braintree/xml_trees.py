"""Transactions, subscriptions and customers as XML trees."""

from datetime import UTC, date, datetime
from typing import Any

from sandbox.braintree import instruments
from sandbox.braintree.instruments import ELEMENT_NAMES, Instrument
from sandbox.models import Document

MERCHANT_ACCOUNT = "sandbox_account"


def transaction_tree(one: Document) -> Document:
    """A transaction as the API and webhooks show it."""
    at = datetime.fromtimestamp(one["created"], UTC)
    shown: Document = {
        "id": one["id"],
        "status": one["status"],
        "type": one.get("type", "sale"),
        "currency-iso-code": one["currency"],
        "amount": one["amount"],
        "amount-requested": one.get("requested"),
        "merchant-account-id": one.get("merchant_account") or MERCHANT_ACCOUNT,
        "order-id": one.get("order_id"),
        "created-at": at,
        "updated-at": at,
        "customer": {"id": one["customer"]},
        "billing": {"country-code-alpha2": one.get("country")},
        "payment-instrument-type": instruments.instrument_of(one).value,
        **instruments.transaction_details(one),
        "subscription-id": one.get("subscription"),
        "subscription": _billing_period(one),
        "recurring": one.get("source") == "recurring",
        "source": one.get("source", "api"),
        "upcoming-retry-date": _parse_day(one.get("upcoming_retry_date")),
        "refunded-transaction-id": one.get("refund_of"),
        "partial-settlement-transaction-ids": [("item", name) for name in one.get("parts", ())],
        "authorized-transaction-id": one.get("part_of"),
        "add-ons": [],
        "discounts": [],
    }
    return shown | _processor_answers(one) | _later_events(one, at)


def _processor_answers(one: Document) -> Document:
    """What processor, bank and gateway said."""
    return {
        "processor-response-code": one.get("code", ""),
        "processor-response-text": one.get("text", ""),
        "processor-settlement-response-code": one.get("settlement_code", ""),
        "gateway-rejection-reason": one.get("rejection"),
        "network-response-code": one.get("network_code"),
        "merchant-advice-code": one.get("mac"),
    }


def _later_events(one: Document, at: datetime) -> Document:
    """What became of it later. The return code itself stands on the transactions of webhooks alone.

    Source: developer.paypal.com/braintree/docs/reference/response/transaction (`ach_return_code`).
    """
    returned = one.get("return_code")
    event: Document = {"timestamp": at, "amount": one["amount"]}
    answer = ("ach-return-response", {"reason-code": returned, "created-at": at})
    return {
        "disputes": [("dispute", dispute_tree(one, **one["dispute"]))] if one.get("dispute") else [],
        "ach-return-responses": [answer] if returned else [],
        "status-history": [("status-event", event | {"status": status}) for status in one.get("history", ())],
    }


def webhook_transaction_tree(one: Document) -> Document:
    """A transaction as a webhook shows it."""
    return transaction_tree(one) | ({"ach-return-code": one["return_code"]} if one.get("return_code") else {})


def stored_method_tree(one: Document) -> tuple[str, Document]:
    """A stored method, by itself: the name of its element, and the element."""
    kind = instruments.instrument_of(one)
    more: Document = {"customer-id": one["customer"], "default": one.get("default", True), "subscriptions": []}
    checked: Document = {"verifications": []} if kind in _VERIFIED_INSTRUMENTS else {}
    return ELEMENT_NAMES[kind].in_vault, {**instruments.instrument_fields(one), **more, **checked}


_VERIFIED_INSTRUMENTS = frozenset({Instrument.CREDIT_CARD, Instrument.APPLE_PAY})


def customer_tree(one: Document, methods: list[Document]) -> Document:
    """A customer with stored methods; the billing address belongs to the one that was stored first."""
    first, _, last = (one["name"] or "").partition(" ")
    address = {"id": "bb", "customer-id": one["id"], "country-code-alpha2": one["country"]}
    listed: dict[str, list[tuple[str, Document]]] = {}
    for each in methods:
        name, element = stored_method_tree(each)
        billed = {"billing-address": address} if each["token"] == one["token"] else {}
        listed.setdefault(ELEMENT_NAMES[instruments.instrument_of(each)].in_customer, []).append(
            (name, element | billed)
        )
    return {
        "id": one["id"],
        "first-name": first or None,
        "last-name": last or None,
        "email": one["email"],
        "phone": one["phone"],
        "credit-cards": [],
        **listed,
        "addresses": [("address", address)],
        "custom-fields": one["custom_fields"] or "",
    }


def subscription_tree(one: Document, transactions: list[Document]) -> Document:
    """A subscription with its transactions, newest first."""
    return {
        "id": one["id"],
        "status": one["status"],
        "balance": one["balance"],
        "price": one["price"],
        "plan-id": "monthly",
        "payment-method-token": one["token"],
        "billing-period-start-date": _parse_day(one["start"]),
        "billing-period-end-date": _parse_day(one["end"]),
        "next-billing-date": _parse_day(one["end"]),
        "failure-count": sum(each["status"] != "submitted_for_settlement" for each in transactions),
        "transactions": [("transaction", webhook_transaction_tree(each)) for each in transactions],
        "add-ons": [],
        "discounts": [],
        "status-history": [],
    }


def dispute_tree(
    one: Document, reason: str, kind: str = "chargeback", status: str = "open", amount: str = ""
) -> Document:
    """A dispute of a transaction. Source: webhooks, Dispute: `kind` retrieval, chargeback or pre_arbitration."""
    paid = {"id": one["id"], "amount": one["amount"], "order-id": one.get("order_id"), "purchase-order-number": None}
    shown: Document = {
        "id": f"dp_{one['id']}",
        "amount": amount or one["amount"],
        "amount-disputed": amount or one["amount"],
        "currency-iso-code": one["currency"],
        "kind": kind,
        "status": status,
        "reason": reason,
        "received-date": datetime.fromtimestamp(one["created"], UTC).date(),
        "transaction": paid,
    }
    return shown


def _billing_period(one: Document) -> Document:
    return {
        "billing-period-start-date": _parse_day(one.get("start")),
        "billing-period-end-date": _parse_day(one.get("end")),
    }


def _parse_day(text: Any) -> date | None:
    return date.fromisoformat(text) if text else None
