"""Maps each event type to the model of its `data`."""

from collections.abc import Mapping
from typing import Final

from core.events.data import (
    CancelRequested,
    ClosedElsewhere,
    DisputeOpened,
    EventData,
    EventLate,
    MessageFailed,
    MessageSent,
    MethodUpdated,
    OperatorReviewed,
    RecoveryClosed,
    RecoveryPaused,
    RecoveryResumed,
    RetryRequested,
)
from core.events.decision_data import (
    CustomerSegmented,
    FailureClassified,
    FraudAssessed,
    RetryPlanned,
    RetrySkipped,
    ShadowPlanned,
)
from core.events.money_data import (
    ChargeDeclined,
    ChargeReconciled,
    ChargeRequested,
    ChargeSucceeded,
    ChargeUnknown,
    PaidElsewhere,
    PaymentFailed,
    PaymentLate,
    PaymentRefunded,
    PaymentReversed,
)
from core.events.types import (
    EventType,
)

MODELS: Final[Mapping[EventType, type[EventData]]] = {
    EventType.PAYMENT_FAILED: PaymentFailed,
    EventType.FAILURE_CLASSIFIED: FailureClassified,
    EventType.CUSTOMER_SEGMENTED: CustomerSegmented,
    EventType.FRAUD_ASSESSED: FraudAssessed,
    EventType.RETRY_PLANNED: RetryPlanned,
    EventType.RETRY_SKIPPED: RetrySkipped,
    EventType.CHARGE_REQUESTED: ChargeRequested,
    EventType.CHARGE_SUCCEEDED: ChargeSucceeded,
    EventType.CHARGE_DECLINED: ChargeDeclined,
    EventType.CHARGE_UNKNOWN: ChargeUnknown,
    EventType.CHARGE_RECONCILED: ChargeReconciled,
    EventType.RETRY_REQUESTED: RetryRequested,
    EventType.CANCEL_REQUESTED: CancelRequested,
    EventType.PAUSED: RecoveryPaused,
    EventType.RESUMED: RecoveryResumed,
    EventType.REVIEWED: OperatorReviewed,
    EventType.METHOD_UPDATED: MethodUpdated,
    EventType.PAID_ELSEWHERE: PaidElsewhere,
    EventType.CLOSED_ELSEWHERE: ClosedElsewhere,
    EventType.DISPUTE_OPENED: DisputeOpened,
    EventType.NOTIFICATION_SENT: MessageSent,
    EventType.NOTIFICATION_FAILED: MessageFailed,
    EventType.RECOVERY_CLOSED: RecoveryClosed,
    EventType.PAYMENT_REFUNDED: PaymentRefunded,
    EventType.PAYMENT_REVERSED: PaymentReversed,
    EventType.PAYMENT_LATE: PaymentLate,
    EventType.EVENT_LATE: EventLate,
    EventType.SHADOW_PLANNED: ShadowPlanned,
}
"""The model of `data` by type of row."""
