"""Outgoing webhooks as OpenAPI describes them: what the merchant's systems receive about a recovery.

The bodies are made in core/notices.py; a test compares them with these models.
"""

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from core.classification.taxonomy import Category, Cause
from core.events import State


class MoneyMovement(BaseModel):
    """The payment that moved. Everything is null where the provider didn't say it."""

    kind: str | None = Field(description="`refund`, `chargeback`, `returned_debit`, `failed_capture` or `restored`")
    amount: int | None = Field(description="what moved, in minor units of `currency`")
    currency: str | None = Field(description="ISO 4217")
    payment_id: str | None
    detail: str | None


class RecoveryNotice(BaseModel):
    """The recovery after the event, with the names that the HTTP API uses."""

    recovery_id: str
    provider: str
    invoice_id: str
    customer_id: str | None
    amount: int = Field(description="open amount in minor units of `currency`")
    currency: str = Field(description="ISO 4217; empty until the provider has named it")
    paid: int = Field(description="partial payments before the end that were not returned; not part of `amount`")
    paid_late: int = Field(description="payments after an end as unpaid")
    returned: int = Field(description="payments returned after the end")
    state: State
    category: Category | None = Field(description="category of the failure; null until it is classified")
    cause: Cause | None
    segment: str | None
    attempts_used: int = Field(description="charges that used the policy's budget")
    next_attempt_at: datetime | None = Field(description="when the next charge is due")
    reason: str | None = Field(description="why the recovery ended; null unless it did with this event")


class MoneyNotice(RecoveryNotice):
    """The recovery after money moved apart from its end."""

    payment: MoneyMovement


class OutgoingType(StrEnum):
    """What an outgoing webhook says."""

    OPENED = "recovery.opened"
    PLANNED = "recovery.planned"
    RECOVERED = "recovery.recovered"
    ENDED = "recovery.ended"
    PAYMENT_REFUNDED = "recovery.payment_refunded"
    PAYMENT_REVERSED = "recovery.payment_reversed"
    PAID_LATE = "recovery.paid_late"


class OutgoingWebhook(BaseModel):
    """The body of an outgoing webhook about a recovery."""

    type: OutgoingType
    timestamp: datetime = Field(description="when it happened; orders the webhooks of one recovery")
    data: RecoveryNotice


class OutgoingMoneyWebhook(OutgoingWebhook):
    """The body of an outgoing webhook about money that moved."""

    data: MoneyNotice


MESSAGES: Final = {
    OutgoingType.OPENED: "A recovery was opened for a failed payment",
    OutgoingType.PLANNED: "A charge is planned",
    OutgoingType.RECOVERED: "The recovery ended paid",
    OutgoingType.ENDED: "The recovery ended unpaid",
    OutgoingType.PAYMENT_REFUNDED: "The merchant refunded money",
    OutgoingType.PAYMENT_REVERSED: "A payment was reversed",
    OutgoingType.PAID_LATE: "A payment came after the recovery had ended unpaid",
}
MONEY: Final = frozenset({OutgoingType.PAYMENT_REFUNDED, OutgoingType.PAYMENT_REVERSED, OutgoingType.PAID_LATE})
"""Types whose body names the payment."""
DESCRIPTION: Final = (
    "Signed as [Standard Webhooks](https://www.standardwebhooks.com) specifies. Any 2xx is success; else it comes "
    "again for three days with the same `webhook-id`. 410 ends it."
)


def receive_notice(
    body: OutgoingWebhook,
    webhook_id: Annotated[str, Header(description="the same in every try")],
    webhook_timestamp: Annotated[str, Header(description="seconds since 1970 of this try")],
    webhook_signature: Annotated[str, Header(description="`v1,` and the signature in base64")],
) -> None:
    """What a receiver gets."""


def receive_money_notice(
    body: OutgoingMoneyWebhook,
    webhook_id: Annotated[str, Header(description="the same in every try")],
    webhook_timestamp: Annotated[str, Header(description="seconds since 1970 of this try")],
    webhook_signature: Annotated[str, Header(description="`v1,` and the signature in base64")],
) -> None:
    """What a receiver gets when money moved."""


def describe_outgoing(router: APIRouter) -> None:
    """Adds a description of each outgoing webhook to an application's `webhooks`."""
    for kind, summary in MESSAGES.items():
        router.add_api_route(
            kind.value,
            receive_money_notice if kind in MONEY else receive_notice,
            methods=["POST"],
            operation_id=kind.value.replace(".", "_"),
            status_code=HTTPStatus.NO_CONTENT,
            summary=summary,
            description=DESCRIPTION,
            tags=["outgoing webhooks"],
            response_description="taken",
        )
