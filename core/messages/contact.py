"""Whom to write to, and where they can pay. Never in workflow history, search attributes, the event log or logs."""

from core.base import Value
from core.payments import InvoiceView


class Contact(Value):
    """What the provider knows of a customer as a person. Every field may be missing."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None
    language: str | None = None
    """As the provider spells it, e.g. `de` or `pt-BR`."""
    country: str | None = None
    """ISO 3166, upper case."""
    time_zone: str | None = None
    link: str | None = None
    """The provider's own page for the invoice in question, where it can be paid."""

    def __repr__(self) -> str:
        """Nothing personal, wherever it is printed by accident."""
        return "Contact(…)"

    __str__ = __repr__


class ContactUpdate(Value):
    """Whom a webhook says to write to about an invoice."""

    customer_id: str
    invoice_id: str
    contact: Contact


class MessageRecipient(Value):
    """What is read before a message: whether there is still something to pay, and whom to write to."""

    invoice: InvoiceView
    contact: Contact | None = None
