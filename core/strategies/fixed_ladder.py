"""Retries after a fixed list of delays, and ready-made lists from schedules that providers have published.

Each preset names its source, and in `note` what is our interpretation. Every delay counts from the failure before it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.strategies.base import Proposal, Situation, check_jitter_percent, propose_with_jitter


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
    """The delays of a preset as duration texts. Raises InvalidPolicy for an unknown name."""
    found = PRESETS.get(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidPolicy(f"{name!r} is no preset; there are {', '.join(sorted(PRESETS))}")
    return found.delays


class FixedLadder:
    """`delays = ["3h", "24h", …]`, or `preset = "polar"`: one delay for each retry, and no retry after the last.

    Raises InvalidPolicy for both or neither of them, an unknown preset, or a delay or jitter that is not valid.
    """

    shared = True

    def __init__(self, delays: Sequence[str] | None = None, jitter_percent: int = 0, preset: str | None = None) -> None:
        if (delays is None) == (preset is None):
            raise InvalidPolicy("a ladder needs either delays or a preset")
        rungs = delays if preset is None else preset_delays(preset)
        if isinstance(rungs, str) or not isinstance(rungs, Sequence) or not rungs:
            raise InvalidPolicy("delays must be a list of at least one length of time")
        self._delays = tuple(parse_duration(delay) for delay in rungs)
        self._jitter = check_jitter_percent(jitter_percent)
        self._preset_suffix = f" of {preset}" if preset else ""

    def propose(self, situation: Situation) -> Proposal | None:
        """The delay of this retry; None after the last one."""
        attempt = situation.attempt
        if not 1 <= attempt <= len(self._delays):
            return None
        plain = self._delays[attempt - 1]
        after = f"{_duration_words(plain)} after the last failure"
        why = f"rung {attempt} of {len(self._delays)}{self._preset_suffix}: {after}"
        return propose_with_jitter(plain, self._jitter, situation.invoice_id, attempt, why, late_ends=True)


def _duration_words(length: int) -> str:
    # Not by core.formatting: this is recorded, and a decision that is derived again must come out word for word.
    return f"{length // 3_600} h" if length % 3_600 == 0 else f"{length // 60} min" if length >= 60 else f"{length} s"


class AdviceDriven:
    """Waits as long as the network or the provider asked; a ladder (`delays` or `preset`, `jitter_percent`) otherwise.

    Raises InvalidPolicy as FixedLadder does.
    """

    shared = True

    def __init__(self, delays: Sequence[str] | None = None, jitter_percent: int = 0, preset: str | None = None) -> None:
        self._ladder = FixedLadder(delays=delays, jitter_percent=jitter_percent, preset=preset)

    def propose(self, situation: Situation) -> Proposal | None:
        """The asked wait to the second and without jitter, however often it is asked for; else the ladder's delay."""
        asked = situation.asked_wait_seconds
        if asked is None or asked <= 0:
            return self._ladder.propose(situation)
        # No jitter: the wait is exact, and what another party asks for is never lengthened or shortened.
        why = f"asked to wait {asked} s by the network or the provider"
        return Proposal(delay_seconds=asked, why=why, steady_seconds=asked, late_ends=True)
