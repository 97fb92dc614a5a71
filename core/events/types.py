"""Enums of the event log (row types, states, triggers, closed value lists), and its timestamp format."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """Every type of row; the names are part of the public contract."""

    PAYMENT_FAILED = "payment.failed"
    FAILURE_CLASSIFIED = "failure.classified"
    CUSTOMER_SEGMENTED = "customer.segmented"
    FRAUD_ASSESSED = "fraud.assessed"
    RETRY_PLANNED = "retry.planned"
    RETRY_SKIPPED = "retry.skipped"
    CHARGE_REQUESTED = "charge.requested"
    CHARGE_SUCCEEDED = "charge.succeeded"
    CHARGE_DECLINED = "charge.declined"
    CHARGE_UNKNOWN = "charge.unknown"
    CHARGE_RECONCILED = "charge.reconciled"
    RETRY_REQUESTED = "operator.retry_requested"
    CANCEL_REQUESTED = "operator.cancel_requested"
    PAUSED = "operator.paused"
    RESUMED = "operator.resumed"
    REVIEWED = "operator.reviewed"
    METHOD_UPDATED = "payment_method.updated"
    PAID_ELSEWHERE = "invoice.paid_elsewhere"
    CLOSED_ELSEWHERE = "invoice.closed_elsewhere"
    DISPUTE_OPENED = "dispute.opened"
    NOTIFICATION_SENT = "notification.sent"
    NOTIFICATION_FAILED = "notification.failed"
    RECOVERY_CLOSED = "recovery.closed"
    PAYMENT_REFUNDED = "payment.refunded"
    PAYMENT_REVERSED = "payment.reversed"
    PAYMENT_LATE = "payment.late"
    EVENT_LATE = "event.late"
    SHADOW_PLANNED = "shadow.planned"


class State(StrEnum):
    """Where a recovery stands."""

    RECEIVED = "received"
    CLASSIFIED = "classified"
    SEGMENTED = "segmented"
    WAITING = "waiting"
    CHARGING = "charging"
    AWAITING_CUSTOMER = "awaiting_customer"
    IN_REVIEW = "in_review"
    PAUSED = "paused"
    RECOVERED = "recovered"
    EXHAUSTED = "exhausted"
    CANCELED = "canceled"
    BLOCKED = "blocked"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen."""
        return self in {State.RECOVERED, State.EXHAUSTED, State.CANCELED, State.BLOCKED}


class Trigger(StrEnum):
    """Why a charge was made. Only scheduled ones use the policy's budget; all count for the network."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    METHOD_CHANGE = "payment_method_change"
    PROVIDER = "provider"

    @property
    def uses_budget(self) -> bool:
        """Whether a charge of this trigger is one of the policy's attempts."""
        return self is Trigger.SCHEDULED


class SkipAction(StrEnum):
    """What happens instead of a charge."""

    POSTPONE = "postpone"
    ASK_CUSTOMER = "ask_customer"
    WAIT_FOR_METHOD = "wait_for_method"
    REVIEW = "review"
    TELL_OPERATORS = "tell_operators"
    STOP = "stop"
    GIVE_UP = "give_up"
    REFUSE = "refuse"
    """What was asked for is not done; schedule and state stay."""
    DECIDE_ANEW = "decide_anew"
    STAND_BACK = "stand_back"
    """Nothing happens until the next look."""
    OUT_OF_SCOPE = "out_of_scope"


class CloseReason(StrEnum):
    """Why a recovery ended."""

    CHARGED = "charged"
    PAID_ELSEWHERE = "paid_elsewhere"
    OPERATOR = "operator"
    VOIDED = "voided"
    UNCOLLECTIBLE = "uncollectible"
    SUBSCRIPTION_ENDED = "subscription_ended"
    CUSTOMER_DELETED = "customer_deleted"
    OUT_OF_SCOPE = "out_of_scope"
    NO_METHOD = "no_method"
    NOT_A_CARD = "not_a_card"
    DISPUTE = "dispute"
    EARLY_FRAUD_WARNING = "early_fraud_warning"
    REJECTED = "rejected"
    REVIEW_OVERDUE = "review_overdue"
    CUSTOMER_DEADLINE = "customer_deadline"
    WINDOW = "window"
    BUDGET = "budget"
    NO_RETRY = "no_retry"
    NEW_METHOD = "new_method"
    NETWORK_LIMIT = "network_limit"
    STOP_INSTRUCTION = "stop_instruction"
    FRAUD = "fraud"
    INVOICE_MISSING = "invoice_missing"
    CHARGE_UNKNOWN = "charge_unknown"


class ReviewDecision(StrEnum):
    """What an operator decides in a review."""

    APPROVE = "approve"
    REJECT = "reject"


class MessageOutcome(StrEnum):
    """How sending a message ended."""

    SENT = "sent"
    MAYBE_SENT = "maybe_sent"
    """A crash or a silence at the worst moment: it is not sent again."""
    FAILED = "failed"


class DisputeKind(StrEnum):
    """What a customer's bank says against a payment."""

    DISPUTE = "dispute"
    EARLY_FRAUD_WARNING = "early_fraud_warning"
    INQUIRY = "inquiry"
    """Only a question: no money moves, nothing is blocked."""


def format_timestamp(moment: datetime) -> str:
    """A time as `data` holds it: RFC 3339 in UTC with suffix Z, to the microsecond."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat()[:-6]}Z"


def parse_timestamp(text: Any) -> datetime | None:
    """The time that `format_timestamp` wrote, in UTC; None for empty input. Raises ValueError for other text."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
