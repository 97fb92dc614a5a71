"""Adyen's refusal reasons as its API answers them, by their codes."""

REFUSAL_REASONS = {
    "2": "Refused", "3": "Referral", "4": "Acquirer Error", "5": "Blocked Card", "6": "Expired Card",
    "7": "Invalid Amount", "8": "Invalid Card Number", "9": "Issuer Unavailable", "10": "Not supported",
    "11": "3D Not Authenticated", "12": "Not enough balance", "14": "Acquirer Fraud", "15": "Cancelled",
    "16": "Shopper Cancelled", "17": "Invalid Pin", "18": "Pin tries exceeded", "19": "Pin validation not possible",
    "20": "FRAUD", "21": "Not Submitted", "22": "FRAUD-CANCELLED", "23": "Transaction Not Permitted",
    "24": "CVC Declined", "25": "Restricted Card", "26": "Revocation Of Auth", "27": "Declined Non Generic",
    "28": "Withdrawal amount exceeded", "29": "Withdrawal count exceeded", "31": "Issuer Suspected Fraud",
    "32": "AVS Declined", "33": "Card requires online pin", "34": "No checking account available on Card",
    "35": "No savings account available on Card", "36": "Mobile pin required", "37": "Contactless fallback",
    "38": "Authentication required", "39": "RReq not received from DS", "40": "Current AID is in Penalty Box",
    "41": "CVM Required Restart Payment", "42": "3DS Authentication Error", "43": "Online PIN required",
    "44": "Try another interface", "45": "Chip downgrade mode",
    "46": "Transaction blocked by Adyen to prevent excessive retry fees", "50": "Token Revoked",
}  # fmt: skip
COMMON_DECLINE_CODES = {
    "generic_decline": "2", "insufficient_funds": "12", "expired_card": "6", "lost_card": "5", "stolen_card": "5",
    "fraudulent": "20", "card_velocity_exceeded": "29", "processing_error": "4", "authentication_required": "38",
}  # fmt: skip
"""Words that scripts and `pri trigger` use for every provider."""


def refusal_reason(text: str) -> tuple[str, str]:
    """Code and reason of what a script names: a code, a reason, or one of the common words; else as it is."""
    known = COMMON_DECLINE_CODES.get(text, text)
    if known in REFUSAL_REASONS:
        return known, REFUSAL_REASONS[known]
    code = next((code for code, reason in REFUSAL_REASONS.items() if reason.lower() == text.lower()), "")
    return code, REFUSAL_REASONS.get(code, text)
