"""Keys of webhook bodies whose values may be shown, and keys that hold personal data or secrets."""

import re
from typing import Final

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")

_SECRET_WORDS: Final = (
    "secret signature sign signed hmac token password pass passphrase passcode credential credentials cvc cvv cvn pin "
    "key authorization auth bearer nonce payload mandate cookie otp"
)
SECRET_WORDS: Final = frozenset(_SECRET_WORDS.split())
_PERSONAL_WORDS: Final = (
    "name names firstname lastname surname username nickname email emails mail phone phones telephone mobile fax tel "
    "address addresses street line line1 line2 city town postal postcode zip house state province region holder owner "
    "recipient beneficiary person individual contact shopper billing shipping delivery buyer payer birth birthday dob "
    "gender sex ssn tax vat passport iban bic swift bank routing account number bin ip fingerprint device agent "
    "description descriptor note notes memo comment comments message messages text title footer custom "
    "metadata lat lon latitude longitude location geo company organization organisation employer "
    "summary session"
)
PERSONAL_WORDS: Final = frozenset(_PERSONAL_WORDS.split())
HIDING_WORDS: Final = SECRET_WORDS | PERSONAL_WORDS
"""A key with one of these words hides its value and everything below it."""

_SHOWN_KEYS: Final = (
    "accountupdater action advice advice_code amount amount_due amount_paid amount_remaining api_version attempt_count "
    "attempted authcode_missing billing_cycle billing_cycle_anchor billing_period_end_date billing_period_start_date "
    "billing_reason brand bt_kind cancel_at_period_end category charge code collection_method country created "
    "currency current_billing_cycle customer customer_id data_object decline_code description_code due_date event "
    "event_code event_date event_id event_type eventcode exp_month exp_year expires failure_code funding id "
    "idempotency_key interval invoice invoice_id item_type kind last4 last_4 livemode merchant_account "
    "merchant_account_code merchant_account_id merchant_reference network network_advice_code network_decline_code "
    "network_status network_tx_reference next_payment_attempt object operations original_reference outcome "
    "paid payment_id payment_intent payment_method payment_method_types plan_id price processor_response_code "
    "product psp_reference reason refusal_reason_raw result_code risk_level risk_score source status "
    "status_transitions subscription subscription_id success timestamp transaction_id type value version"
)
SHOWN_KEYS: Final = frozenset(_SHOWN_KEYS.split())
"""Keys whose one-word values are shown: ids of objects, codes, states. Sentences are not."""
AMOUNT_WORDS: Final = frozenset({"amount", "amounts", "total", "subtotal"})
"""Words of amounts, which are shown whatever else the key names, such as `total_excluding_tax`."""
CUSTOMER_KEYS: Final = frozenset({"id", "customer", "customer_id"})
"""Keys of a customer's id, for which some merchants take a name; `id` stands below `customer`."""
SHOWN_INSIDE: Final = frozenset({"country", "currency", "last4", "type", "object", "status"})
"""Keys whose values are shown also below a key that hides, since they identify nobody."""


LONGEST_KEY: Final = 200
"""Characters of a key that are read; a longer key is nobody's and hides its value."""


def split_key(key: str) -> tuple[str, ...]:
    """The words of a key in lower case, however it is spelled: `shopperEmail`, `billing_details`, `holder-name`."""
    return tuple(word.lower() for word in _WORDS.findall(key))


def normalise_key(key: str) -> str:
    """The key in snake case."""
    return "_".join(split_key(key)).replace("last_4", "last4")


def is_hiding_key(key: str) -> bool:
    """Whether the value of this key, and everything below it, may be a secret or personal data."""
    if len(key) > LONGEST_KEY:
        return True
    found = frozenset(split_key(key))
    return normalise_key(key) not in SHOWN_KEYS and bool(found & HIDING_WORDS) and not found & AMOUNT_WORDS


def is_shown_key(key: str) -> bool:
    """Whether one-word values of this key may be shown."""
    name = normalise_key(key) if len(key) <= LONGEST_KEY else ""
    return name in SHOWN_KEYS or name.endswith("_id")


def is_customer_key(key: str) -> bool:
    """Whether the value of this key may be a customer's id."""
    return len(key) <= LONGEST_KEY and normalise_key(key) in CUSTOMER_KEYS


def is_shown_inside(key: str) -> bool:
    """Whether one-word values of this key may be shown even below a key that hides."""
    return len(key) <= LONGEST_KEY and normalise_key(key) in SHOWN_INSIDE
