"""The table of the fake API's endpoints: what exists, which parameters each one takes."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.calls import Answer
from sandbox.stripe import billing_cycles, pay_endpoint, read_endpoints, subscriptions, write_endpoints
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import invalid_request
from sandbox.stripe.world import StripeWorld

PAGE_PARAMS = ("limit", "starting_after", "ending_before", "expand", "created")
LISTED_KINDS = {
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
    run: Callable[[StripeWorld, StripeCall], Answer]
    prepare: Callable[[StripeWorld, StripeCall], Awaitable[None]] | None = None
    exclusive: bool = False


def _build_endpoint(method: str, path: str, run: Callable[[StripeWorld, StripeCall], Answer], *params: str) -> Endpoint:
    pattern = re.compile(re.sub(r"\{id\}", "([^/]+)", path))
    return Endpoint(method, pattern, frozenset(("expand", *params)), run)


def _read_endpoints() -> list[Endpoint]:
    found = []
    for path, (kind, filters) in LISTED_KINDS.items():
        found.append(_build_endpoint("GET", path, read_endpoints.build_lister(kind, path), *PAGE_PARAMS, *filters))
        found.append(_build_endpoint("GET", f"{path}/{{id}}", read_endpoints.build_reader(kind)))
    customers = read_endpoints.build_lister("payment_method", "/v1/payment_methods")
    found.append(_build_endpoint("GET", "/v1/customers/{id}/payment_methods", customers, *PAGE_PARAMS, "type"))
    return found


def _write_endpoints() -> list[Endpoint]:
    customer = write_endpoints.CUSTOMER_PARAMS
    return [
        _build_endpoint("POST", "/v1/customers", write_endpoints.create_customer, *write_endpoints.NEW_CUSTOMER_PARAMS),
        _build_endpoint("DELETE", "/v1/customers/{id}", write_endpoints.delete_customer),
        _build_endpoint("POST", "/v1/customers/{id}", write_endpoints.update_customer, *customer),
        _build_endpoint("POST", "/v1/payment_methods", write_endpoints.create_method, *write_endpoints.METHOD_PARAMS),
        _build_endpoint("POST", "/v1/payment_methods/{id}/attach", write_endpoints.attach_method, "customer"),
        _build_endpoint("POST", "/v1/payment_methods/{id}/detach", write_endpoints.detach_method),
        _build_endpoint("POST", "/v1/invoices", write_endpoints.create_invoice, *write_endpoints.INVOICE_PARAMS),
        _build_endpoint("POST", "/v1/invoices/{id}/finalize", write_endpoints.finalize_invoice, "auto_advance"),
        _build_endpoint("POST", "/v1/invoices/{id}/void", write_endpoints.void_invoice),
        _build_endpoint("POST", "/v1/invoices/{id}/mark_uncollectible", write_endpoints.write_off_invoice),
    ]


def _billing_endpoints() -> list[Endpoint]:
    clocks, subscribed = "/v1/test_helpers/test_clocks", "/v1/subscriptions"
    return [
        _build_endpoint("POST", "/v1/credit_notes", write_endpoints.create_credit_note, "invoice", "amount", "reason"),
        _build_endpoint("POST", subscribed, subscriptions.create_subscription, *subscriptions.CREATE_PARAMS),
        _build_endpoint(
            "POST", f"{subscribed}/{{id}}", subscriptions.update_subscription, *subscriptions.UPDATE_PARAMS
        ),
        _build_endpoint(
            "DELETE", f"{subscribed}/{{id}}", subscriptions.cancel_subscription, *subscriptions.CANCEL_PARAMS
        ),
        _build_endpoint("POST", clocks, billing_cycles.create_test_clock, "frozen_time", "name"),
        _build_endpoint("POST", f"{clocks}/{{id}}/advance", billing_cycles.advance_test_clock, "frozen_time"),
    ]


def _pay_endpoint() -> Endpoint:
    pattern = re.compile("/v1/invoices/([^/]+)/pay")
    return Endpoint(
        "POST",
        pattern,
        frozenset(pay_endpoint.PAY_PARAMS),
        pay_endpoint.run_pay_call,
        pay_endpoint.prepare_pay_call,
        exclusive=True,
    )


ENDPOINTS = (_pay_endpoint(), *_write_endpoints(), *_billing_endpoints(), *_read_endpoints())


def match_endpoint(method: str, path: str) -> tuple[Endpoint, tuple[str, ...]]:
    """The endpoint and the ids in its path; Stripe's 404 when there is none."""
    for endpoint in ENDPOINTS:
        found = endpoint.pattern.fullmatch(path)
        if found and endpoint.method == method:
            return endpoint, found.groups()
    raise invalid_request(f"Unrecognized request URL ({method}: {path}).", status=404)
