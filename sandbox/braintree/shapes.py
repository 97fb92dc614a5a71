"""Transactions, subscriptions and methods as XML trees."""

from datetime import UTC, date, datetime
from typing import Any

from sandbox.models import Document

MERCHANT_ACCOUNT = "sandbox_account"


def transaction(one: Document) -> Document:
    """A transaction as the API and webhooks show it."""
    at = datetime.fromtimestamp(one["created"], UTC)
    shown: Document = {
        "id": one["id"],
        "status": one["status"],
        "type": "sale",
        "currency-iso-code": one["currency"],
        "amount": one["amount"],
        "merchant-account-id": one.get("merchant_account") or MERCHANT_ACCOUNT,
        "order-id": one.get("order_id"),
        "created-at": at,
        "updated-at": at,
        "customer": {"id": one["customer"]},
        "credit-card": method(one),
        "subscription-id": one.get("subscription"),
        "subscription": _period(one),
        "processor-response-code": one.get("code", ""),
        "processor-response-text": one.get("text", ""),
        "gateway-rejection-reason": one.get("rejection"),
        "network-response-code": one.get("network_code"),
        "merchant-advice-code": one.get("mac"),
        "disputes": [("dispute", {"id": f"dp_{one['id']}"})] if one.get("disputed") else [],
        "source": one.get("source", "api"),
        "upcoming-retry-date": _day(one.get("upcoming_retry_date")),
        "status-history": [],
        "add-ons": [],
        "discounts": [],
    }
    return shown


def method(one: Document) -> Document:
    """The card of a transaction, or a stored one."""
    return {
        "token": one["token"],
        "bin": "411111",
        "last-4": one["last4"],
        "card-type": one["card_type"],
        "debit": "No",
        "country-of-issuance": "USA",
        "unique-number-identifier": one["fingerprint"],
        "expiration-month": "12",
        "expiration-year": "2030",
    }


def stored(one: Document) -> Document:
    """A stored card, by itself."""
    return {**method(one), "customer-id": one["customer"], "default": True, "verifications": [], "subscriptions": []}


def customer(one: Document, methods: list[Document]) -> Document:
    """A customer with stored cards; the billing address belongs to the card that was stored first."""
    first, _, last = (one["name"] or "").partition(" ")
    address = {"id": "bb", "customer-id": one["id"], "country-code-alpha2": one["country"]}
    cards = [stored(each) | ({"billing-address": address} if each["token"] == one["token"] else {}) for each in methods]
    return {
        "id": one["id"],
        "first-name": first or None,
        "last-name": last or None,
        "email": one["email"],
        "phone": one["phone"],
        "credit-cards": [("credit-card", card) for card in cards],
        "addresses": [("address", address)],
        "custom-fields": one["custom_fields"] or "",
    }


def subscription(one: Document, transactions: list[Document]) -> Document:
    """A subscription with its transactions, newest first."""
    return {
        "id": one["id"],
        "status": one["status"],
        "balance": one["balance"],
        "price": one["price"],
        "plan-id": "monthly",
        "payment-method-token": one["token"],
        "billing-period-start-date": _day(one["start"]),
        "billing-period-end-date": _day(one["end"]),
        "next-billing-date": _day(one["end"]),
        "failure-count": sum(each["status"] != "submitted_for_settlement" for each in transactions),
        "transactions": [("transaction", transaction(each)) for each in transactions],
        "add-ons": [],
        "discounts": [],
        "status-history": [],
    }


def dispute(one: Document, reason: str) -> Document:
    """A dispute of a transaction."""
    paid = {"id": one["id"], "amount": one["amount"], "order-id": one.get("order_id"), "purchase-order-number": None}
    shown: Document = {
        "id": f"dp_{one['id']}",
        "amount": one["amount"],
        "currency-iso-code": one["currency"],
        "kind": "chargeback",
        "status": "open",
        "reason": reason,
        "received-date": datetime.fromtimestamp(one["created"], UTC).date(),
        "transaction": paid,
    }
    return shown


def _period(one: Document) -> Document:
    return {
        "billing-period-start-date": _day(one.get("start")),
        "billing-period-end-date": _day(one.get("end")),
    }


def _day(text: Any) -> date | None:
    return date.fromisoformat(text) if text else None
