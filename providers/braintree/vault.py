"""What the vault says of an invoice: whether its customer is there, and what a charge would take."""

from dataclasses import dataclass
from typing import Any

from core.errors import ProviderUnavailable
from core.payments import InvoiceView, PaymentMethod
from providers.braintree.api import BraintreeApi
from providers.braintree.client_objects import ID, attribute, list_attribute, text_attribute
from providers.braintree.invoices import Invoice
from providers.braintree.methods import vault_method


@dataclass(frozen=True)
class Vault:
    """What was read; `customer` is the client's own object, None where there is none or nobody knows whose it is."""

    customer_id: str | None = None
    customer: Any = None
    deleted: bool | None = None
    method: PaymentMethod | None = None
    defaults: tuple[str, ...] = ()
    is_complete: bool = False

    def apply_to(self, view: InvoiceView) -> InvoiceView:
        """The invoice with what the vault adds."""
        terms = view.terms.model_copy(update={"customer_deleted": self.deleted})
        added = {"methods_known": self.is_complete, "method": self.method, "default_methods": self.defaults}
        customer_id = view.customer_id or self.customer_id
        return view.model_copy(update={"terms": terms, "customer_id": customer_id, **added})


async def read_vault(api: BraintreeApi, invoice: Invoice, told: str | None = None) -> Vault:
    """One call, two where the customer doesn't know the method. Raises ProviderUnavailable.

    `told` is whose it is where no transaction says. Deleting a customer deletes what is stored for them
    (developer.paypal.com/braintree/docs/reference/request/customer/delete): only both together mean that.
    """
    customer_id, token = invoice.customer_id or told, invoice.method_token
    customer = await api.find_customer(customer_id) if customer_id else None
    methods = {method.method_id: (one, method) for one in _customer_methods(customer) if (method := vault_method(one))}
    found = methods.get(token or "") or await _find_by_token(api, token)
    method = found[1] if found else None
    if customer is None and found and (owner := text_attribute(found[0], "customer_id", ID)):
        customer_id, customer = owner, await api.find_customer(owner)
    gone = customer_id is not None and customer is None and method is None
    if token and customer is None and method is None and await _is_inconclusive(api, invoice, customer_id):
        return Vault(customer_id)
    chosen = [one.method_id for raw, one in methods.values() if attribute(raw, "default") is True]
    defaults = dict.fromkeys(([method.method_id] if method else []) + chosen)
    return Vault(customer_id, customer, gone if customer_id else None, method, tuple(defaults), is_complete=True)


async def _is_inconclusive(api: BraintreeApi, invoice: Invoice, customer_id: str | None) -> bool:
    """Whether nobody being found is no answer: then a charge will tell.

    A subscription that still bills says so, since deleting method or customer would have ended it
    (.../request/payment-method/delete), and so does a vault that can't be searched.
    """
    return invoice.has_live_subscription or customer_id is None or not await api.has_no_customer(customer_id)


async def read_vault_if_allowed(api: BraintreeApi, invoice: Invoice) -> Vault:
    """The same, or nothing: what an invoice is worth stays true where the vault can't be read."""
    try:
        return await read_vault(api, invoice)
    except ProviderUnavailable:
        return Vault()


def _customer_methods(customer: Any) -> list[Any]:
    return list_attribute(customer, "payment_methods")


async def _find_by_token(api: BraintreeApi, token: str | None) -> tuple[Any, PaymentMethod] | None:
    found = await api.find_method(token) if token else None
    method = vault_method(found)
    return (found, method) if method else None
