"""Stored methods: the webhooks that report them, and which one replaces a failed one."""

import json
from typing import Any

import pytest

from core.payments import Card, EventKind, MethodKind, MethodRole, ProviderEvent
from providers.adyen.config import AdyenConfig
from providers.adyen.webhook import AdyenWebhooks
from tests.providers.adyen.test_events import WEBHOOKS, read_one, webhook_item
from tests.providers.contract.adyen_subject import ACCOUNT

DATA = {"merchantAccount": ACCOUNT, "storedPaymentMethodId": "TOKEN1", "shopperReference": "shopper 1"}
TOKEN_WEBHOOK = {
    "type": "recurring.token.created",
    "eventId": "E1",
    "createdAt": "2026-11-23T10:00:00+01:00",
    "data": DATA,
}


def read_token_event(webhook: dict[str, Any], webhooks: AdyenWebhooks = WEBHOOKS) -> ProviderEvent:
    (event,) = webhooks.normalise(json.dumps(webhook).encode())
    return event


TOKENS = [
    ("recurring.token.created", EventKind.METHOD_UPDATED, "TOKEN1", MethodRole.DEFAULT),
    ("recurring.token.updated", EventKind.METHOD_UPDATED, "TOKEN1:E1", MethodRole.UPDATED),
    ("recurring.token.alreadyExisting", EventKind.OTHER, None, None),
    ("recurring.token.disabled", EventKind.OTHER, None, None),
    ("balancePlatform.something", EventKind.OTHER, None, None),
]


@pytest.mark.parametrize(("kind", "meaning", "version", "role"), TOKENS)
def test_the_life_of_a_token(kind: str, meaning: EventKind, version: str | None, role: MethodRole | None) -> None:
    event = read_token_event(TOKEN_WEBHOOK | {"type": kind})
    assert (event.kind, event.method_version, event.event_id, event.method_role) == (meaning, version, "E1", role)
    assert event.customer_id == "shopper 1", "also without effect: it is erased with its customer"
    assert event.method_id == ("TOKEN1" if version else None)
    assert version or event.detail


def test_tokens_of_others_have_no_effect() -> None:
    assert (
        read_token_event(TOKEN_WEBHOOK | {"data": DATA | {"merchantAccount": "Other"}}).detail
        == "another merchant account"
    )
    assert read_token_event(TOKEN_WEBHOOK | {"environment": "live"}).detail == "live event for a test account"
    assert read_token_event(TOKEN_WEBHOOK | {"environment": "test"}).kind is EventKind.METHOD_UPDATED
    live = AdyenWebhooks(AdyenConfig("AQE", ACCOUNT, ("00",), "https://x-checkout-live.adyenpayments.com/checkout"))
    assert read_token_event(TOKEN_WEBHOOK | {"environment": "test"}, live).detail == "test event for a live account"
    assert read_token_event(TOKEN_WEBHOOK, live).kind is EventKind.METHOD_UPDATED


@pytest.mark.parametrize("missing", ["storedPaymentMethodId", "shopperReference"])
def test_token_event_with_missing_ids_names_them(missing: str) -> None:
    assert read_token_event(TOKEN_WEBHOOK | {"data": DATA | {missing: None}}).detail == f"unfit: data.{missing}"


def test_the_method_behind_a_token_is_known() -> None:
    card = read_token_event(TOKEN_WEBHOOK | {"data": DATA | {"type": "visastandarddebit"}}).card
    assert card == Card(kind=MethodKind.CARD, network="visa", fingerprint="TOKEN1")
    debit = read_token_event(TOKEN_WEBHOOK | {"data": DATA | {"type": "sepadirectdebit"}}).card
    assert debit
    assert debit.kind is MethodKind.DIRECT_DEBIT


def test_the_newest_method_stands_in_where_adyen_knows_no_default() -> None:
    event = read_one(webhook_item("RECURRING_CONTRACT"))
    assert (event.method_role, event.card and event.card.kind) == (MethodRole.DEFAULT, MethodKind.CARD)


def test_a_card_that_was_stored_for_the_shoppers_own_clicks_does_not() -> None:
    event = read_one(webhook_item("RECURRING_CONTRACT", additional={"recurringProcessingModel": "CardOnFile"}))
    assert (event.kind, event.method_role) == (EventKind.METHOD_UPDATED, MethodRole.ATTACHED)
