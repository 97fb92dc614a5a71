"""Settings of Adyen, read from environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from providers.live_mode import base_host, require_https

_HEX: Final = re.compile(r"([0-9a-fA-F]{2})+")
_LIVE: Final = re.compile(r"(^|[.-])live([.-]|$)")
"""In the host of a live endpoint: PREFIX-checkout-live.adyenpayments.com."""


@dataclass(frozen=True)
class AdyenConfig:
    """Settings of one merchant account. Secrets are left out of the repr; an empty one counts as not set."""

    api_key: str = field(default="", repr=False)
    merchant_account: str = ""
    hmac_keys: tuple[str, ...] = field(default=(), repr=False)
    """Hexadecimal, newest first: while a key is rolled over, webhooks signed with either arrive."""
    api_base: str = ""
    """Base address of the Checkout API without its version and a slash at its end; empty: Adyen's test environment."""
    invalid_key_count: int = 0
    """How many given keys are not hexadecimal and therefore not used."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads ADYEN_API_KEY, ADYEN_MERCHANT_ACCOUNT, ADYEN_HMAC_KEYS (comma separated) and ADYEN_API_BASE.

        Raises InvalidInput for a live base address that isn't https.
        """
        given = [key.strip() for key in environment.get("ADYEN_HMAC_KEYS", "").split(",") if key.strip()]
        usable = tuple(key for key in given if _HEX.fullmatch(key))
        config = cls(
            api_key=environment.get("ADYEN_API_KEY", "").strip(),
            merchant_account=environment.get("ADYEN_MERCHANT_ACCOUNT", "").strip(),
            hmac_keys=usable,
            api_base=environment.get("ADYEN_API_BASE", "").strip().rstrip("/"),
            invalid_key_count=len(given) - len(usable),
        )
        require_https("ADYEN_API_BASE", config.api_base, config.livemode)
        return config

    @property
    def can_charge(self) -> bool:
        """Whether payments can be made: API key and merchant account are set."""
        return bool(self.api_key and self.merchant_account)

    @property
    def livemode(self) -> bool:
        """Whether the API moves real money, by its address: Adyen's keys don't show whether they are live."""
        return bool(self.api_key and _LIVE.search(base_host(self.api_base)))

    @property
    def expected_livemode(self) -> bool | None:
        """The `live` that webhooks must have; None while payments are off, since nothing says it then."""
        return self.livemode if self.can_charge else None

    def startup_notes(self) -> tuple[str, ...]:
        """One sentence for each side that is off and why, and for an unusable key or an unusual API address."""
        off = (
            (not self.hmac_keys, "Adyen webhooks are off: ADYEN_HMAC_KEYS is not set."),
            (bool(self.invalid_key_count), "ADYEN_HMAC_KEYS holds a key that is not hexadecimal; it is not used."),
            (not self.api_key, "Adyen charges are off: ADYEN_API_KEY is not set."),
            (
                bool(self.api_key and not self.merchant_account),
                "Adyen charges are off: ADYEN_MERCHANT_ACCOUNT is not set.",
            ),
            (bool(self.api_base), f"Adyen is called at {base_host(self.api_base)} (ADYEN_API_BASE)."),
        )
        return tuple(sentence for applies, sentence in off if applies)
