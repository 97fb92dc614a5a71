"""One transaction of Braintree, as the official client reads it, in our words: one try to get the money."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final

from braintree import Dispute, Transaction

from core.payments import Card, Failure, MethodKind
from providers.braintree import references
from providers.braintree.methods import card_of, country_of, instrument_of, network_of
from providers.braintree.reading import ID, WORD, currency, day, listed, minor_units, moment, part, text
from providers.fields import Unfit

_S: Final = Transaction.Status
FAILED: Final = frozenset(
    {_S.ProcessorDeclined, _S.GatewayRejected, _S.Failed, _S.SettlementDeclined, _S.AuthorizationExpired}
    | {_S.SettlementFailed}
)
SUBMITTED: Final = frozenset({_S.SubmittedForSettlement, _S.Settling, _S.SettlementPending})
"""Of a card the bank has said yes, and the rest is a matter of form."""
SLOW: Final[Mapping[MethodKind | None, frozenset[str]]] = MappingProxyType(
    {
        MethodKind.DIRECT_DEBIT: SUBMITTED,
        MethodKind.WALLET: frozenset({_S.SettlementPending}),
        MethodKind.BANK_TRANSFER: frozenset({_S.SettlementPending}),
    }
)
"""What says of other methods only that money is on its way: no bank has answered a debit yet, a wallet waits for a bank
behind it (4002 Settlement Pending, developer.paypal.com/braintree processor-responses/settlement-responses)."""
OPEN_ENDED: Final = frozenset({_S.Authorizing, _S.Authorized, _S.SettlementConfirmed})
"""Nobody has asked for the money yet, or the answer is out, whatever the method."""
DECLINED_LATER: Final = frozenset({_S.SettlementDeclined, _S.SettlementFailed})
DECLINED: Final[str] = _S.SettlementDeclined
"""What a debit that came back is, whatever its transaction still reads."""


@dataclass(frozen=True)
class Try:
    """A sale or a credit, whatever became of it; what Braintree didn't say is None."""

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
    """What was asked for, where the bank authorised a part of it (processor response 1004)."""
    reference_fault: str | None = None
    """Why its order id can't name an invoice."""
    recurring: bool | None = None
    refund_of: str | None = None
    """The sale that a credit gives back."""
    returned: bool = False
    """A bank sent the debit back, whatever the status says."""
    settled: bool = False
    """It is settled, or was once."""
    split: bool = False
    """An authorisation that is captured in parts, each a transaction of its own: it brings no money itself."""

    @property
    def debit(self) -> bool:
        """Whether it is a direct debit: days until its result, and returns for weeks after."""
        return self.card.kind is MethodKind.DIRECT_DEBIT

    @property
    def paid(self) -> bool:
        """Whether the money is there, or is on its way with the bank's word."""
        if self.returned or self.split:
            return False
        return self.status == _S.Settled or self.status in SUBMITTED - self._slow

    @property
    def failed(self) -> bool:
        """Whether it is over without money."""
        return self.returned or self.status in FAILED

    @property
    def says_why(self) -> bool:
        """Whether the code is a reason: where none is told, it only repeats the status."""
        return self.failure.code not in {None, self.status, DECLINED}

    @property
    def failed_later(self) -> bool:
        """Whether it failed some time after it was made: then the notification's moment counts, not the try's."""
        return self.taken_back or self.status == _S.AuthorizationExpired

    @property
    def taken_back(self) -> bool:
        """Whether it failed only after it had been submitted, or had even settled."""
        return self.returned or self.status in DECLINED_LATER

    @property
    def under_way(self) -> bool:
        """Whether money may still come of it by itself: charging beside it may take it twice."""
        return not self.returned and self.status in OPEN_ENDED | self._slow

    @property
    def _slow(self) -> frozenset[str]:
        return SLOW.get(self.card.kind, frozenset())

    @property
    def invoice_id(self) -> str | None:
        """Of a subscription: its id and the start of the period; else the order id."""
        if self.subscription_id:
            return f"{self.subscription_id}-{self.period.isoformat()}" if self.period else None
        return self.order_id

    def as_failed(self, status: str, code: str | None) -> "Try":
        """The same try as a notification of its failure knows it, while its own status is still the old one."""
        failure = self.failure.model_copy(update={"code": self.failure.code or code})
        return self if self.failed else replace(self, status=status, failure=failure)


def tried(transaction: Any) -> Try:
    """What a transaction of the client says. Raises Unfit where it has no usable id or status."""
    status, code = text(transaction, "status", WORD), currency(transaction)
    transaction_id = text(transaction, "id", ID)
    if transaction_id is None or status is None:
        raise Unfit("transaction")
    instrument, returned = instrument_of(transaction), return_of(transaction)
    fields: dict[str, Any] = {
        "id": transaction_id,
        "status": status,
        "amount": minor_units(part(transaction, "amount"), code),
        "requested": minor_units(part(transaction, "amount_requested"), code),
        "currency": code,
        "method_id": text(instrument, "token", ID),
        "card": card_of(instrument),
        "returned": returned is not None,
        "failure": _failure(transaction, instrument, status, returned),
    }
    return Try(**fields, **_times(transaction, status), **_names(transaction), **_traits(transaction))


def _names(transaction: Any) -> dict[str, Any]:
    """Whose it is, and what for."""
    order_id = part(transaction, "order_id")
    named = order_id if isinstance(order_id, str) and order_id else None
    fault = references.refusal(named) if named else None
    return {
        "order_id": None if fault else named,
        "reference_fault": fault,
        "subscription_id": text(transaction, "subscription_id", ID),
        "period": day(part(part(transaction, "subscription_details"), "billing_period_start_date")),
        "customer_id": text(part(transaction, "customer_details"), "id", ID),
        "country": country_of(part(part(transaction, "billing_details"), "country_code_alpha2")),
        "merchant_account": text(transaction, "merchant_account_id", WORD),
        "refund_of": text(transaction, "refunded_transaction_id", ID),
    }


def _times(transaction: Any, status: str) -> dict[str, Any]:
    history = {part(event, "status") for event in listed(transaction, "status_history")}
    return {
        "created_at": moment(part(transaction, "created_at")),
        "next_try": _end_of(day(part(transaction, "upcoming_retry_date"))),
        "settled": _S.Settled in history | {status},
    }


def _traits(transaction: Any) -> dict[str, Any]:
    recurring = part(transaction, "recurring")
    return {
        "disputed": any(_blocks(one) for one in listed(transaction, "disputes")),
        "source": text(transaction, "source", WORD),
        "recurring": recurring if isinstance(recurring, bool) else None,
        "sale": part(transaction, "type") in (None, Transaction.Type.Sale),
        "split": bool(part(transaction, "partial_settlement_transaction_ids")),
    }


def _blocks(dispute: Any) -> bool:
    """A retrieval is only a question, and a dispute that was won is over."""
    return part(dispute, "kind") not in {Dispute.Kind.Retrieval} and part(dispute, "status") not in {Dispute.Status.Won}


def return_of(transaction: Any) -> str | None:
    """The code with which a bank sent the debit back, a status where it gave none; None where nothing came back.

    `ach_return_code` is on the transactions of webhooks alone, `ach_return_responses` on all (Transaction response,
    developer.paypal.com/braintree/docs/reference/response/transaction).
    """
    if code := text(transaction, "ach_return_code", WORD):
        return code
    told = listed(transaction, "ach_return_responses")
    answers = [one for one in reversed(told) if isinstance(one, Mapping)]
    codes = [one.get(name) for one in answers for name in ("reason_code", "code", "ach_return_code")]
    known = next((code for code in codes if isinstance(code, str) and WORD.fullmatch(code)), None)
    return known or (_S.SettlementDeclined if told else None)


def _failure(transaction: Any, instrument: Any, status: str, returned: str | None) -> Failure:
    """Why it failed, in raw codes; only its ids where it did not."""
    named = Failure(method_id=text(instrument, "token", ID), charge_id=text(transaction, "id", ID))
    if status not in FAILED and returned is None:
        return named
    said = {
        "code": returned or code_of(transaction, status),
        "network": network_of(instrument),
        "network_code": text(transaction, "network_response_code", WORD),
        "network_advice": text(transaction, "merchant_advice_code", WORD),
        "network_status": "not_sent_to_network" if status == _S.GatewayRejected else None,
    }
    return named.model_copy(update=said)


_SAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        _S.GatewayRejected: "gateway_rejection_reason",
        _S.SettlementDeclined: "processor_settlement_response_code",
        _S.SettlementFailed: "processor_settlement_response_code",
    }
)
"""Where the code of a failure stands; everywhere else it is the processor's answer to the authorisation."""


def code_of(transaction: Any, status: str) -> str:
    """The processor's code; a rejection's reason; the status where neither is told."""
    return text(transaction, _SAYS.get(status, "processor_response_code"), WORD) or status


def _end_of(told: date | None) -> datetime | None:
    """Braintree says on which day it tries, not when."""
    return datetime.combine(told + timedelta(days=1), time(), UTC) if told else None
