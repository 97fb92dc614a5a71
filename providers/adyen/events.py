"""Adyen's event codes as data: what each one means for a recovery, and which extractor reads its fields.

Source: docs.adyen.com/development-resources/webhooks/webhook-types, Adyen's OpenAPI Webhooks v1 with its examples, and
the codes of Adyen's own client libraries.

**Which event counts as money.** AUTHORISATION: most merchants capture automatically and never receive a CAPTURE. A
merchant who captures by hand receives both, so a CAPTURE is given the id of the authorised payment
(`originalReference`), and the money of one payment counts once, whichever of the two arrives first. An authorisation
that is never captured is reversed by CAPTURE_FAILED, EXPIRE, CANCELLATION or TECHNICAL_CANCEL.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from core.payments import EventKind
from providers.adyen.extractors import (
    EventFields,
    extract_authorisation,
    extract_capture,
    extract_dispute_notice,
    extract_rescue_cancel,
    extract_rescue_end,
    extract_stored_method,
)
from providers.adyen.notification import NotificationItem
from providers.adyen.returns import (
    extract_cancel_or_refund,
    extract_chargeback,
    extract_chargeback_notice,
    extract_failed_capture,
    extract_restored_money,
    extract_returned_payment,
)


@dataclass(frozen=True)
class Row:
    """One event code: its kind, its extractor and its detail. Fields that the extractor returns replace the row's."""

    kind: EventKind = EventKind.OTHER
    extract: Callable[[NotificationItem], EventFields] = lambda item: item.reference_fields()
    detail: str | None = None
    failure_detail: str | None = None
    """The detail of an item with `success=false`, which then has no effect; None: success makes no difference."""


def interpret_item(item: NotificationItem) -> EventFields:
    """The fields of the normalised event; kind OTHER for a code without a row. Raises InvalidField."""
    row = EVENTS.get(item.event_code)
    if row is None:
        return {"kind": EventKind.OTHER, "detail": "event code not used"}
    if row.failure_detail and not item.is_success:
        return {"kind": EventKind.OTHER, "detail": row.failure_detail}
    return {"kind": row.kind, "detail": row.detail} | row.extract(item)


_CHARGEBACK: Final = Row(extract=extract_chargeback)
_NO_REFUND: Final = "the refund failed: the money stayed"
EVENTS: Final[Mapping[str, Row]] = {
    "AUTHORISATION": Row(extract=extract_authorisation),
    "AUTORESCUE": Row(extract=extract_rescue_end),
    "CANCEL_AUTORESCUE": Row(extract=extract_rescue_cancel, failure_detail="Auto Rescue was not canceled"),
    "AUTORESCUE_NEXT_ATTEMPT": Row(EventKind.RETRY_SCHEDULED, detail="Adyen's own next try; AUTORESCUE tells its end"),
    "PROCESS_RETRY": Row(detail="Adyen tries again by itself; the result comes as AUTHORISATION"),
    "CAPTURE": Row(extract=extract_capture),
    "CAPTURE_FAILED": Row(extract=extract_failed_capture),
    "EXPIRE": Row(extract=extract_failed_capture),
    "NOTIFICATION_OF_CHARGEBACK": Row(extract=extract_chargeback_notice),
    "CHARGEBACK": _CHARGEBACK,
    "SECOND_CHARGEBACK": _CHARGEBACK,
    "DISPUTE_OPENED_WITH_CHARGEBACK": _CHARGEBACK,
    "NOTIFICATION_OF_FRAUD": Row(EventKind.FRAUD_WARNING, extract_dispute_notice),
    "REQUEST_FOR_INFORMATION": Row(EventKind.DISPUTE_INQUIRY, extract_dispute_notice),
    "CHARGEBACK_REVERSED": Row(extract=extract_restored_money),
    "PREARBITRATION_WON": Row(extract=extract_restored_money),
    "SCHEME_ARBITRATION_WON": Row(extract=extract_restored_money),
    "PREARBITRATION_OPEN": Row(detail="the bank goes on with a dispute"),
    "PREARBITRATION_LOST": Row(detail="the dispute was lost"),
    "SCHEME_ARBITRATION_LOST": Row(detail="the dispute was lost"),
    "ISSUER_COMMENTS": Row(detail="the bank commented on a dispute"),
    "ISSUER_RESPONSE_TIMEFRAME_EXPIRED": Row(detail="the bank let its time to answer in a dispute go by"),
    "INFORMATION_SUPPLIED": Row(detail="a dispute was answered"),
    "DISPUTE_DEFENSE_PERIOD_ENDED": Row(detail="the time to defend a dispute is over"),
    "RECURRING_CONTRACT": Row(
        EventKind.METHOD_UPDATED, extract_stored_method, failure_detail="the payment method was not stored"
    ),
    "DISABLE_RECURRING": Row(detail="a payment method was removed"),
    "CANCELLATION": Row(
        EventKind.PAYMENT_REFUNDED, extract_returned_payment, failure_detail="the payment was not canceled"
    ),
    "TECHNICAL_CANCEL": Row(
        EventKind.PAYMENT_REFUNDED, extract_returned_payment, failure_detail="the payment was not canceled"
    ),
    "CANCEL_OR_REFUND": Row(EventKind.PAYMENT_REFUNDED, extract_cancel_or_refund, failure_detail=_NO_REFUND),
    "REFUND": Row(EventKind.PAYMENT_REFUNDED, extract_returned_payment, failure_detail=_NO_REFUND),
    "REFUND_WITH_DATA": Row(EventKind.PAYMENT_REFUNDED, extract_returned_payment, failure_detail=_NO_REFUND),
    # After a REFUND that said success (docs.adyen.com/online-payments/capture/failure-reasons): the scheme rejected it.
    "REFUND_FAILED": Row(extract=extract_restored_money),
    "REFUNDED_REVERSED": Row(extract=extract_restored_money),
    "POSTPONED_REFUND": Row(detail="a refund waits for the capture; its result comes as REFUND"),
    "VOID_PENDING_REFUND": Row(detail="a refund at a terminal was called off"),
    "AUTHORISATION_ADJUSTMENT": Row(detail="the authorised amount was adjusted: nothing was paid by that"),
    "AUTHENTICATION": Row(detail="the shopper was authenticated: nothing was paid by that"),
    "MANUAL_REVIEW_ACCEPT": Row(detail="Adyen's risk review let a payment go on"),
    "MANUAL_REVIEW_REJECT": Row(detail="Adyen's risk review stops a payment; CANCELLATION tells the end"),
    "PENDING": Row(detail="the result comes as AUTHORISATION"),
    "OFFER_CLOSED": Row(detail="an unfinished checkout"),
    "ORDER_OPENED": Row(detail="an order of several payments: each of them comes as AUTHORISATION"),
    "ORDER_CLOSED": Row(
        detail="an order of several payments is paid: each of them came as AUTHORISATION",
        failure_detail="an order of several payments was not paid in full: Adyen gives its payments back",
    ),
    "HANDLED_EXTERNALLY": Row(detail="a payment that goes on outside Adyen"),
    "DONATION": Row(detail="a donation: no invoice"),
    "PAYOUT_THIRDPARTY": Row(detail="a payout: money that goes out"),
    "PAYOUT_DECLINE": Row(detail="a payout that was declined"),
    "PAYOUT_EXPIRE": Row(detail="a payout that expired"),
    "PAIDOUT_REVERSED": Row(detail="a payout that came back"),
    "REPORT_AVAILABLE": Row(detail="a report"),
}
