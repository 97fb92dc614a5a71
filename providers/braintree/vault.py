"""What the vault holds for an invoice: whether its customer still exists, and which method a charge would take."""

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
    """What was read. `customer` is the client's own object, None if there is none or its id isn't known.

    `is_complete`: whether the methods were read; where not, nothing is known about them.
    """

    customer_id: str | None = None
    customer: Any = None
    deleted: bool | None = None
    method: PaymentMethod | None = None
    defaults: tuple[str, ...] = ()
    is_complete: bool = False

    def apply_to(self, view: InvoiceView) -> InvoiceView:
        """The invoice with stored methods, customer id and whether the customer was deleted."""
        terms = view.terms.model_copy(update={"customer_deleted": self.deleted})
        added = {"methods_known": self.is_complete, "method": self.method, "default_methods": self.defaults}
        customer_id = view.customer_id or self.customer_id
        return view.model_copy(update={"terms": terms, "customer_id": customer_id, **added})


async def read_vault(api: BraintreeApi, invoice: Invoice, told: str | None = None) -> Vault:
    """Customer and methods of an invoice, in one to three calls. Raises ProviderUnavailable, and NotAllowed.

    `told` is the customer's id if no transaction names it. A customer counts as deleted only if the method is gone too:
    deleting one deletes the other (developer.paypal.com/braintree/docs/reference/request/customer/delete).
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
    """Whether finding neither customer nor method proves nothing, so that only a charge can tell.

    So it is if the subscription still bills, which deleting the method or customer would have ended
    (.../request/payment-method/delete), or if a search doesn't confirm that the customer is missing.
    """
    return invoice.has_live_subscription or customer_id is None or not await api.has_no_customer(customer_id)


async def read_vault_if_allowed(api: BraintreeApi, invoice: Invoice) -> Vault:
    """The vault, empty if it can't be read: the invoice itself is worth having without it."""
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
