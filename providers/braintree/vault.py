"""What the vault says of an invoice: whether its customer is there, and what a charge would take."""

from dataclasses import dataclass
from typing import Any

from core.errors import ProviderUnavailable
from core.payments import InvoiceView, PaymentMethod
from providers.braintree.api import BraintreeApi
from providers.braintree.invoices import Invoice
from providers.braintree.methods import stored
from providers.braintree.reading import ID, listed, part, text


@dataclass(frozen=True)
class Vault:
    """What was read; `customer` is the client's own object, None where there is none or nobody knows whose it is."""

    customer_id: str | None = None
    customer: Any = None
    deleted: bool | None = None
    method: PaymentMethod | None = None
    defaults: tuple[str, ...] = ()
    known: bool = False

    def on(self, view: InvoiceView) -> InvoiceView:
        """The invoice with what the vault adds."""
        terms = view.terms.model_copy(update={"customer_deleted": self.deleted})
        added = {"methods_known": self.known, "method": self.method, "default_methods": self.defaults}
        customer_id = view.customer_id or self.customer_id
        return view.model_copy(update={"terms": terms, "customer_id": customer_id, **added})


async def look(api: BraintreeApi, invoice: Invoice, told: str | None = None) -> Vault:
    """One call, two where the customer doesn't know the method. Raises ProviderUnavailable.

    `told` is whose it is where no transaction says. Deleting a customer deletes what is stored for them
    (developer.paypal.com/braintree/docs/reference/request/customer/delete): only both together mean that.
    """
    customer_id, token = invoice.customer_id or told, invoice.token
    customer = await api.customer(customer_id) if customer_id else None
    methods = {method.method_id: (one, method) for one in _methods(customer) if (method := stored(one))}
    found = methods.get(token or "") or await _by_token(api, token)
    method = found[1] if found else None
    if customer is None and found and (owner := text(found[0], "customer_id", ID)):
        customer_id, customer = owner, await api.customer(owner)
    gone = customer_id is not None and customer is None and method is None
    if token and customer is None and method is None and await _is_silent(api, invoice, customer_id):
        return Vault(customer_id)
    chosen = [one.method_id for raw, one in methods.values() if part(raw, "default") is True]
    defaults = dict.fromkeys(([method.method_id] if method else []) + chosen)
    return Vault(customer_id, customer, gone if customer_id else None, method, tuple(defaults), known=True)


async def _is_silent(api: BraintreeApi, invoice: Invoice, customer_id: str | None) -> bool:
    """Whether nobody being found is no answer: then a charge will tell.

    A subscription that still bills says so, since deleting method or customer would have ended it
    (.../request/payment-method/delete), and so does a vault that can't be searched.
    """
    return invoice.lives or customer_id is None or not await api.has_no_customer(customer_id)


async def look_if_allowed(api: BraintreeApi, invoice: Invoice) -> Vault:
    """The same, or nothing: what an invoice is worth stays true where the vault can't be read."""
    try:
        return await look(api, invoice)
    except ProviderUnavailable:
        return Vault()


def _methods(customer: Any) -> list[Any]:
    return listed(customer, "payment_methods")


async def _by_token(api: BraintreeApi, token: str | None) -> tuple[Any, PaymentMethod] | None:
    found = await api.method(token) if token else None
    method = stored(found)
    return (found, method) if method else None
