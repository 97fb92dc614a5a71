"""Finds secrets in text: keys by the forms that their issuers give them, tokens, and what follows `password=`.

No pattern looks at what stands before its match, and each takes linear time: redacting a redacted text changes nothing.
"""

import re
from collections.abc import Iterator
from typing import Final

from core.redaction.views import Span

_KEY: Final = re.compile(
    r"""
    (?:sk|rk|ek)_(?:org_)?(?:live|test)_[A-Za-z0-9_]{4,}  # Stripe: secret, restricted and ephemeral keys
    |whsec_[A-Za-z0-9+/=_-]{4,}                           # Stripe and Standard Webhooks: signing secrets
    |(?:pi|seti|src|cs)_[A-Za-z0-9]{4,64}_secret_[A-Za-z0-9]{4,}  # Stripe: client secrets
    |pri_[0-9a-f]{8}_[A-Za-z0-9_-]{8,}                    # this service's API keys
    |AQE[A-Za-z0-9+/]{20,}[^\s"']*                        # Adyen: API keys; their last part holds any sign
    |[0-9A-F]{64}                                         # Adyen: HMAC keys
    |access_token\$(?:production|sandbox)\$[a-z0-9]{1,64}\$[0-9a-f]{8,}  # Braintree: access tokens
    |xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}  # Slack: tokens
    |hooks\.slack\.com/[a-z]{1,20}/[A-Za-z0-9_/-]{8,}     # Slack: webhooks
    |discord(?:app)?\.com/api/webhooks/[A-Za-z0-9_/-]{8,}
    |\bbot[0-9]{6,12}:[A-Za-z0-9_-]{30,}                  # Telegram: bot tokens
    |(?:AC|SK)[0-9a-f]{32}                                # Twilio: account and key ids
    |SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}         # SendGrid: API keys
    |(?:AKIA|ASIA)[0-9A-Z]{16}                            # AWS: access key ids
    |eyJ[A-Za-z0-9_/+=-]{16,}(?:\.[A-Za-z0-9_=-]*){0,4}   # JSON Web Tokens, Braintree's client tokens
    |-----BEGIN\ [A-Z ]{0,30}PRIVATE\ KEY-----[A-Za-z0-9+/=\s\\]*
    """,
    re.VERBOSE,
)
"""Keys that are known by their form. Braintree's private keys have none: `_NAMED` finds them behind their name."""
_NOTIFY_URL: Final = re.compile(
    r"(?:slack|twilio|sendgrid|sparkpost|mailgun|mailtos?|ses|sns|discord|tgram|msteams|workflows?|pagerduty|opsgenie"
    r"|pover|pbul|gotifys?|ntfys?|matrixs?|rockets?|mmosts?|zulip|wxteams|webex|whatsapp|signals?|vonage|nexmo|msgbird"
    r"|plivo|sinch|clicksend|d7sms|bulksms|ifttt|hassios?|splunk|victorops|jsons?|xmls?|forms?)://([^\s\"'<>]+)"
)
"""What follows the scheme of an Apprise URL is its secret (`OPERATOR_NOTIFY_URLS`)."""
_NAMED: Final = re.compile(
    r"(?:passw(?:or)?d|passwort|passphrase|pwd|secret|private[-_ ]?key|hmac[-_ ]?key|api[-_ ]?key|access[-_ ]?key"
    r"|(?:access|auth|refresh|id)[-_]?token|cvv2?|cvc2?|cvn)"
    r"[\"']{0,2}\s{0,4}[:=]\s{0,4}(\"[^\"\n]+|'[^'\n]+|[^\s\"',;&]+)",
    re.IGNORECASE,
)
"""What follows the name of a secret."""
_HEADER: Final = re.compile(
    r"authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?((?:[A-Za-z-]{2,20}\s{1,4})?[^\s\"',;}]+)", re.IGNORECASE
)
_CREDENTIALS: Final = re.compile(
    r"(?:bearer|basic)[ ]{1,4}((?=[A-Za-z._~-]{0,40}[0-9+/=]|[\w.~+/=-]{40})[\w.~+/=-]{4,})", re.IGNORECASE
)
"""A digit or a sign, or many letters: "basic plan" is no credential."""
_URL_PASSWORD: Final = re.compile(r"://[^/\s:@]{0,64}:([^@\s/]{1,256})@")
_NAMES: Final = ("pass", "pwd", "secret", "key", "token", "cvv", "cvc", "cvn")
"""What one of `_NAMED` holds in lower case."""


def find_secrets(text: str) -> Iterator[Span]:
    """Where the text holds secrets; names in front of them are not part of the spans."""
    yield from (found.span() for found in _KEY.finditer(text))
    for pattern in _possible_patterns(text):
        yield from (found.span(1) for found in pattern.finditer(text))


def _possible_patterns(text: str) -> Iterator[re.Pattern[str]]:
    # Most texts are codes and short sentences: what can't match isn't tried.
    if "://" in text:
        yield _NOTIFY_URL
    if ":" in text or "=" in text:
        yield _HEADER
        lower = text.lower()
        if any(name in lower for name in _NAMES):
            yield _NAMED
    if " " in text:
        yield _CREDENTIALS


def find_url_passwords(text: str) -> Iterator[Span]:
    """Where the text holds passwords of addresses such as `postgresql://writer:password@host`."""
    return (found.span(1) for found in _URL_PASSWORD.finditer(text))
