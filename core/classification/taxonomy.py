"""The two levels of a classification, category and cause, and what follows from a cause."""

from enum import StrEnum

from core.base import Value


class Category(StrEnum):
    """A coarse label of a failure for reports and conditions; the upper level of a classification.

    It doesn't say what is done: that follows from `Cause.next_action`, and may differ between causes of one category.
    REVIEW is a label for operators to look at, not the state `in_review`.
    """

    HARD_DECLINE = "HARD_DECLINE"
    SOFT_DECLINE = "SOFT_DECLINE"
    RATE_LIMITED = "RATE_LIMITED"
    REVIEW = "REVIEW"


class Cause(StrEnum):
    """Why a payment failed, as far as that changes what is done next; the lower level of a classification."""

    PERMANENT = "PERMANENT"
    CARD_DATA = "CARD_DATA"
    STOP_INSTRUCTION = "STOP_INSTRUCTION"
    FRAUD = "FRAUD"
    GENERIC = "GENERIC"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    TECHNICAL = "TECHNICAL"
    AUTHENTICATION_REQUIRED = "AUTHENTICATION_REQUIRED"
    VELOCITY = "VELOCITY"
    API_LIMIT = "API_LIMIT"
    DUPLICATE = "DUPLICATE"
    CONFIGURATION = "CONFIGURATION"
    UNKNOWN = "UNKNOWN"

    @property
    def category(self) -> Category:
        """The one category that this cause belongs to."""
        return _CATEGORY[self]

    @property
    def next_action(self) -> "NextAction":
        """What a recovery does after a failure of this cause."""
        return _NEXT[self]


class Chargeability(StrEnum):
    """Whether there is a card to charge; independent of why the bank declined."""

    CHARGEABLE = "chargeable"
    NO_METHOD = "no_method"
    """No payment method is stored."""
    NOT_A_CARD = "not_a_card"
    """A debit, transfer or wallet: its payment is left to the customer and the provider."""


class NextAction(StrEnum):
    """What a recovery does after a failure."""

    RETRY = "retry"
    COOL_DOWN = "cool_down"
    ASK_CUSTOMER = "ask_customer"
    WAIT_FOR_METHOD = "wait_for_method"
    REVIEW = "review"
    STOP = "stop"
    # Planned as a retry: the invoice is read before each charge, and a payment that already went through is found then.
    RECONCILE = "reconcile"
    TELL_OPERATORS = "tell_operators"


_CATEGORY = {
    Cause.PERMANENT: Category.HARD_DECLINE,
    Cause.CARD_DATA: Category.HARD_DECLINE,
    Cause.STOP_INSTRUCTION: Category.HARD_DECLINE,
    Cause.FRAUD: Category.HARD_DECLINE,
    Cause.GENERIC: Category.SOFT_DECLINE,
    Cause.INSUFFICIENT_FUNDS: Category.SOFT_DECLINE,
    Cause.TECHNICAL: Category.SOFT_DECLINE,
    Cause.AUTHENTICATION_REQUIRED: Category.SOFT_DECLINE,
    Cause.VELOCITY: Category.RATE_LIMITED,
    Cause.API_LIMIT: Category.RATE_LIMITED,
    Cause.DUPLICATE: Category.REVIEW,
    Cause.CONFIGURATION: Category.REVIEW,
    Cause.UNKNOWN: Category.REVIEW,
}

_NEXT = {
    Cause.PERMANENT: NextAction.WAIT_FOR_METHOD,
    Cause.CARD_DATA: NextAction.ASK_CUSTOMER,
    Cause.STOP_INSTRUCTION: NextAction.STOP,
    Cause.FRAUD: NextAction.REVIEW,
    Cause.GENERIC: NextAction.RETRY,
    Cause.INSUFFICIENT_FUNDS: NextAction.RETRY,
    Cause.TECHNICAL: NextAction.RETRY,
    Cause.AUTHENTICATION_REQUIRED: NextAction.ASK_CUSTOMER,
    Cause.VELOCITY: NextAction.COOL_DOWN,
    Cause.API_LIMIT: NextAction.COOL_DOWN,
    Cause.DUPLICATE: NextAction.RECONCILE,
    Cause.CONFIGURATION: NextAction.TELL_OPERATORS,
    Cause.UNKNOWN: NextAction.RETRY,
}


class Classification(Value):
    """Category and cause of a failure, and the table row that decided."""

    category: Category
    cause: Cause
    code: str | None = None
    """The code that decided, as the table spells it; None if no row matched."""
    decided_by: str
    """Table and row, e.g. `stripe decline_code=insufficient_funds`."""
    source: str
    """The source that the row names."""
    wait_seconds: int | None = None
    """The wait that an advice code asks for; a time scale never shortens it."""
