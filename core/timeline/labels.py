"""The names of this service in words that need no manual."""

from collections.abc import Mapping
from typing import Final

from core.classification.taxonomy import Category, Cause, Chargeability
from core.events import State, Trigger
from core.messages.kinds import MessageKind

CAUSES: Final[Mapping[str, tuple[str, str]]] = {
    Cause.PERMANENT: (
        "the card is refused for good",
        "This card will not work again, so trying it would be pointless; another payment method can help.",
    ),
    Cause.CARD_DATA: (
        "the card is expired or its details are wrong",
        "Only the customer can put this right, so they are asked to.",
    ),
    Cause.STOP_INSTRUCTION: (
        "the cardholder stopped these payments",
        "The card network forbids any further try.",
    ),
    Cause.FRAUD: ("suspicion of fraud", "The bank or the provider refused it as suspicious, so a person looks at it."),
    Cause.GENERIC: (
        "the bank said no without a reason",
        "Such a refusal often goes away by itself, so a later try has a chance.",
    ),
    Cause.INSUFFICIENT_FUNDS: (
        "not enough money in the account",
        "There may be money later, so trying again at the right moment has a chance.",
    ),
    Cause.TECHNICAL: (
        "a technical problem at the bank or the provider",
        "It has nothing to do with the card, so trying again later has a good chance.",
    ),
    Cause.AUTHENTICATION_REQUIRED: (
        "the bank wants the customer to confirm",
        "No retry can replace that, so the customer gets a link.",
    ),
    Cause.VELOCITY: (
        "the card was used too often in a short time",
        "It needs a rest before the next try.",
    ),
    Cause.API_LIMIT: ("the provider was asked too often", "It needs a moment before the next try."),
    Cause.DUPLICATE: (
        "the bank took it for a repeat of another payment",
        "First it must be clear whether the money came already.",
    ),
    Cause.CONFIGURATION: (
        "the merchant's own set-up is refused",
        "Someone has to change a setting at the provider; the customer can do nothing.",
    ),
    Cause.UNKNOWN: (
        "an answer that nobody has explained yet",
        "It is in no table, so it is treated with the most care.",
    ),
}
"""By cause: what it is, and what follows from it."""

CATEGORIES: Final[Mapping[str, str]] = {
    Category.HARD_DECLINE: "Hard decline: this card is of no use any more",
    Category.SOFT_DECLINE: "Soft decline: worth another try",
    Category.RATE_LIMITED: "Too fast: worth another try after a rest",
    Category.REVIEW: "Unclear: with care",
}

ENDINGS: Final[Mapping[str, str]] = {
    "charged": "A retry brought the money in.",
    "paid_elsewhere": "The invoice was paid without a retry of ours.",
    "operator": "An operator ended it.",
    "voided": "The invoice was voided at the provider.",
    "uncollectible": "The invoice was written off at the provider.",
    "subscription_ended": "The subscription ended at the provider.",
    "customer_deleted": "The customer was deleted at the provider.",
    "out_of_scope": "The invoice is not ours to collect.",
    "no_method": "No payment method is stored, and none came in time.",
    "not_a_card": "What is stored is no card, and the customer did not pay in time.",
    "dispute": "The customer disputes the payment; nothing may be charged.",
    "early_fraud_warning": "The card network warned of fraud; nothing may be charged.",
    "rejected": "An operator rejected it in review.",
    "review_overdue": "Nobody reviewed it in time.",
    "customer_deadline": "The customer did not act in time.",
    "window": "The time that the policy allows for retries is over.",
    "budget": "All retries that the policy allows are used.",
    "no_retry": "No further retry makes sense.",
    "new_method": "Only another payment method could have helped.",
    "network_limit": "The card network allows no further try in time.",
    "stop_instruction": "The cardholder stopped these payments; the card network forbids further tries.",
    "fraud": "It is too suspicious to be charged.",
    "invoice_missing": "The provider knows no such invoice.",
    "charge_unknown": "Nobody could find out what became of the last charge.",
}
"""By the reason in the log."""

STATES: Final[Mapping[str, str]] = {
    State.RECOVERED: "Recovered: the money is there",
    State.EXHAUSTED: "Given up: the money did not come",
    State.CANCELED: "Canceled",
    State.BLOCKED: "Blocked: nothing may be charged",
}

TRIGGERS: Final[Mapping[str, str]] = {
    Trigger.SCHEDULED: "it was planned for now",
    Trigger.MANUAL: "an operator asked for it",
    Trigger.METHOD_CHANGE: "the customer has a new payment method",
    Trigger.PROVIDER: "the provider tried by itself",
}

MESSAGES: Final[Mapping[str, str]] = {
    MessageKind.PAYMENT_FAILED: "the payment failed, we will try again",
    MessageKind.CARD_DATA: "please check your card",
    MessageKind.AUTHENTICATION: "please confirm the payment with your bank",
    MessageKind.NO_METHOD: "please add another payment method",
    MessageKind.NO_CARD: "the payment did not arrive, please pay",
    MessageKind.LAST_WARNING: "last reminder",
    MessageKind.RECOVERED: "thank you, the payment succeeded",
    MessageKind.ENDED: "the payment could not be collected",
}

UNSENT_REASONS: Final[Mapping[str, str]] = {
    "no_contact": "No address of this customer is known.",
    "no_address": "This channel needs an address that is not known.",
    "address_unfit": "The address known of this customer is none that can be written to.",
    "smtputf8_not_offered": "The mail server takes no addresses with letters beyond ASCII before the @.",
    "recipient_refused": "The mail server refuses this customer's address.",
    "customer_deleted": "The customer was deleted at the provider.",
    "unsubscribed": "The customer wants no such messages any more.",
    "channel_not_set_up": "This channel is not set up.",
    "login_refused": "The mail server refused the login; check its settings.",
    "worker_lost": "The process that was sending it ended in the middle.",
    "no_answer": "It is not known whether it went out; it is not sent again, so that nobody gets it twice.",
}

UNKNOWN_CHARGE_REASONS: Final[Mapping[str, str]] = {
    "timeout": "The provider did not answer in time.",
    "repeat_refused": "The provider refused to repeat the request.",
    "not_readable": "The provider could not be read.",
    "not_executed": "The provider never carried it out.",
}


ABILITIES: Final[Mapping[str, str]] = {
    Chargeability.NO_METHOD: "no, no payment method is stored",
    Chargeability.NOT_A_CARD: "no, what is stored is no card",
}

MONEY_BACK: Final[Mapping[str, str]] = {
    "refund": "Money was given back to the customer",
    "chargeback": "The bank took money back: a chargeback",
    "restored": "The money is there again",
    "failed_capture": "The money never came: its capture failed",
    "returned_debit": "The bank returned the debit",
}


def cause_name(cause: str) -> str:
    """What people call it."""
    return CAUSES[cause][0] if cause in CAUSES else to_plain_words(cause)


def to_plain_words(name: str) -> str:
    """A program's name without its underscores."""
    return name.replace("_", " ").lower()
