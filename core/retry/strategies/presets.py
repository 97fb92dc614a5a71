"""Schedules that others have published, as ready-made ladders: data with a source, and what of it is our reading.

Every delay counts from the failure before it. Facts and full addresses: section 6 of the decline facts.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from core.errors import InvalidPolicy


class Preset(NamedTuple):
    """One published schedule."""

    delays: tuple[str, ...]
    source: str
    note: str = "as published"


_STRIPE = "Stripe, Smart Retries and custom schedules"
_RECURLY = "Recurly, retry logic and static retries"
_VISA = "Visa Acceptance, recurring billing: retries by length of the plan"

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "stripe_custom": Preset(
            ("3d", "5d", "7d"), _STRIPE, "up to 3 retries, days after the one before; which days is our choice"
        ),
        "stripe_observed": Preset(
            ("3d", "9d", "5d", "4d"),
            "Polar, on what Stripe did to its invoices",
            "seen on days 2 or 3, 7 or 12, 14 or 17, and 21; the later days here",
        ),
        "polar": Preset(("2d", "5d", "7d", "7d"), "Polar, retry intervals in its configuration"),
        "recurly_static": Preset(("2d",) * 6, _RECURLY, "the gateway says try again: every 2 days until 7 declines"),
        "recurly_unavailable": Preset(
            ("3d",) * 19, _RECURLY, "issuer or gateway unavailable: every 3 days until 20 tries or 60 days"
        ),
        "recurly_communication": Preset(
            ("4h", "4h", *("1d",) * 6, *("3d",) * 11),
            _RECURLY,
            "no answer: 2 tries 4 hours apart, 6 a day apart, then every 3 days until 20 tries",
        ),
        "chargebee_custom": Preset(("3d", "5d", "7d"), "Chargebee, dunning", "3 retries; which days is our choice"),
        "kill_bill": Preset(("8d", "8d", "8d"), "Kill Bill, default after a payment failure"),
        "kill_bill_plugin": Preset(
            ("300s", "600s", "1200s", "2400s", "4800s", "9600s", "19200s", "38400s"),
            "Kill Bill, default after a failure of the plug-in",
            "300 s, doubled up to 8 times",
        ),
        "braintree": Preset(
            ("10d", "10d"), "Braintree, recurring billing", "two retries, each 1 to 10 days after; the longest here"
        ),
        "braintree_design": Preset(
            ("1d", "1d", "2d", "4d", "7d", "7d"),
            "an open design upon Braintree",
            "days 1, 2, 4, 8, 15 and 22 after the first failure",
        ),
        "paypal": Preset(("5d", "5d"), "PayPal subscriptions", "every 5 days, twice in a cycle"),
        "paypal_legacy": Preset(("3d", "5d"), "PayPal subscription buttons", "3 days, then 5 days"),
        "paddle": Preset(
            ("4d",) * 7, "Paddle, payment recovery", "up to 7 in 30 days; that they are even is our reading"
        ),
        "visa_daily": Preset(("1h",), _VISA),
        "visa_weekly": Preset(("1d",) * 3, _VISA),
        "visa_monthly": Preset(("2d",) * 5, _VISA),
        "visa_yearly": Preset(("15d",) * 3, _VISA),
        "yuno": Preset(
            ("5m", "55m", "4h", "19h", "24h", "48h"),
            "Yuno, retries",
            "5 min, 1 h, 5 h, 24 h, 48 h and 96 h after the first failure",
        ),
        "solidus": Preset(
            ("1d",) * 20, "Solidus subscriptions", "daily without an end there; 20 is the most a policy can use"
        ),
    }
)


def preset_delays(name: object) -> tuple[str, ...]:
    """The delays of a preset. Raises InvalidPolicy for a name that isn't one."""
    found = PRESETS.get(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidPolicy(f"{name!r} is no preset; there are {', '.join(sorted(PRESETS))}")
    return found.delays
