"""Why a payment failed: the raw codes of Stripe's errors, charges and payment intents.

Sources: docs.stripe.com/declines/codes, docs.stripe.com/api/errors, docs.stripe.com/api/charges/object (`outcome`).
"""

import re
from typing import Final

from core.payments import ChargeOrder, Failure, Risk
from providers.fields import Fields
from providers.stripe.actions import needs_authentication, needs_customer
from providers.stripe.cards import card_of_charge, card_of_error, method_of_error

AUTHENTICATION_REQUIRED: Final = "authentication_required"
_ASKS_FOR_AUTHENTICATION: Final = frozenset(
    {"invoice_payment_intent_requires_action", "subscription_payment_intent_requires_action"}
)
"""Error codes of any payment that waits for the customer, whatever it waits for."""
_GENERIC_CODES: Final = frozenset({"card_declined", "generic_decline", "payment_intent_payment_attempt_failed"})
"""Codes that give way to any other one: another field may hold the reason."""
NOT_SENT_TO_NETWORK: Final = "not_sent_to_network"
"""The `network_status` of a charge that Stripe itself refused: it doesn't count towards a network's limits."""
NO_FAILURE: Final = Failure()


def is_generic_failure(failure: Failure) -> bool:
    """Whether the failure has no code, or one that says no more than "declined"."""
    return failure.code is None or failure.code in _GENERIC_CODES


def failure_of_error(error: Fields) -> Failure:
    """The codes of a payment error: of a 402 answer or of `payment_intent.last_payment_error`.

    Here as below an invalid field counts as absent: a code of an odd form must not hide that the payment failed.
    """
    error = error.leniently()
    code, intent = error.code("decline_code") or error.code("code"), error.expanded_object("payment_intent")
    # These codes are given whatever the payment waits for; only the intent shows whether it is authentication.
    if code in _ASKS_FOR_AUTHENTICATION:
        elsewhere = needs_customer(intent) and not needs_authentication(intent)
        code = None if elsewhere else AUTHENTICATION_REQUIRED
    method = method_of_error(error)
    return Failure(
        code=code,
        advice=error.code("advice_code"),
        network=card_of_error(error).network,
        network_code=error.code("network_decline_code"),
        network_advice=error.code("network_advice_code"),
        method_id=method.id("id") or error.id("payment_method"),
        charge_id=error.id("charge"),
    )


def failure_of_charge(charge: Fields) -> Failure:
    """The codes of a failed charge; for an issuer's decline the outcome's reason, more exact than `failure_code`."""
    charge = charge.leniently()
    outcome = charge.child("outcome")
    by_issuer = outcome.code("reason") if outcome.code("type") == "issuer_declined" else None
    return Failure(
        code=by_issuer or charge.code("failure_code"),
        advice=outcome.code("advice_code"),
        network=card_of_charge(charge).network,
        network_code=outcome.code("network_decline_code"),
        network_advice=outcome.code("network_advice_code"),
        outcome=outcome.code("type"),
        outcome_reason=outcome.code("reason"),
        network_status=NOT_SENT_TO_NETWORK if outcome.code("network_status") == NOT_SENT_TO_NETWORK else None,
        method_id=charge.id("payment_method"),
        charge_id=charge.id("id"),
    )


def failure_of_payment(intent: Fields, charge: Fields) -> Failure:
    """The codes of an intent and its latest charge, those of the error first; empty if there are none.

    An intent that waits for a cardholder has the code AUTHENTICATION_REQUIRED; one that waits otherwise has none.
    """
    if needs_customer(intent):
        code = AUTHENTICATION_REQUIRED if needs_authentication(intent) else None
        return Failure(code=code, method_id=intent.id("payment_method"))
    error = failure_of_error(intent.child("last_payment_error"))
    failed = failure_of_charge(charge) if charge.code("status") == "failed" else NO_FAILURE
    # The error of an earlier attempt must not lend its codes to the latest charge.
    about_another = error.charge_id and failed.charge_id and error.charge_id != failed.charge_id
    return failed if about_another else merge_failures(error, failed)


def merge_failures(*failures: Failure | None) -> Failure:
    """Each field from the first failure that has it; a generic code gives way to a later exact one."""
    known: dict[str, str] = {}
    for failure in failures:
        for name, value in failure.model_dump(exclude_none=True).items() if failure else ():
            if name not in known or (name == "code" and known[name] in _GENERIC_CODES and value not in _GENERIC_CODES):
                known[name] = value
    return Failure(**known)


def risk_of_charge(charge: Fields, early_warning: bool | None, disputed: bool | None = None) -> Risk:
    """The provider risk level and score of a charge, unchanged; `disputed` overrides the charge's own mark."""
    outcome = charge.leniently().child("outcome")
    return Risk(
        level=outcome.code("risk_level"),
        score=outcome.integer("risk_score"),
        early_warning=early_warning,
        disputed=charge.flag("disputed") if disputed is None else disputed,
    )


_METHOD_CODES: Final = frozenset(
    {
        "invalid_source_usage",
        "missing",
        "missing_payment_method",
        "payment_intent_incompatible_payment_method",
        "payment_method_currency_mismatch",
        "payment_method_customer_mismatch",
        "payment_method_not_available",
        "payment_method_restricted",
        "payment_method_unactivated",
        "payment_method_unexpected_state",
        "payment_method_unsupported_type",
        "resource_missing",
    }
)
"""Error codes about the method. `resource_missing` is one: the invoice is read after a refusal, so it does exist."""
_NONE_ACTIVE: Final = "missing"
"""Code of the one card error without a card ("Cannot charge a customer that has no active card"), HTTP 402."""
_METHOD_PARAMS: Final = frozenset({"card", "payment_method", "source", "default_payment_method", "default_source"})
_METHOD_WORDS: Final = re.compile(
    r"payment.?method|payment source|default_source|no active card|attached to (a|the|another) customer", re.IGNORECASE
)


def is_method_refusal(order: ChargeOrder, error: Fields) -> bool:
    """Whether the call was refused for its method: the named one can't be charged, or none is stored."""
    code, param = error.code("code"), error.code("param")
    # A bank's decline names its charge or a decline code; a refusal of the method has neither, nothing was executed.
    if error.id("charge") or error.code("decline_code"):
        return False
    if error.code("type") == "card_error":
        return code == _NONE_ACTIVE
    if param in _METHOD_PARAMS and order.method_id:
        return not (code or "").startswith("parameter_")
    if param not in {None, "id", *_METHOD_PARAMS}:
        return False
    if code in _METHOD_CODES:
        return True
    return code is None and bool(_METHOD_WORDS.search(str(error.raw.get("message") or "")))
