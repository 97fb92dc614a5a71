"""Webhooks of the fake Braintree: a notification in XML, base64, signed, in a form."""

import base64
import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

from sandbox.braintree import transactions, xml_trees
from sandbox.braintree.models import FailedPayment
from sandbox.braintree.xml import dump_document
from sandbox.models import Document
from sandbox.world import SandboxWorld

KIND_ELEMENT = re.compile(rb"<kind>([^<]*)</kind>")
ID_ELEMENT = re.compile(rb"<id>([^<]*)</id>")


def notification_xml(kind: str, at: int, subject: Document) -> bytes:
    """The XML of one notification."""
    tree = {"kind": kind, "timestamp": datetime.fromtimestamp(at, UTC), "subject": subject}
    return dump_document("notification", tree).encode()


def notification_subject(world: SandboxWorld, kind: str, one: Document) -> Document:
    """What a notification of this kind about this transaction holds."""
    if kind.startswith("dispute_"):
        return {"dispute": xml_trees.dispute_tree(one, **one["dispute"])}
    if kind == "check":
        return {"check": True}
    found = world.store.get("bt_subscription", one["subscription"])
    if kind.startswith("subscription_") and found:
        listed = [
            one,
            *(each for each in transactions.transactions_of_invoice(world, one["invoice"]) if each["id"] != one["id"]),
        ]
        return {"subscription": xml_trees.subscription_tree(found, listed)}
    return {"transaction": xml_trees.webhook_transaction_tree(one)}


def record_notification(world: SandboxWorld, kind: str, one: Document) -> Document:
    """A notification that may be sent now, later, or again."""
    at = world.clock.now()
    xml = notification_xml(kind, at, notification_subject(world, kind, one))
    name = f"{kind}:{one['id']}:{at}"
    event = {"id": name, "invoice": one["invoice"], "kind": kind, "xml": xml.decode()}
    return world.store.put("bt_event", event)


def event_body(event: Document) -> bytes:
    """A recorded notification as it is signed."""
    return str(event["xml"]).encode()


def sign_braintree_webhook(payload: bytes, secret: str, _: int) -> tuple[bytes, dict[str, str]]:
    """A form with payload and signature; `secret` is `PUBLIC_KEY|PRIVATE_KEY`, several joined by `&`."""
    encoded = base64.encodebytes(payload).decode()
    pairs = "&".join(sign_with_key_pair(pair, encoded) for pair in secret.split("&"))
    form = urlencode({"bt_signature": pairs, "bt_payload": encoded})
    return form.encode(), {"Content-Type": "application/x-www-form-urlencoded"}


def sign_with_key_pair(pair: str, payload: str) -> str:
    """`PUBLIC_KEY|SIGNATURE` of a payload, for `PUBLIC_KEY|PRIVATE_KEY`."""
    public_key, _, private_key = pair.partition("|")
    key = hashlib.sha1(private_key.encode()).digest()
    return f"{public_key}|{hmac.new(key, payload.encode(), hashlib.sha1).hexdigest()}"


def describe_braintree_webhook(payload: bytes) -> dict[str, str]:
    """What a notification is about."""
    kind, about = KIND_ELEMENT.search(payload), ID_ELEMENT.search(payload)
    return {"event": about[1].decode() if about else "", "type": kind[1].decode() if kind else ""}


def sample_braintree_webhook(
    spec: FailedPayment, secret: str, now: int | None = None
) -> tuple[str, bytes, dict[str, str]]:
    """The invoice, and body and headers of its webhook; `secret` is `PUBLIC_KEY|PRIVATE_KEY`."""
    at = int(time.time()) if now is None else now
    made = transactions.build_failed_transaction(spec, at)
    one = made["transaction"]
    if "subscription" in made:
        kind, subject = "subscription_charged_unsuccessfully", xml_trees.subscription_tree(made["subscription"], [one])
        xml = notification_xml(kind, at, {"subscription": subject})
    else:
        xml = notification_xml("transaction_retried", at, {"transaction": xml_trees.webhook_transaction_tree(one)})
    body, headers = sign_braintree_webhook(xml, secret, 0)
    return one["invoice"], body, headers
