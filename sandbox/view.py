"""Documents as a caller sees them: in the shape of its API version, expanded as it asked."""

from typing import Any

from sandbox import shapes
from sandbox.errors import invalid
from sandbox.models import Document, Shape
from sandbox.params import integer
from sandbox.store import Store

KINDS = {
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
DEEPEST = 4


def default_intent(store: Store, invoice_id: str) -> Document | None:
    """The payment intent of the invoice's default payment."""
    for payment in store.find("invoice_payment", invoice=invoice_id):
        if payment["is_default"]:
            return store.get("payment_intent", payment["payment"]["payment_intent"])
    return None


def invoice_of(store: Store, intent_id: str | None) -> str | None:
    """The invoice that a payment intent pays."""
    found = store.find("invoice_payment", payment_intent=intent_id) if intent_id else []
    return str(found[0]["invoice"]) if found else None


class View:
    """Shows stored documents in one shape."""

    def __init__(self, store: Store, shape: Shape) -> None:
        self._store = store
        self._shape = shape

    def show(self, kind: str, document: Document, expand: Any = ()) -> Document:
        """One object, with the fields named by `expand` in place of their ids."""
        shown = self._shaped(kind, document)
        self._expand(shown, _tree(expand))
        return shown

    def page(self, kind: str, found: list[Document], url: str, params: Document) -> Document:
        """A list object: `limit`, `starting_after` and `ending_before` applied, `data.*` expanded."""
        window, more = _window(found, params)
        data = [self._shaped(kind, document) for document in window]
        listed = {"object": "list", "data": data, "has_more": more, "url": url}
        self._expand(listed, _tree(params.get("expand", ())))
        return listed

    def _shaped(self, kind: str, document: Document) -> Document:
        if kind == "invoice":
            return dict(shapes.invoice(document, self._shape, default_intent(self._store, document["id"])))
        if kind == "payment_intent":
            paid = invoice_of(self._store, document["id"])
            return dict(shapes.with_invoice(document, self._shape, paid))
        if kind == "charge":
            paid = invoice_of(self._store, document["payment_intent"])
            return dict(shapes.with_invoice(document, self._shape, paid))
        return dict(document)

    def _expand(self, shown: Document, tree: Document) -> None:
        for name, below in tree.items():
            self._include(shown, name)
            if not _expandable(shown, name):
                raise invalid(f"This property cannot be expanded ({name}).", param="expand")
            shown[name] = self._expanded(name, shown[name], below)

    def _include(self, shown: Document, name: str) -> None:
        """Two fields of an invoice exist only when asked for."""
        if shown.get("object") != "invoice" or self._shape is Shape.LEGACY:
            return
        if name == "payments":
            found = self._store.find("invoice_payment", invoice=shown["id"])
            shown["payments"] = self.page("invoice_payment", found, "/v1/invoice_payments", {})
        if name == "confirmation_secret":
            shown[name] = shapes.confirmation_secret(default_intent(self._store, shown["id"]))

    def _expanded(self, name: str, value: Any, below: Document) -> Any:
        if isinstance(value, str):
            document = self._store.get(KINDS.get(name, ""), value)
            if document is None:
                raise invalid(f"This property cannot be expanded ({name}).", param="expand")
            value = self._shaped(KINDS[name], document)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                self._expand(item, below)
        return value


def _expandable(shown: Document, name: str) -> bool:
    """An id of a known kind, what may hold one, or nothing: a path is judged by types, not by what is there."""
    return name in shown and (name in KINDS or shown[name] is None or isinstance(shown[name], dict | list))


def _tree(expand: Any) -> Document:
    if isinstance(expand, str):
        raise invalid("Invalid array", param="expand")
    tree: Document = {}
    for path in expand:
        parts = path.split(".")
        if len(parts) > DEEPEST:
            raise invalid(f"You cannot expand more than {DEEPEST} levels of a property.", param="expand")
        branch = tree
        for part in parts:
            branch = branch.setdefault(part, {})
    return tree


def _window(found: list[Document], params: Document) -> tuple[list[Document], bool]:
    limit = integer(params, "limit", 10)
    if not 1 <= limit <= 100:
        raise invalid("This value must be between 1 and 100.", param="limit")
    names = [document["id"] for document in found]
    if (after := params.get("starting_after")) in names:
        found = found[names.index(after) + 1 :]
    if (before := params.get("ending_before")) in names:
        older = found[: names.index(before)]
        return older[-limit:], len(older) > limit
    return found[:limit], len(found) > limit
