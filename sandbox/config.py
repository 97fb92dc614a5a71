"""How a sandbox is set up."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

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


class SandboxSecrets(BaseSettings):
    """What signs the webhooks of the process, from the environment; empty: they are not signed."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", frozen=True)

    webhook_secret: SecretStr = SecretStr("")
    """Stripe's endpoint secret."""
    adyen_hmac_key: SecretStr = SecretStr("")
    """Hexadecimal."""
    braintree_keys: SecretStr = SecretStr("")
    """PUBLIC_KEY|PRIVATE_KEY."""

    @classmethod
    def variable_names(cls) -> tuple[str, ...]:
        """The variables that are read."""
        return tuple(f"SANDBOX_{name.upper()}" for name in cls.model_fields)
