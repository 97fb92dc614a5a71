"""Documents as a caller sees them: in the shape of its API version, expanded as it asked."""

from typing import Any

from sandbox.models import Document, Shape
from sandbox.store import Store
from sandbox.stripe.errors import invalid_request
from sandbox.stripe.params import read_integer

FIELDS_GONE_IN_LEGACY = (
    "amount_overpaid",
    "amount_paid_off_stripe",
    "confirmation_secret",
    "customer_account",
    "parent",
    "payments",
    "total_taxes",
)


def shape_invoice(document: Document, shape: Shape, intent: Document | None) -> Document:
    """An invoice in the wanted shape; `intent` is the payment intent of its default payment."""
    if shape is Shape.BASIL:
        return document
    kept = {name: value for name, value in document.items() if name not in FIELDS_GONE_IN_LEGACY}
    details = (document.get("parent") or {}).get("subscription_details") or {}
    return kept | {
        "charge": intent["latest_charge"] if intent else None,
        "payment_intent": intent["id"] if intent else None,
        "paid": document["status"] == "paid",
        "paid_out_of_band": document["amount_paid_off_stripe"] > 0,
        "quote": None,
        "subscription": details.get("subscription"),
        "subscription_details": {"metadata": details.get("metadata")},
        "tax": None,
        "total_tax_amounts": [],
    }


def shape_payment(document: Document, shape: Shape, invoice_id: str | None) -> Document:
    """A payment intent or charge; the older API names its invoice, the newer one doesn't."""
    if shape is Shape.BASIL:
        return document
    kept = {name: value for name, value in document.items() if name != "customer_account"}
    return kept | {"invoice": invoice_id}


def confirmation_secret(intent: Document | None) -> Document | None:
    """What the newer API gives for 3-D Secure in place of the payment intent's secret."""
    return {"client_secret": intent["client_secret"], "type": "payment_intent"} if intent else None


EXPANDABLE_KINDS = {
    "charge": "charge",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "default_source": "payment_method",
    "dispute": "dispute",
    "invoice": "invoice",
    "latest_charge": "charge",
    "latest_invoice": "invoice",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "subscription": "subscription",
    "test_clock": "test_clock",
}
"""Which kind of object an expandable field points to."""
MAX_EXPAND_DEPTH = 4


def default_intent(store: Store, invoice_id: str) -> Document | None:
    """The payment intent of the invoice's default payment."""
    for payment in store.find("invoice_payment", invoice=invoice_id):
        if payment["is_default"]:
            return store.get("payment_intent", payment["payment"]["payment_intent"])
    return None


def invoice_of_intent(store: Store, intent_id: str | None) -> str | None:
    """The invoice that a payment intent pays."""
    found = store.find("invoice_payment", payment_intent=intent_id) if intent_id else []
    return str(found[0]["invoice"]) if found else None


class DocumentView:
    """Shows stored documents in one shape."""

    def __init__(self, store: Store, shape: Shape) -> None:
        self._store = store
        self._shape = shape

    def show(self, kind: str, document: Document, expand: Any = ()) -> Document:
        """One object, with the fields named by `expand` in place of their ids."""
        shown = self._shape_document(kind, document)
        self._expand_fields(shown, _parse_expand(expand))
        return shown

    def list_page(self, kind: str, found: list[Document], url: str, params: Document) -> Document:
        """A list object: `limit`, `starting_after` and `ending_before` applied, `data.*` expanded."""
        window, more = _page_window(found, params)
        data = [self._shape_document(kind, document) for document in window]
        listed = {"object": "list", "data": data, "has_more": more, "url": url}
        self._expand_fields(listed, _parse_expand(params.get("expand", ())))
        return listed

    def _shape_document(self, kind: str, document: Document) -> Document:
        if kind == "invoice":
            return dict(shape_invoice(document, self._shape, default_intent(self._store, document["id"])))
        if kind == "payment_intent":
            paid = invoice_of_intent(self._store, document["id"])
            return dict(shape_payment(document, self._shape, paid))
        if kind == "charge":
            paid = invoice_of_intent(self._store, document["payment_intent"])
            return dict(shape_payment(document, self._shape, paid))
        return dict(document)

    def _expand_fields(self, shown: Document, tree: Document) -> None:
        for name, below in tree.items():
            self._include_optional(shown, name)
            if not _is_expandable(shown, name):
                raise invalid_request(f"This property cannot be expanded ({name}).", param="expand")
            shown[name] = self._expand_value(name, shown[name], below)

    def _include_optional(self, shown: Document, name: str) -> None:
        """Two fields of an invoice exist only when asked for."""
        if shown.get("object") != "invoice" or self._shape is Shape.LEGACY:
            return
        if name == "payments":
            found = self._store.find("invoice_payment", invoice=shown["id"])
            shown["payments"] = self.list_page("invoice_payment", found, "/v1/invoice_payments", {})
        if name == "confirmation_secret":
            shown[name] = confirmation_secret(default_intent(self._store, shown["id"]))

    def _expand_value(self, name: str, value: Any, below: Document) -> Any:
        if isinstance(value, str):
            document = self._store.get(EXPANDABLE_KINDS.get(name, ""), value)
            if document is None:
                raise invalid_request(f"This property cannot be expanded ({name}).", param="expand")
            value = self._shape_document(EXPANDABLE_KINDS[name], document)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                self._expand_fields(item, below)
        return value


def _is_expandable(shown: Document, name: str) -> bool:
    """An id of a known kind, what may hold one, or nothing: a path is judged by types, not by what is there."""
    return name in shown and (name in EXPANDABLE_KINDS or shown[name] is None or isinstance(shown[name], dict | list))


def _parse_expand(expand: Any) -> Document:
    if isinstance(expand, str):
        raise invalid_request("Invalid array", param="expand")
    tree: Document = {}
    for path in expand:
        parts = path.split(".")
        if len(parts) > MAX_EXPAND_DEPTH:
            raise invalid_request(
                f"You cannot expand more than {MAX_EXPAND_DEPTH} levels of a property.", param="expand"
            )
        branch = tree
        for part in parts:
            branch = branch.setdefault(part, {})
    return tree


def _page_window(found: list[Document], params: Document) -> tuple[list[Document], bool]:
    limit = read_integer(params, "limit", 10)
    if not 1 <= limit <= 100:
        raise invalid_request("This value must be between 1 and 100.", param="limit")
    names = [document["id"] for document in found]
    if (after := params.get("starting_after")) in names:
        found = found[names.index(after) + 1 :]
    if (before := params.get("ending_before")) in names:
        older = found[: names.index(before)]
        return older[-limit:], len(older) > limit
    return found[:limit], len(found) > limit
