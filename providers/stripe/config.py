"""Settings of Stripe, read from environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from providers.live_mode import base_host, is_live_key, require_https


@dataclass(frozen=True)
class StripeConfig:
    """Settings of one Stripe account. Secrets are left out of the repr; an empty one counts as not set."""

    api_key: str = field(default="", repr=False)
    api_base: str = ""
    """Another base address than Stripe's own, without a slash at its end; empty: Stripe's own."""
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    """Newest first: while a secret is rolled over, events signed with either arrive."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads STRIPE_API_KEY, STRIPE_API_BASE and STRIPE_WEBHOOK_SECRETS (comma separated).

        Raises InvalidInput for a live key and a base address that isn't https.
        """
        secrets = (secret.strip() for secret in environment.get("STRIPE_WEBHOOK_SECRETS", "").split(","))
        config = cls(
            api_key=environment.get("STRIPE_API_KEY", "").strip(),
            api_base=environment.get("STRIPE_API_BASE", "").strip().rstrip("/"),
            webhook_secrets=tuple(secret for secret in secrets if secret),
        )
        require_https("STRIPE_API_BASE", config.api_base, config.livemode)
        return config

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money."""
        return is_live_key(self.api_key)

    @property
    def expected_livemode(self) -> bool | None:
        """The `livemode` that events must have; None without an API key, which alone says it."""
        return self.livemode if self.api_key else None

    def startup_notes(self) -> tuple[str, ...]:
        """One sentence for each side that is off and why, and for an unusual API address."""
        off = (
            (not self.webhook_secrets, "Stripe webhooks are off: STRIPE_WEBHOOK_SECRETS is not set."),
            (not self.api_key, "Stripe charges are off: STRIPE_API_KEY is not set."),
            (bool(self.api_base), f"Stripe is called at {base_host(self.api_base)} (STRIPE_API_BASE)."),
        )
        return tuple(sentence for applies, sentence in off if applies)
