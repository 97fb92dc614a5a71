"""Names of causes, states, reasons and messages in plain words, for the admin console, the CLI and the demo."""

from collections.abc import Mapping
from typing import Final

from core.classification.taxonomy import Category, Cause, Chargeability
from core.events import EventType, State, Trigger
from core.messages.kinds import MessageKind

CAUSES: Final[Mapping[str, tuple[str, str]]] = {
    Cause.PERMANENT: (
        "the card is refused permanently",
        "This card will not work again, so it is not charged any more; another payment method can help.",
    ),
    Cause.CARD_DATA: (
        "the card is expired or its details are wrong",
        "Only the customer can correct this, so they are asked to.",
    ),
    Cause.STOP_INSTRUCTION: (
        "the cardholder stopped these payments",
        "The card network forbids any further attempt.",
    ),
    Cause.FRAUD: ("suspicion of fraud", "The bank or the provider declined it as suspicious, so a person reviews it."),
    Cause.GENERIC: (
        "the bank declined without a reason",
        "Such a decline is often temporary, so a later attempt has a chance.",
    ),
    Cause.INSUFFICIENT_FUNDS: (
        "not enough money in the account",
        "There may be money later, so a retry at the right moment has a chance.",
    ),
    Cause.TECHNICAL: (
        "a technical problem at the bank or the provider",
        "It has nothing to do with the card, so a later retry has a good chance.",
    ),
    Cause.AUTHENTICATION_REQUIRED: (
        "the bank wants the customer to authenticate",
        "No retry can replace that, so the customer gets a link.",
    ),
    Cause.VELOCITY: (
        "the card was used too often in a short time",
        "The next attempt is made after a cool-down.",
    ),
    Cause.API_LIMIT: ("the provider was called too often", "The next attempt is made after a short cool-down."),
    Cause.DUPLICATE: (
        "the bank took it for a repeat of another payment",
        "First it must be clear whether the payment has already succeeded.",
    ),
    Cause.CONFIGURATION: (
        "the merchant's own set-up is refused",
        "Someone has to change a setting at the provider; the customer can do nothing.",
    ),
    Cause.UNKNOWN: (
        "a decline code that no table explains",
        "Its cause is unknown, so it is retried with the most care.",
    ),
}
"""By cause: its name, and a sentence on what follows from it."""

CATEGORIES: Final[Mapping[str, str]] = {
    Category.HARD_DECLINE: "Hard decline: not with this card as it is",
    Category.SOFT_DECLINE: "Soft decline: may succeed later",
    Category.RATE_LIMITED: "Rate limited: may succeed after a cool-down",
    Category.REVIEW: "Unclear: treated with care",
}

ENDINGS: Final[Mapping[str, str]] = {
    "charged": "A retry succeeded.",
    "paid_elsewhere": "The invoice was paid without a retry of ours.",
    "operator": "An operator ended it.",
    "voided": "The invoice was voided at the provider.",
    "uncollectible": "The invoice was written off at the provider.",
    "subscription_ended": "The subscription ended at the provider.",
    "customer_deleted": "The customer was deleted at the provider.",
    "out_of_scope": "The invoice is out of scope: this service does not collect it.",
    "no_method": "No payment method is stored, and none was added in time.",
    "not_a_card": "The stored payment method is not a card, and the customer did not pay in time.",
    "dispute": "The customer disputes the payment; nothing may be charged.",
    "early_fraud_warning": "The card network warned of fraud; nothing may be charged.",
    "rejected": "An operator rejected it in review.",
    "review_overdue": "Nobody reviewed it in time.",
    "customer_deadline": "The customer did not act in time.",
    "window": "The time that the policy allows for retries is over.",
    "budget": "All retries that the policy allows are used.",
    "no_retry": "No further retry makes sense.",
    "new_method": "Only another payment method could have helped.",
    "network_limit": "The card network allows no further attempt in time.",
    "stop_instruction": "The cardholder stopped these payments; the card network forbids further attempts.",
    "fraud": "It is too suspicious to be charged.",
    "invoice_missing": "The provider has no such invoice.",
    "charge_unknown": "The last charge could not be reconciled.",
}
"""By the stored reason of an end: a sentence that explains it."""

STATES: Final[Mapping[str, str]] = {
    State.RECOVERED: "Recovered: the invoice is paid",
    State.EXHAUSTED: "Exhausted: the invoice was not paid",
    State.CANCELED: "Canceled",
    State.BLOCKED: "Blocked: nothing may be charged",
}

TRIGGERS: Final[Mapping[str, str]] = {
    Trigger.SCHEDULED: "it was planned for now",
    Trigger.MANUAL: "an operator asked for it",
    Trigger.METHOD_CHANGE: "the customer has a new payment method",
    Trigger.PROVIDER: "the provider retried by itself",
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
    "address_unfit": "The known address of this customer is not a valid e-mail address.",
    "smtputf8_not_offered": "The mail server does not accept addresses with letters beyond ASCII before the @.",
    "recipient_refused": "The mail server refuses this customer's address.",
    "customer_deleted": "The customer was deleted at the provider.",
    "unsubscribed": "The customer has unsubscribed.",
    "channel_not_set_up": "This channel is not set up.",
    "login_refused": "The mail server refused the login; check its settings.",
    "worker_lost": "The process ended while it was sending the message.",
    "no_answer": "Whether it was sent is unknown; it is not sent again, so that the customer never gets it twice.",
}

UNKNOWN_CHARGE_REASONS: Final[Mapping[str, str]] = {
    "timeout": "The provider did not answer in time.",
    "repeat_refused": "The provider refused the repeated request.",
    "not_readable": "The provider could not be read.",
    "not_executed": "The provider never executed it.",
}


ABILITIES: Final[Mapping[str, str]] = {
    Chargeability.NO_METHOD: "no, no payment method is stored",
    Chargeability.NOT_A_CARD: "no, the stored payment method is not a card",
}

MONEY_BACK: Final[Mapping[str, str]] = {
    "refund": "Money was refunded to the customer",
    "chargeback": "The bank took money back: a chargeback",
    "restored": "The returned money is there again",
    "failed_capture": "The payment was reversed: its capture failed",
    "returned_debit": "The bank returned the debit",
}


def cause_name(cause: str) -> str:
    """The cause in plain words."""
    return CAUSES[cause][0] if cause in CAUSES else to_plain_words(cause)


def event_title(kind: EventType) -> str:
    """The name of a row's type in plain words: "Retry planned"."""
    return to_plain_words(kind.replace(".", " ")).capitalize()


def to_plain_words(name: str) -> str:
    """A name such as `fixed_ladder` in lower case, with spaces for underscores."""
    return name.replace("_", " ").lower()
