"""The table of the fake API's endpoints: what exists, which parameters each one takes."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox import clocks_api, pay, resources, subscriptions, updates
from sandbox.call import Answer, Call
from sandbox.errors import invalid
from sandbox.world import World

PAGE = ("limit", "starting_after", "ending_before", "expand", "created")
LISTS = {
    "/v1/customers": ("customer", ("email",)),
    "/v1/invoices": ("invoice", ("customer", "status", "subscription", "collection_method")),
    "/v1/invoice_payments": ("invoice_payment", ("invoice", "payment", "status")),
    "/v1/payment_intents": ("payment_intent", ("customer",)),
    "/v1/charges": ("charge", ("customer", "payment_intent")),
    "/v1/payment_methods": ("payment_method", ("customer", "type")),
    "/v1/events": ("event", ("type", "types", "delivery_success")),
    "/v1/radar/early_fraud_warnings": ("early_fraud_warning", ("charge", "payment_intent")),
    "/v1/disputes": ("dispute", ("charge", "payment_intent")),
    "/v1/subscriptions": ("subscription", ("customer", "status", "test_clock")),
    "/v1/credit_notes": ("credit_note", ("customer", "invoice")),
    "/v1/refunds": ("refund", ("charge", "payment_intent")),
    "/v1/test_helpers/test_clocks": ("test_clock", ()),
}


@dataclass(frozen=True)
class Endpoint:
    """One method and path; `prepare` may wait, `run` may not (it is one transaction)."""

    method: str
    pattern: re.Pattern[str]
    params: frozenset[str]
    run: Callable[[World, Call], Answer]
    prepare: Callable[[World, Call], Awaitable[None]] | None = None
    exclusive: bool = False


def _endpoint(method: str, path: str, run: Callable[[World, Call], Answer], *params: str) -> Endpoint:
    pattern = re.compile(re.sub(r"\{id\}", "([^/]+)", path))
    return Endpoint(method, pattern, frozenset(("expand", *params)), run)


def _reads() -> list[Endpoint]:
    found = []
    for path, (kind, filters) in LISTS.items():
        found.append(_endpoint("GET", path, resources.lister(kind, path), *PAGE, *filters))
        found.append(_endpoint("GET", f"{path}/{{id}}", resources.reader(kind)))
    customers = resources.lister("payment_method", "/v1/payment_methods")
    found.append(_endpoint("GET", "/v1/customers/{id}/payment_methods", customers, *PAGE, "type"))
    return found


def _writes() -> list[Endpoint]:
    customer = updates.CUSTOMER
    return [
        _endpoint("POST", "/v1/customers", updates.create_customer, *updates.NEW_CUSTOMER),
        _endpoint("DELETE", "/v1/customers/{id}", updates.delete_customer),
        _endpoint("POST", "/v1/customers/{id}", updates.update_customer, *customer),
        _endpoint("POST", "/v1/payment_methods", updates.create_method, *updates.METHOD),
        _endpoint("POST", "/v1/payment_methods/{id}/attach", updates.attach_method, "customer"),
        _endpoint("POST", "/v1/payment_methods/{id}/detach", updates.detach_method),
        _endpoint("POST", "/v1/invoices", updates.create_invoice, *updates.INVOICE),
        _endpoint("POST", "/v1/invoices/{id}/finalize", updates.finalize_invoice, "auto_advance"),
        _endpoint("POST", "/v1/invoices/{id}/void", updates.void_invoice),
        _endpoint("POST", "/v1/invoices/{id}/mark_uncollectible", updates.write_off_invoice),
    ]


def _billing() -> list[Endpoint]:
    clocks, subscribed = "/v1/test_helpers/test_clocks", "/v1/subscriptions"
    return [
        _endpoint("POST", "/v1/credit_notes", updates.create_credit_note, "invoice", "amount", "reason"),
        _endpoint("POST", subscribed, subscriptions.create_subscription, *subscriptions.CREATE),
        _endpoint("POST", f"{subscribed}/{{id}}", subscriptions.update_subscription, *subscriptions.UPDATE),
        _endpoint("DELETE", f"{subscribed}/{{id}}", subscriptions.cancel_subscription, *subscriptions.CANCEL),
        _endpoint("POST", clocks, clocks_api.create_clock, "frozen_time", "name"),
        _endpoint("POST", f"{clocks}/{{id}}/advance", clocks_api.advance_clock, "frozen_time"),
    ]


def _pay() -> Endpoint:
    pattern = re.compile("/v1/invoices/([^/]+)/pay")
    return Endpoint("POST", pattern, frozenset(pay.PARAMS), pay.run, pay.prepare, exclusive=True)


ENDPOINTS = (_pay(), *_writes(), *_billing(), *_reads())


def match(method: str, path: str) -> tuple[Endpoint, tuple[str, ...]]:
    """The endpoint and the ids in its path; Stripe's 404 when there is none."""
    for endpoint in ENDPOINTS:
        found = endpoint.pattern.fullmatch(path)
        if found and endpoint.method == method:
            return endpoint, found.groups()
    raise invalid(f"Unrecognized request URL ({method}: {path}).", status=404)
