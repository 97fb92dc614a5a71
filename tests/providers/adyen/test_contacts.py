"""Customer contacts in Adyen's webhooks."""

from typing import Any

import pytest

from core.errors import InvalidInput
from core.messages.recipients import Contact, ContactUpdate
from providers.adyen.config import AdyenConfig
from providers.adyen.webhook import AdyenWebhooks
from providers.base import ExtractsContacts, ReadsContacts
from sandbox.adyen import payments, webhooks
from sandbox.adyen.models import FailedPayment
from tests.providers.contract.adyen_subject import KEYS, THEN, a_payment
from tests.providers.contract.subject import Key
from tests.providers.contract.subjects import ADYEN

WEBHOOKS = AdyenWebhooks(AdyenConfig("AQE", webhooks.DEFAULT_MERCHANT_ACCOUNT, (KEYS[Key.NEWEST],)))
JENNY = {"shopperEmail": "jenny@example.com"}


def an_item(code: str = "AUTHORISATION", success: bool = False, invoice: str = "inv_1", **more: Any) -> dict[str, Any]:
    additional = more.pop("additional", {})
    return webhooks.build_item(
        a_payment(invoice, **{"person": {}} | more), code, success, THEN, reason="Refused", additional=additional
    )


def contacts_in(*items: dict[str, Any], live: bool = False) -> tuple[ContactUpdate, ...]:
    return WEBHOOKS.extract_contacts(webhooks.webhook_body(list(items), live=live))


def test_contact_in_the_sandboxs_webhook() -> None:
    spec = FailedPayment(
        email="kim@example.com", name="Kim", phone="+4930555010", locale="de_DE", shopper_country="DE", invoice_id="i"
    )
    payment = payments.payment_from_spec(spec)
    (contact,) = contacts_in(webhooks.build_item(payment, "AUTHORISATION", False, THEN, reason="Refused"))
    assert (contact.customer_id, contact.invoice_id) == (payment["shopper"], "i")
    assert contact.contact == Contact(
        email="kim@example.com", name="Kim", phone="+4930555010", language="de_DE", country="DE"
    )
    assert "kim" not in repr(contact).lower()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"shopperName": "[first name=Kim, infix=van, last name=Dam, gender=null]"}, "Kim Dam"),
        ({"shopperName": "[first name=null, infix=null, last name=Dam, gender=MALE]"}, "Dam"),
        ({"shopperName": "[first name=null, infix=null, last name=null]", "cardHolderName": "K. Dam"}, "K. Dam"),
        ({"shopperName": "[nobody knows]", "cardHolderName": "K. Dam"}, "K. Dam"),
        ({"shopperName": "Kim Dam"}, "Kim Dam"),
        ({"cardHolderName": "K. Dam"}, "K. Dam"),
        ({"cardHolderName": ""}, None),
        ({"cardHolderName": 7}, None),
        ({"cardHolderName": "x" * 321}, None),
    ],
)
def test_shopper_name_in_every_notation(fields: dict[str, Any], name: str | None) -> None:
    (contact,) = contacts_in(an_item(additional=JENNY | fields))
    assert contact.contact.name == name


@pytest.mark.parametrize(
    "item",
    [
        an_item("AUTHORISATION", True, additional=JENNY),
        an_item("CAPTURE", True, additional=JENNY),
        an_item("NOTIFICATION_OF_FRAUD", True, additional=JENNY),
        an_item("CAPTURE_FAILED", True, additional=JENNY),
        an_item(account="SomebodyElses", additional=JENNY) | {"merchantAccountCode": "SomebodyElses"},
        an_item(amount=0, additional=JENNY),
        an_item(),
        an_item() | {"additionalData": None},
        an_item() | {"additionalData": JENNY},
    ],
    ids=["paid", "captured", "warned", "not captured", "foreign", "a check", "nothing said", "no data", "no shopper"],
)
def test_contacts_are_taken_only_from_refused_payments(item: dict[str, Any]) -> None:
    assert contacts_in(item) == ()


def test_contacts_are_taken_from_a_failed_rescue() -> None:
    assert (
        len(contacts_in(an_item("AUTORESCUE", False, additional=JENNY | {"shopperReference": "shopper_contract"}))) == 1
    )


def test_each_batch_item_has_its_own_contact() -> None:
    contacts = contacts_in(an_item(additional=JENNY), an_item(invoice="inv_2", additional={"shopperTelephone": "+1"}))
    assert [(contact.invoice_id, contact.contact.email, contact.contact.phone) for contact in contacts] == [
        ("inv_1", "jenny@example.com", None),
        ("inv_2", None, "+1"),
    ]


def test_event_holds_no_personal_data() -> None:
    events = WEBHOOKS.normalise(webhooks.webhook_body([an_item(additional=JENNY | {"cardHolderName": "Jenny Rosen"})]))
    assert "jenny" not in events[0].model_dump_json().lower()


def test_invalid_webhook_has_no_contacts() -> None:
    assert WEBHOOKS.extract_contacts(b'{"eventId": "e", "type": "recurring.token.created"}') == ()
    with pytest.raises(InvalidInput):
        WEBHOOKS.extract_contacts(b"{")


def test_contacts_come_from_webhooks_only() -> None:
    assert isinstance(WEBHOOKS, ExtractsContacts)
    assert not isinstance(ADYEN.provider().create_gateway(), ReadsContacts)
