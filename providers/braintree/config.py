"""Settings of Braintree, read from environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from providers.live_mode import base_host, require_https

_PRODUCTION: Final = re.compile(r"(.*\.)?braintreegateway\.com")
"""The host of the library's `Environment.Production` is api.braintreegateway.com; the sandbox has its own label."""


@dataclass(frozen=True)
class BraintreeConfig:
    """Settings of one merchant's API key pair. The private key is left out of the repr; an empty one is not set."""

    merchant_id: str = ""
    public_key: str = ""
    private_key: str = field(default="", repr=False)
    """Signs webhooks and opens the API: Braintree has no separate secret for webhooks."""
    api_base: str = ""
    """Base address of the API without a slash at its end; empty: Braintree's sandbox."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads BRAINTREE_MERCHANT_ID, BRAINTREE_PUBLIC_KEY, BRAINTREE_PRIVATE_KEY and BRAINTREE_API_BASE.

        Raises InvalidInput for a live base address that isn't https.
        """
        config = cls(
            merchant_id=environment.get("BRAINTREE_MERCHANT_ID", "").strip(),
            public_key=environment.get("BRAINTREE_PUBLIC_KEY", "").strip(),
            private_key=environment.get("BRAINTREE_PRIVATE_KEY", "").strip(),
            api_base=environment.get("BRAINTREE_API_BASE", "").strip().rstrip("/"),
        )
        require_https("BRAINTREE_API_BASE", config.api_base, config.livemode)
        return config

    @property
    def can_verify(self) -> bool:
        """Whether webhooks can be verified: both keys are set."""
        return bool(self.public_key and self.private_key)

    @property
    def can_charge(self) -> bool:
        """Whether the API can be called: both keys and the merchant are set."""
        return self.can_verify and bool(self.merchant_id)

    @property
    def livemode(self) -> bool:
        """Whether the API moves real money, by its address: keys and webhooks don't show it."""
        host = base_host(self.api_base)
        return bool(_PRODUCTION.fullmatch(host)) and "sandbox" not in host.split(".")

    def startup_notes(self) -> tuple[str, ...]:
        """One sentence for each side that is off and what isn't set, and for an unusual API address."""
        names = ("merchant_id", "public_key", "private_key")
        missing = ", ".join(f"BRAINTREE_{name.upper()}" for name in names if not getattr(self, name))
        off = (
            (not self.can_verify, f"Braintree webhooks are off, not set: {missing}."),
            (not self.can_charge, f"Braintree charges are off, not set: {missing}."),
            (bool(self.api_base), f"Braintree is called at {base_host(self.api_base)} (BRAINTREE_API_BASE)."),
        )
        return tuple(sentence for applies, sentence in off if applies)
