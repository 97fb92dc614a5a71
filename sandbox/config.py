"""How a sandbox is set up."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.models import Shape


@dataclass(frozen=True)
class SandboxConfig:
    """Everything that can be chosen at start; without a state file nothing survives a restart."""

    state: Path | None = None
    webhook_url: str = ""
    webhook_secret: str = ""
    adyen_webhook_url: str = ""
    adyen_hmac_key: str = ""
    braintree_webhook_url: str = ""
    braintree_keys: str = ""
    """PUBLIC_KEY|PRIVATE_KEY: what signs the fake Braintree's webhooks."""
    shape: Shape = Shape.BASIL
    echo: bool = True
    retry_delays: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
    webhook_timeout: float = 10.0
