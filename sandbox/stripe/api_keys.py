"""API keys: which ones are taken, which were revoked, and what a restricted one lacks.

Sources: docs.stripe.com/keys, docs.stripe.com/error-codes (`api_key_expired`, `more_permissions_required`). The words
of the 403 are those that people report of restricted keys; the names of permissions follow `customer_read`,
`charge_read`, `checkout_session_read`, `plan_read`, `coupon_write`: the object's name, and what is done with it.
"""

from collections.abc import Iterator

from sandbox.models import Document
from sandbox.store import Store
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeError
from sandbox.stripe.models import KeyRights

PERMISSION_LABELS = {
    "charge": "Charges and Refunds",
    "payment_method": "Payment Methods",
    "payment_intent": "Payment Intents",
}
PATH_KINDS = {
    "charges": "charge",
    "customers": "customer",
    "credit_notes": "credit_note",
    "disputes": "dispute",
    "events": "event",
    "invoice_payments": "invoice",
    "invoices": "invoice",
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "radar": "early_fraud_warning",
    "subscriptions": "subscription",
    "test_helpers": "test_clock",
}
EXPANDED_KINDS = {
    "charge": "charge",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "default_source": "payment_method",
    "latest_charge": "charge",
    "latest_invoice": "invoice",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "subscription": "subscription",
}


def authenticate_call(store: Store, call: StripeCall) -> None:
    """401 or 403 where the key may not make this call."""
    scheme, _, token = call.authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.startswith(("sk_test_", "rk_test_")):
        message = "Invalid API Key provided: the sandbox takes keys that start with sk_test_ or rk_test_."
        raise StripeError(401, type="invalid_request_error", message=message)
    rights = KeyRights.model_validate(_without_id(store.get("key", token)))
    if rights.revoked:
        message = f"Expired API Key provided: {_mask_key(token)}"
        raise StripeError(401, type="invalid_request_error", code="api_key_expired", message=message)
    for permission in _needed_permissions(call):
        if permission in rights.lacks:
            raise _permission_error(token, permission, call.account)


def store_key_rights(store: Store, key: str, rights: KeyRights) -> Document:
    """What this key may do from now on."""
    return _without_id(store.put("key", {"id": key, **rights.model_dump(mode="json")}))


def _needed_permissions(call: StripeCall) -> Iterator[str]:
    part = call.path.removeprefix("/v1/").partition("/")[0]
    yield f"{PATH_KINDS.get(part, part)}_{'read' if call.method == 'GET' else 'write'}"
    for wanted in call.params.get("expand", ()):
        for name in str(wanted).split("."):
            if name in EXPANDED_KINDS:
                yield f"{EXPANDED_KINDS[name]}_read"


def _permission_error(token: str, permission: str, account: str | None) -> StripeError:
    name, _, verb = permission.rpartition("_")
    whose = account or "acct_1Sandbox"
    label = f"{PERMISSION_LABELS.get(name, name.replace('_', ' ').title() + 's')} {verb.title()}"
    message = (
        f"Permission denied. The provided key '{_mask_key(token)}' does not have the required permissions for this"
        f" endpoint on account '{whose}'. Enabling {label} ('{permission}') permissions on this key would"
        " allow this request to continue."
    )
    return StripeError(403, type="invalid_request_error", code="more_permissions_required", message=message)


def _mask_key(token: str) -> str:
    return f"{token[:8]}{'*' * 8}{token[-4:]}"


def _without_id(document: Document | None) -> Document:
    return {name: value for name, value in (document or {}).items() if name != "id"}
