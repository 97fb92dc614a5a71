"""One transaction of Braintree, parsed from the official client's object: one attempt at the money.

Source of the statuses: developer.paypal.com/braintree/docs/reference/general/statuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final

from braintree import Dispute, Transaction

from core.payments import Card, Failure, MethodKind
from providers.braintree import client_objects
from providers.braintree.client_objects import (
    ID,
    WORD,
    attribute,
    currency_of,
    list_attribute,
    minor_units,
    text_attribute,
    to_date,
    to_utc,
)
from providers.braintree.methods import card_of_instrument, country_of, instrument_of, network_of_instrument
from providers.fields import InvalidField

_S: Final = Transaction.Status
FAILED_STATUSES: Final = frozenset(
    {_S.ProcessorDeclined, _S.GatewayRejected, _S.Failed, _S.SettlementDeclined, _S.AuthorizationExpired}
    | {_S.SettlementFailed}
)
SUBMITTED_STATUSES: Final = frozenset({_S.SubmittedForSettlement, _S.Settling, _S.SettlementPending})
"""Statuses of an authorised transaction on its way to settlement; for a card they count as paid."""
PENDING_STATUSES: Final[Mapping[MethodKind | None, frozenset[str]]] = MappingProxyType(
    {
        MethodKind.DIRECT_DEBIT: SUBMITTED_STATUSES,
        MethodKind.WALLET: frozenset({_S.SettlementPending}),
        MethodKind.BANK_TRANSFER: frozenset({_S.SettlementPending}),
    }
)
"""Statuses that only mean "on its way" for other methods: no bank has answered a debit yet, and a wallet waits for its
bank (4002 Settlement Pending, developer.paypal.com/braintree processor-responses/settlement-responses)."""
OPEN_STATUSES: Final = frozenset({_S.Authorizing, _S.Authorized, _S.SettlementConfirmed})
"""Statuses of any method before the money was requested or its answer is known."""
LATE_DECLINE_STATUSES: Final = frozenset({_S.SettlementDeclined, _S.SettlementFailed})
DECLINED_STATUS: Final[str] = _S.SettlementDeclined
"""The status given to a returned debit, whatever its transaction still reads."""


@dataclass(frozen=True)
class TransactionView:
    """A sale or a credit in any status; amounts in minor units, times in UTC, None for what Braintree didn't say."""

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
    requested: int | None = None
    """The requested amount, if the bank authorised a part of it (processor response 1004)."""
    reference_fault: str | None = None
    """Why its order id can't name an invoice."""
    recurring: bool | None = None
    refund_of: str | None = None
    """The sale that a credit refunds."""
    returned: bool = False
    """Whether a bank returned the debit, whatever the status reads."""
    settled: bool = False
    """Whether it is settled, or was before."""
    split: bool = False
    """An authorisation that is captured in parts, each a transaction of its own: it brings no money itself."""

    @property
    def is_debit(self) -> bool:
        """Whether it is a direct debit: its result takes days, and it may be returned for weeks."""
        return self.card.kind is MethodKind.DIRECT_DEBIT

    @property
    def is_paid(self) -> bool:
        """Whether the money has come or is certain to: settled, or submitted with the bank's authorisation."""
        if self.returned or self.split:
            return False
        return self.status == _S.Settled or self.status in SUBMITTED_STATUSES - self._pending_statuses

    @property
    def has_failed(self) -> bool:
        """Whether it ended without money."""
        return self.returned or self.status in FAILED_STATUSES

    @property
    def has_reason(self) -> bool:
        """Whether the failure's code is a reason; without one, the code repeats the status."""
        return self.failure.code not in {None, self.status, DECLINED_STATUS}

    @property
    def has_failed_later(self) -> bool:
        """Whether it failed some time after it was made: the notification's time counts then, not the transaction's."""
        return self.was_taken_back or self.status == _S.AuthorizationExpired

    @property
    def was_taken_back(self) -> bool:
        """Whether it failed after it had been submitted or settled."""
        return self.returned or self.status in LATE_DECLINE_STATUSES

    @property
    def is_under_way(self) -> bool:
        """Whether money may still come of it by itself, so that no charge may be made beside it."""
        return not self.returned and self.status in OPEN_STATUSES | self._pending_statuses

    @property
    def _pending_statuses(self) -> frozenset[str]:
        return PENDING_STATUSES.get(self.card.kind, frozenset())

    @property
    def invoice_id(self) -> str | None:
        """The invoice id: `SUBSCRIPTION-YYYY-MM-DD` (start of the period) of a subscription, else the order id."""
        if self.subscription_id:
            return f"{self.subscription_id}-{self.period.isoformat()}" if self.period else None
        return self.order_id

    def as_failed(self, status: str, code: str | None) -> "TransactionView":
        """The transaction with a failed status, and `code` if it has none; unchanged if it has already failed."""
        failure = self.failure.model_copy(update={"code": self.failure.code or code})
        return self if self.has_failed else replace(self, status=status, failure=failure)


def parse_transaction(transaction: Any) -> TransactionView:
    """The client's transaction as a view. Raises InvalidField if it has no usable id or status."""
    status, code = text_attribute(transaction, "status", WORD), currency_of(transaction)
    transaction_id = text_attribute(transaction, "id", ID)
    if transaction_id is None or status is None:
        raise InvalidField("transaction")
    instrument, returned = instrument_of(transaction), return_code(transaction)
    fields: dict[str, Any] = {
        "id": transaction_id,
        "status": status,
        "amount": minor_units(attribute(transaction, "amount"), code),
        "requested": minor_units(attribute(transaction, "amount_requested"), code),
        "currency": code,
        "method_id": text_attribute(instrument, "token", ID),
        "card": card_of_instrument(instrument),
        "returned": returned is not None,
        "failure": _transaction_failure(transaction, instrument, status, returned),
    }
    return TransactionView(
        **fields, **_time_fields(transaction, status), **_reference_fields(transaction), **_trait_fields(transaction)
    )


def _reference_fields(transaction: Any) -> dict[str, Any]:
    """Order, subscription, period, customer, country, merchant account and refunded sale."""
    order_id = attribute(transaction, "order_id")
    named = order_id if isinstance(order_id, str) and order_id else None
    fault = client_objects.order_id_fault(named) if named else None
    return {
        "order_id": None if fault else named,
        "reference_fault": fault,
        "subscription_id": text_attribute(transaction, "subscription_id", ID),
        "period": to_date(attribute(attribute(transaction, "subscription_details"), "billing_period_start_date")),
        "customer_id": text_attribute(attribute(transaction, "customer_details"), "id", ID),
        "country": country_of(attribute(attribute(transaction, "billing_details"), "country_code_alpha2")),
        "merchant_account": text_attribute(transaction, "merchant_account_id", WORD),
        "refund_of": text_attribute(transaction, "refunded_transaction_id", ID),
    }


def _time_fields(transaction: Any, status: str) -> dict[str, Any]:
    history = {attribute(event, "status") for event in list_attribute(transaction, "status_history")}
    return {
        "created_at": to_utc(attribute(transaction, "created_at")),
        "next_try": _end_of_day(to_date(attribute(transaction, "upcoming_retry_date"))),
        "settled": _S.Settled in history | {status},
    }


def _trait_fields(transaction: Any) -> dict[str, Any]:
    recurring = attribute(transaction, "recurring")
    return {
        "disputed": any(_is_open_dispute(one) for one in list_attribute(transaction, "disputes")),
        "source": text_attribute(transaction, "source", WORD),
        "recurring": recurring if isinstance(recurring, bool) else None,
        "sale": attribute(transaction, "type") in (None, Transaction.Type.Sale),
        "split": bool(attribute(transaction, "partial_settlement_transaction_ids")),
    }


def _is_open_dispute(dispute: Any) -> bool:
    """Whether a dispute holds money: a retrieval is an inquiry, and a won dispute is over."""
    return attribute(dispute, "kind") not in {Dispute.Kind.Retrieval} and attribute(dispute, "status") not in {
        Dispute.Status.Won
    }


def return_code(transaction: Any) -> str | None:
    """The code with which a bank returned the debit, or a status if it gave none; None if it wasn't returned.

    `ach_return_code` is on the transactions of webhooks alone, `ach_return_responses` on all (Transaction response,
    developer.paypal.com/braintree/docs/reference/response/transaction).
    """
    if code := text_attribute(transaction, "ach_return_code", WORD):
        return code
    told = list_attribute(transaction, "ach_return_responses")
    answers = [one for one in reversed(told) if isinstance(one, Mapping)]
    codes = [one.get(name) for one in answers for name in ("reason_code", "code", "ach_return_code")]
    known = next((code for code in codes if isinstance(code, str) and WORD.fullmatch(code)), None)
    return known or (_S.SettlementDeclined if told else None)


def _transaction_failure(transaction: Any, instrument: Any, status: str, returned: str | None) -> Failure:
    """Why it failed, as raw codes; only its ids if it didn't."""
    named = Failure(method_id=text_attribute(instrument, "token", ID), charge_id=text_attribute(transaction, "id", ID))
    if status not in FAILED_STATUSES and returned is None:
        return named
    said = {
        "code": returned or processor_code(transaction, status),
        "network": network_of_instrument(instrument),
        "network_code": text_attribute(transaction, "network_response_code", WORD),
        "network_advice": text_attribute(transaction, "merchant_advice_code", WORD),
        "network_status": "not_sent_to_network" if status == _S.GatewayRejected else None,
    }
    return Failure.model_validate(named.model_dump(exclude_unset=True) | said)


_CODE_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        _S.GatewayRejected: "gateway_rejection_reason",
        _S.SettlementDeclined: "processor_settlement_response_code",
        _S.SettlementFailed: "processor_settlement_response_code",
    }
)
"""The attribute with the failure's code by status; for all others, the processor's answer to the authorisation."""


def processor_code(transaction: Any, status: str) -> str:
    """The processor's code or a rejection's reason; the status if there is neither."""
    return text_attribute(transaction, _CODE_FIELDS.get(status, "processor_response_code"), WORD) or status


def _end_of_day(told: date | None) -> datetime | None:
    """The end of that day in UTC: Braintree says on which day it tries again, not at what time."""
    return datetime.combine(told + timedelta(days=1), time(), UTC) if told else None
