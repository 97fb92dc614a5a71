"""The webhook side of Braintree: verifies a form with a signature and a base64 payload of XML, and normalises it.

Source: the official client's webhook_notification_gateway.py.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError

from braintree import BraintreeGateway as BraintreeClient
from braintree import Configuration, Environment
from braintree.util.crypto import Crypto
from braintree.util.xml_util import XmlUtil

from core.errors import InvalidInput, InvalidSignature
from core.payments import EventKind, ProviderEvent
from providers.braintree.client_objects import to_utc
from providers.braintree.config import BraintreeConfig
from providers.braintree.events import interpret_notification
from providers.braintree.notification import Notification
from providers.fields import Fields, InvalidField

NAME: Final = "braintree"
_BASE64: Final = re.compile(r"[A-Za-z0-9+=/\n]+")
_CHALLENGE: Final = re.compile(r"[a-f0-9]{20,32}")
_SUBJECT_IDS: Final = ("subscription", "transaction", "dispute")


class BraintreeWebhooks:
    """Webhooks of one merchant, verified with one API key pair."""

    def __init__(self, config: BraintreeConfig) -> None:
        self._config = config
        keys = (config.merchant_id or "any", config.public_key, config.private_key)
        self._client = BraintreeClient(Configuration(Environment.Sandbox, *keys))

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:  # noqa: ARG002
        """Returns if the payload is signed with our key pair; Braintree signs no time. Raises InvalidSignature.

        `bt_signature` holds one `public_key|signature` for each key pair of the merchant; ours must be among them.
        """
        try:
            signature, payload = _parse_form(body)
        except InvalidInput as unfit:
            raise InvalidSignature(str(unfit)) from None
        pairs = [pair.split("|") for pair in signature.split("&") if pair.count("|") == 1]
        ours = [signed for public_key, signed in pairs if public_key == self._config.public_key]
        if not ours:
            raise InvalidSignature("bt_signature holds nothing signed with the public key that we know.")
        # Computed once: a form may hold any number of signatures, and each would read the whole payload again.
        expected = self._expected_signatures(payload)
        if not any(Crypto.secure_compare(one, signed) for one in expected for signed in ours):
            raise InvalidSignature("bt_payload is not what was signed: it was changed, or the private key is another.")

    def _expected_signatures(self, payload: str) -> tuple[str, str]:
        """The signature of the payload, and of the payload with the line break at its end that some frameworks strip.

        Braintree's client tries both as well.
        """
        key = self._config.private_key
        return Crypto.sha1_hmac_hash(key, payload), Crypto.sha1_hmac_hash(key, payload + "\n")

    def answer_challenge(self, query: Mapping[str, str]) -> str:
        """The answer to `bt_challenge`: public key and signed challenge. Raises InvalidInput for any other form.

        Source: the official client, which signs 20 to 32 hexadecimal digits and nothing else.
        """
        challenge = query.get("bt_challenge", "")
        if not _CHALLENGE.fullmatch(challenge):
            raise InvalidInput("bt_challenge must be 20 to 32 hexadecimal digits, in lower case.")
        return str(self._client.webhook_notification.verify(challenge))

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """The one event in the body; one that can't be used has the kind OTHER and a detail that says why.

        Raises InvalidInput if the body isn't a webhook of Braintree's, or has no kind or time.
        """
        xml = _decode_payload(_parse_form(body)[1])
        try:
            notice = _parse_notification(xml)
        except InvalidField as unfit:
            return (_event_without_subject(xml, f"unfit: {unfit.field}"),)
        names = {"provider": NAME, "event_type": notice.kind, "occurred_at": notice.at}
        names["event_id"] = f"{notice.kind}:{_subject_id(notice, xml)}:{int(notice.at.timestamp())}"
        try:
            told = interpret_notification(notice)
        except InvalidField as unfit:
            told = {"kind": EventKind.OTHER, "detail": f"unfit: {unfit.field}"[:200]}
        whom = {"customer_id": _find_customer(notice.subject.raw)} if told["kind"] is EventKind.OTHER else {}
        return (ProviderEvent.model_validate(names | whom | told),)


def _parse_form(body: bytes) -> tuple[str, str]:
    """bt_signature (may be empty) and bt_payload. Raises InvalidInput."""
    try:
        form = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        raise InvalidInput("The body is not a form.") from None
    payload = form.get("bt_payload", [""])[0]
    if not _BASE64.fullmatch(payload):
        raise InvalidInput("This is not a Braintree webhook: the form has no bt_payload of base64.")
    signature = form.get("bt_signature", [""])[0]
    return (signature if signature.isascii() else ""), payload


def _decode_payload(payload: str) -> bytes:
    try:
        return base64.b64decode(payload.replace("\n", ""), validate=True)
    except binascii.Error:
        raise InvalidInput("bt_payload is not base64.") from None


def _parse_notification(xml: bytes) -> Notification:
    """The notification. Raises InvalidInput without a kind or a time, InvalidField for a value of another type."""
    # No notification declares entities; refusing them keeps the parser from expanding a malicious payload.
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise InvalidInput("bt_payload holds a document type, as no notification does.")
    try:
        tree: Any = XmlUtil.dict_from_xml(xml)
    except (ExpatError, UnicodeDecodeError):
        raise InvalidInput("bt_payload is not a notification in XML.") from None
    except Exception:
        # The client fails as a whole for one number or time that isn't what its type says. Such a webhook is stored
        # and shown: refused, a failed payment would be lost.
        raise InvalidField("notification") from None
    try:
        found: Any = tree["notification"]
        told = Fields(found, "notification.")
        kind, at = told.code("kind"), to_utc(found["timestamp"])
        subject = found.get("subject")
    except Exception:
        raise InvalidInput("bt_payload is not a notification in XML.") from None
    if not kind or at is None:
        raise InvalidInput("This is not a Braintree notification: it has no kind or no timestamp.")
    held = subject if isinstance(subject, dict) else {}
    error = held.get("api_error_response")
    return Notification(kind, at, Fields(error if isinstance(error, dict) else held, "subject."))


def _event_without_subject(xml: bytes, detail: str) -> ProviderEvent:
    """The event of a notification of which only kind and time can be read. Raises InvalidInput if they can't."""
    root = ElementTree.fromstring(xml)
    kind, told = root.findtext("kind", ""), root.findtext("timestamp", "")
    try:
        at = to_utc(datetime.fromisoformat(told))
    except ValueError:
        at = None
    if not Fields({"kind": kind}, lenient=True).code("kind") or at is None:
        raise InvalidInput("This is not a Braintree notification: it has no kind or no timestamp.")
    event_id = f"{kind}:{hashlib.sha256(xml).hexdigest()[:32]}:{int(at.timestamp())}"
    names = {"provider": NAME, "event_id": event_id, "event_type": kind}
    return ProviderEvent(**names, kind=EventKind.OTHER, occurred_at=at, detail=detail)


def _subject_id(notice: Notification, xml: bytes) -> str:
    """The id of the notification's subject, else a hash of its XML.

    Braintree gives notifications no id: kind, subject and second identify one, and a repeat has the same.
    """
    for name in _SUBJECT_IDS:
        part = notice.subject.raw.get(name)
        found = Fields(part, lenient=True).id("id") if isinstance(part, dict) else None
        if found:
            return f"{found}:{_newest_transaction_id(part)}" if name == "subscription" else found
    return hashlib.sha256(xml).hexdigest()[:32]


def _find_customer(subject: Mapping[str, Any]) -> str | None:
    """Whom a notification without effect is about, so that it can be erased with them; None where it names nobody."""
    parts = [Fields(part, lenient=True) for part in subject.values() if isinstance(part, Mapping)]
    tries = [one for part in parts for one in part.items("transactions")[:1]]
    return next((found for one in (*parts, *tries) if (found := _customer_id(one))), None)


def _customer_id(part: Fields) -> str | None:
    return part.child("customer").id("id") or part.id("customer_id")


def _newest_transaction_id(subscription: Any) -> str:
    """The id of a subscription's newest transaction, or `-`: two charges of one subscription may fail in one second."""
    listed = Fields(subscription, lenient=True).items("transactions")
    return (listed[0].id("id") if listed else None) or "-"
