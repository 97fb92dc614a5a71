"""Processor response codes and gateway rejections, as the fake Braintree answers them."""

from sandbox.models import Decline, Document

RESPONSE_TEXTS = {
    "2000": "Do Not Honor",
    "2001": "Insufficient Funds",
    "2002": "Limit Exceeded",
    "2004": "Expired Card",
    "2014": "Processor Declined - Fraud Suspected",
    "2053": "Card reported as lost or stolen",
    "2099": "Cardholder Authentication Required",
    "3000": "Processor Network Unavailable - Try Again",
}
GATEWAY_REJECTIONS = frozenset(
    {"application_incomplete", "avs", "avs_and_cvv", "cvv", "duplicate", "excessive_retry", "fraud", "risk_threshold"}
    | {"three_d_secure", "token_issuance"}
)
COMMON_DECLINE_CODES = {
    "generic_decline": "2000",
    "insufficient_funds": "2001",
    "expired_card": "2004",
    "lost_card": "2053",
}
"""Braintree's response codes for the decline codes of the fake Stripe, which scripts use for every provider."""


def refusal_fields(decline: Decline) -> Document:
    """The fields of a transaction that was refused so."""
    code = COMMON_DECLINE_CODES.get(decline.decline_code, decline.decline_code)
    told: Document = {"network_code": decline.network_decline_code, "mac": decline.network_advice_code}
    if code in GATEWAY_REJECTIONS:
        return told | {"status": "gateway_rejected", "rejection": code}
    text = RESPONSE_TEXTS.get(code, "Processor Declined")
    return told | {"status": "processor_declined", "code": code, "text": text}


def code_for_amount(amount: str) -> str | None:
    """The code that an amount of Braintree's sandbox asks for: 2000.00 to 3000.99; None for any other."""
    whole = amount.partition(".")[0]
    return whole if whole.isdigit() and 2000 <= int(whole) <= 3000 else None
