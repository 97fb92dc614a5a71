"""The outgoing webhooks that OpenAPI describes are those that are sent."""

from collections.abc import Mapping
from typing import Any, Final

from api.app import openapi_description
from api.outgoing_webhooks import MESSAGES, MONEY, OutgoingMoneyWebhook, OutgoingType, OutgoingWebhook
from core.events import Event, EventType
from core.notices import Audience, build_notices
from core.payments import EventKind
from core.recovery.state import Recovery
from tests.support.builders import THEN
from tests.support.recovery_scenario import NEW_RECOVERY, RecoveryScenario

MONEY_EVENTS: Final = (EventType.PAYMENT_REFUNDED, EventType.PAYMENT_REVERSED, EventType.PAYMENT_LATE)


def sent_bodies() -> list[Mapping[str, Any]]:
    """The bodies of recoveries that end either way, with all movements of money."""
    bodies: list[Mapping[str, Any]] = []
    for state in ("recovered", "exhausted"):
        scenario = RecoveryScenario().fail_payment()
        scenario.receive_event(EventKind.INVOICE_PAID, paid_amount=900, currency="EUR")
        closed = Event(type=EventType.RECOVERY_CLOSED, occurred_at=THEN, data={"reason": "budget", "state": state})
        moved = {"kind": "refund", "amount": 300, "currency": "EUR", "payment_id": "ch_9"}
        movements = (Event(type=kind, occurred_at=THEN, data=moved) for kind in MONEY_EVENTS)
        scenario.append_events(*(one for one in movements if one.type is not EventType.PAYMENT_LATE))
        scenario.append_events(closed, Event(type=EventType.PAYMENT_LATE, occurred_at=THEN, data=moved))
        before: Recovery = NEW_RECOVERY
        notices = build_notices(before, scenario.records, frozenset({Audience.WEBHOOK}))
        bodies += [notice.data for notice in notices]
    return bodies


def test_every_body_is_as_described() -> None:
    bodies = sent_bodies()
    assert {body["type"] for body in bodies} == set(OutgoingType)
    for body in bodies:
        model = OutgoingMoneyWebhook if body["type"] in MONEY else OutgoingWebhook
        shown = model.model_validate(body).model_dump(mode="json")
        assert set(shown) == set(body)
        assert set(shown["data"]) == set(body["data"])
        assert set(shown["data"].get("payment", ())) == set(body["data"].get("payment", ()))


def test_each_type_is_a_webhook_of_openapi() -> None:
    described = openapi_description()["webhooks"]
    assert set(described) == set(OutgoingType) == set(MESSAGES)
    for kind, item in described.items():
        schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert schema == ("OutgoingMoneyWebhook" if kind in MONEY else "OutgoingWebhook")
        assert [one["name"] for one in item["post"]["parameters"]] == [
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        ]
