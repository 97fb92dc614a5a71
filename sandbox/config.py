"""How a sandbox is set up."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.models import Shape

LEGACY_VERSION = "2024-06-20"
BASIL_VERSION = "2026-10-28.endive"
FIRST_BASIL_VERSION = "2025-03-31"


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


def api_version(shape: Shape) -> str:
    """The `api_version` that events of this shape carry."""
    return LEGACY_VERSION if shape is Shape.LEGACY else BASIL_VERSION


def shape_for_version(version: str | None) -> Shape:
    """The object shape a `Stripe-Version` header asks for; the newer one when there is none."""
    return Shape.LEGACY if version and version < FIRST_BASIL_VERSION else Shape.BASIL
