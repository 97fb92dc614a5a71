"""One transaction of Braintree, as the official client reads it, in our words: one try to get the money."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from babel.core import get_global
from braintree import Transaction

from core.payments import Card, Failure
from providers.braintree.minor import to_minor
from providers.fields import Unfit

_S: Final = Transaction.Status
PAID: Final = frozenset({_S.SubmittedForSettlement, _S.Settling, _S.Settled, _S.SettlementPending})
FAILED: Final = frozenset(
    {_S.ProcessorDeclined, _S.GatewayRejected, _S.Failed, _S.SettlementDeclined, _S.AuthorizationExpired}
)
UNDER_WAY: Final = frozenset({_S.Authorizing, _S.Authorized, "settlement_confirmed"})
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_WORD: Final = re.compile(r"[\x21-\x7e]{1,100}")
_ORDER: Final = re.compile(r"[A-Za-z0-9][\x21-\x7e]{0,199}")
_NETWORKS: Final[Mapping[str, str]] = {"american express": "amex", "diners": "diners", "china unionpay": "unionpay"}
_METHODS: Final = (
    "credit_card_details",
    "paypal_details",
    "apple_pay_details",
    "android_pay_card_details",
    "venmo_account_details",
    "us_bank_account",
    "sepa_direct_debit_account_details",
)


@dataclass(frozen=True)
class Try:
    """A sale, whatever became of it; what Braintree didn't say is None."""

    id: str
    status: str
    created_at: datetime | None
    amount: int | None
    currency: str | None
    order_id: str | None
    subscription_id: str | None
    period: date | None
    method_id: str | None
    customer_id: str | None
    country: str | None
    """Of the billing address."""
    merchant_account: str | None
    failure: Failure
    card: Card
    disputed: bool
    next_try: datetime | None
    source: str | None
    """`api`, `control_panel`, or `recurring` for Braintree's own billing."""
    sale: bool

    @property
    def paid(self) -> bool:
        """Whether the money is there, or is on its way with the bank's word."""
        return self.status in PAID

    @property
    def failed(self) -> bool:
        """Whether it is over without money."""
        return self.status in FAILED

    @property
    def invoice_id(self) -> str | None:
        """Of a subscription: its id and the start of the period; else the order id."""
        if self.subscription_id:
            return f"{self.subscription_id}-{self.period.isoformat()}" if self.period else None
        return self.order_id


def tried(transaction: Any) -> Try:
    """What a transaction of the client says. Raises Unfit where it has no usable id, status, or amount."""
    status, currency = _text(transaction, "status", _WORD), _currency(transaction)
    transaction_id = _text(transaction, "id", _ID)
    if transaction_id is None or status is None:
        raise Unfit("transaction")
    method = _method(transaction)
    return Try(
        id=transaction_id,
        status=status,
        created_at=moment(_get(transaction, "created_at")),
        amount=_amount(_get(transaction, "amount"), currency),
        currency=currency,
        order_id=_text(transaction, "order_id", _ORDER),
        subscription_id=_text(transaction, "subscription_id", _ID),
        period=day(_get(_get(transaction, "subscription_details"), "billing_period_start_date")),
        method_id=_text(method, "token", _ID),
        customer_id=_text(_get(transaction, "customer_details"), "id", _ID),
        country=country_of(_get(_get(transaction, "billing_details"), "country_code_alpha2")),
        merchant_account=_text(transaction, "merchant_account_id", _WORD),
        failure=failure_of(transaction, method, status, transaction_id),
        card=card_of(method),
        disputed=bool(_get(transaction, "disputes")),
        next_try=_end_of(day(_get(transaction, "upcoming_retry_date"))),
        source=_text(transaction, "source", _WORD),
        sale=_get(transaction, "type") in (None, Transaction.Type.Sale),
    )


def failure_of(transaction: Any, method: Any, status: str, transaction_id: str) -> Failure:
    """Why it failed, in raw codes; only its ids where it did not."""
    named = Failure(method_id=_text(method, "token", _ID), charge_id=transaction_id)
    if status not in FAILED:
        return named
    rejected = status == _S.GatewayRejected
    said = {
        "code": _code(transaction, status),
        "network": network_of(method),
        "network_code": _text(transaction, "network_response_code", _WORD),
        "network_advice": _text(transaction, "merchant_advice_code", _WORD),
        "network_status": "not_sent_to_network" if rejected else None,
    }
    return named.model_copy(update=said)


def card_of(method: Any) -> Card:
    """What may be known of the card. Its number's identifier is the same in every vault entry of this merchant."""
    debit = _get(method, "debit")
    return Card(
        fingerprint=_text(method, "unique_number_identifier", _WORD) or _text(method, "token", _ID),
        network=network_of(method),
        last4=_text(method, "last_4", re.compile(r"[0-9]{4}")),
        country=country_of(_get(method, "country_of_issuance")),
        funding={"Yes": "debit", "No": "credit"}.get(str(debit)),
    )


def country_of(told: Any) -> str | None:
    """ISO 3166 in two letters; Braintree writes the country of a card in three."""
    code = told.upper() if isinstance(told, str) and told.isascii() and told.isalpha() else ""
    if len(code) == 3:
        code = next(iter(get_global("territory_aliases").get(code, ())), "")
    return code if len(code) == 2 else None


def network_of(method: Any) -> str | None:
    """The card network in lower case; None where the method is no card."""
    name = str(_get(method, "card_type") or "").lower()
    return _NETWORKS.get(name, name) or None


def _code(transaction: Any, status: str) -> str:
    """The processor's code; a rejection's reason; the status where neither is told."""
    if status == _S.GatewayRejected:
        return _text(transaction, "gateway_rejection_reason", _WORD) or status
    if status == _S.SettlementDeclined:
        return _text(transaction, "processor_settlement_response_code", _WORD) or status
    return _text(transaction, "processor_response_code", _WORD) or status


def _method(transaction: Any) -> Any:
    """The instrument that has a token; a transaction brings the others as empty ones."""
    found = [_get(transaction, name) for name in _METHODS]
    return next((one for one in found if _text(one, "token", _ID)), found[0])


def moment(told: Any) -> datetime | None:
    """The client's times are in UTC and say nothing of it."""
    if not isinstance(told, datetime):
        return None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


def day(told: Any) -> date | None:
    """A date, or a text that is one."""
    if isinstance(told, datetime):
        return told.date()
    if isinstance(told, date):
        return told
    try:
        return date.fromisoformat(told[:10]) if isinstance(told, str) else None
    except ValueError:
        return None


def _end_of(told: date | None) -> datetime | None:
    """Braintree says on which day it tries, not when."""
    return datetime.combine(told + timedelta(days=1), time(), UTC) if told else None


def _amount(told: Any, currency: str | None) -> int | None:
    return to_minor(told, currency or "USD") if isinstance(told, Decimal) else None


def _currency(transaction: Any) -> str | None:
    found = _text(transaction, "currency_iso_code", re.compile(r"[A-Za-z]{3}"))
    return found.upper() if found else None


def _text(thing: Any, name: str, shape: re.Pattern[str]) -> str | None:
    value = _get(thing, name)
    return value if isinstance(value, str) and shape.fullmatch(value) else None


def _get(thing: Any, name: str) -> Any:
    return getattr(thing, name, None)
