"""Settings from the environment, frozen, built once by each composition root. No other module reads it."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, NoReturn, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import RecoveryError
from providers.adyen.config import AdyenConfig
from providers.braintree.config import BraintreeConfig
from providers.stripe.config import StripeConfig

SHIPPED_POLICY = Path(__file__).parent / "core" / "policy" / "policies.toml"


def _text_list(value: object) -> object:
    """The non-empty parts of a comma-separated text; any other value unchanged."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Secrets = Annotated[tuple[SecretStr, ...], NoDecode]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]


class Settings(BaseSettings):
    """All settings. The environment variables are the field names in capitals; `.env` is read too.

    Raises pydantic.ValidationError; `describe_invalid_settings` describes it without secrets.
    """

    model_config = SettingsConfigDict(env_file=".env", frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = Field(
        SecretStr(""), description="PostgreSQL of the service, as the writer role; empty: `pri dev` starts its own"
    )
    database_owner_url: SecretStr = Field(
        SecretStr(""), description="PostgreSQL as the owner, for `pri migrate` only; empty: DATABASE_URL"
    )
    temporal_address: str = Field("", description="host:port of Temporal; empty: `pri dev` starts its own")
    temporal_namespace: str = Field("default", description="Temporal namespace")
    temporal_ui_url: str = Field("", description="base address of Temporal's web UI, for links")

    temporal_test_server: str = Field("", description="path of a time-skipping test server, for the tests only")

    stripe_api_key: SecretStr = Field(SecretStr(""), description="secret or restricted key (sk_..., rk_...)")
    stripe_api_base: str = Field("", description="another base address than Stripe's own, e.g. the sandbox gateway")
    stripe_webhook_secrets: Secrets = Field((), description="endpoint secrets, comma separated, newest first")

    adyen_api_key: SecretStr = Field(SecretStr(""), description="API key of a Checkout credential")
    adyen_merchant_account: str = Field("", description="merchant account that is charged, and whose webhooks count")
    adyen_hmac_keys: Secrets = Field((), description="HMAC keys of the webhooks (hex), comma separated, newest first")
    adyen_api_base: str = Field("", description="base address of the Checkout API; empty: Adyen's test environment")

    braintree_merchant_id: str = Field("", description="merchant id")
    braintree_public_key: str = Field("", description="public half of an API key")
    braintree_private_key: SecretStr = Field(SecretStr(""), description="its private half; it signs webhooks, too")
    braintree_api_base: str = Field("", description="base address of the API; empty: Braintree's sandbox")

    policy_file: Path = Field(SHIPPED_POLICY, description="retry policies (TOML); empty: the shipped ones")
    shadow_policy_file: Path | None = Field(
        None, description="a policy whose plans are recorded beside the active one's and never charged; empty: none"
    )
    time_scale: int = Field(
        1, ge=1, le=1_000_000, description="shortens our own delays by this factor; tests and demos"
    )
    bootstrap_api_key: SecretStr = Field(SecretStr(""), description="development only: a bearer key with every scope")

    public_url: str = Field(
        "", description="address that browsers reach the service under, e.g. https://pri.example.com"
    )
    oidc_issuer: str = Field("", description="OpenID Connect: the issuer that people sign in with; empty: off")
    oidc_client_id: str = Field("", description="what the issuer knows us as")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="empty: a public client, PKCE alone")
    oidc_name_claim: str = Field(
        "preferred_username", description="the claim with a person's name for the event log; `sub` if it is missing"
    )
    oidc_roles_claim: str = Field("roles", description="the claim with their groups; dots lead into objects")
    oidc_roles: str = Field("", description="ROLE=GROUP, comma separated; roles are viewer, operator and admin")
    session_secret: SecretStr = Field(
        SecretStr(""), description="signs the admin console's cookies, 32 characters or more; the same in every process"
    )
    session_hours: int = Field(8, ge=1, le=168, description="hours until a person must sign in again")
    local_users: SecretStr = Field(
        SecretStr(""), description="development only: NAME:ROLE:HASH from `pri users hash`, separated by blanks"
    )

    api_host: str = Field("127.0.0.1", description="address the API listens on")
    api_port: int = Field(8000, ge=0, le=65535, description="port the API listens on")
    trusted_proxies: Networks = Field(
        (), description="addresses or networks of the proxies whose X-Forwarded-For is believed, comma separated"
    )
    rate_limit_per_key: int = Field(6000, ge=0, description="requests a minute to /v1 with one API key; 0: no limit")
    rate_limit_per_address: int = Field(12000, ge=0, description="requests a minute to /v1 from one address; 0: off")
    metrics_key: SecretStr = Field(
        SecretStr(""), description="a bearer key for the API's /metrics, 32 characters or more; empty: none of its own"
    )
    metrics_host: str = Field("127.0.0.1", description="address the worker's Prometheus metrics listen on")
    metrics_port: int = Field(0, ge=0, le=65535, description="port of the worker's Prometheus metrics; 0: off")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    charges_per_second: int = Field(20, ge=1, le=100, description="pace of provider calls, per provider")

    smtp_url: SecretStr = Field(
        SecretStr(""), description="mail server for messages to customers; empty: no e-mail is sent"
    )
    mail_from: str = Field("", description="sender of messages to customers, as NAME <ADDRESS>")
    unsubscribe_url: str = Field(
        "",
        description="your own page to unsubscribe, which gets a token; empty: ours at PUBLIC_URL, or a mail",
    )
    unsubscribe_secrets: Secrets = Field(
        (), description="sign links to unsubscribe, comma separated, newest first; empty: a key in the database"
    )
    customer_page_url: str = Field(
        "", description="your page that messages link to where the provider has none; {provider} and {invoice} fit in"
    )
    customer_notify_urls: SecretStr = Field(
        SecretStr(""),
        description="Apprise addresses with {phone} or {email}, separated by blanks: channel `sms`",
    )
    message_dir: str = Field("", description="folder with own versions of notifications/templates")
    operator_notify_urls: SecretStr = Field(
        SecretStr(""), description="Apprise addresses for notices to operators, separated by blanks"
    )
    outgoing_webhook_urls: SecretStr = Field(
        SecretStr(""), description="addresses that outgoing webhooks are sent to, separated by blanks"
    )
    outgoing_webhook_secret: SecretStr = Field(
        SecretStr(""), description="whsec_ and base64: signs outgoing webhooks by Standard Webhooks"
    )

    anchor_s3_endpoint: str = Field("", description="address of an S3-compatible server for anchors; empty: AWS")
    anchor_retention_days: int = Field(400, ge=1, description="days for which a bucket locks each anchor")
    timestamp_url: str = Field("", description="time stamping authority (RFC 3161) for anchors; empty: none")
    timestamp_ca_file: Path | None = Field(
        None, description="the authority's certificates (PEM), root included; verifies time stamps"
    )
    customer_id_keys: Secrets = Field(
        (),
        description="hash customer ids that name a person, comma separated, newest first; empty: a key in the database",
    )

    webhook_body_days: int = Field(
        90, ge=0, le=36_500, description="days that bodies of webhooks are kept; 0: until they are erased"
    )
    contact_days: int = Field(
        90, ge=0, le=36_500, description="days that a contact is kept after the customer's last recovery; 0: as above"
    )

    sentry_dsn: SecretStr = Field(SecretStr(""), description="Sentry DSN for error reports; empty: none are sent")
    otel_exporter_otlp_endpoint: str = Field("", description="OTLP/HTTP address for traces; empty: none are sent")
    payload_encryption_keys: Secrets = Field(
        (), description="id:base64 AES-256 keys for Temporal payloads, comma separated, the first encrypts"
    )

    @field_validator(
        "stripe_webhook_secrets", "adyen_hmac_keys", "payload_encryption_keys", "unsubscribe_secrets",
        "customer_id_keys", "trusted_proxies", mode="before",
    )  # fmt: skip
    @classmethod
    def _split_lists(cls, value: object) -> object:
        return _text_list(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, value: Networks) -> Networks:
        # With everybody trusted, the first address in the header would count, which the client itself may invent.
        if any(network.prefixlen == 0 for network in value):
            raise ValueError("TRUSTED_PROXIES can't be everybody; name the proxies' own addresses")
        return value

    @field_validator("bootstrap_api_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 8:
            raise ValueError("BOOTSTRAP_API_KEY needs 8 characters or more")
        return value

    @field_validator("unsubscribe_secrets", "customer_id_keys")
    @classmethod
    def _long_enough_to_sign(cls, value: Secrets, field: ValidationInfo) -> Secrets:
        if any(len(one.get_secret_value()) < 32 for one in value):
            raise ValueError(f"{(field.field_name or '').upper()} needs 32 characters or more in each")
        return value

    @field_validator("session_secret", "metrics_key")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError(f"{str(info.field_name).upper()} needs 32 characters or more")
        return value

    @model_validator(mode="after")
    def _sign_in_is_whole(self) -> Self:
        needed = {
            "OIDC_CLIENT_ID": self.oidc_client_id,
            "OIDC_ROLES": self.oidc_roles,
            "PUBLIC_URL": self.public_url,
            "SESSION_SECRET": self.session_secret.get_secret_value(),
        }
        if self.oidc_issuer and (missing := [name for name, value in needed.items() if not value]):
            raise ValueError(f"OIDC_ISSUER needs {' and '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _outgoing_webhooks_are_signed(self) -> Self:
        if self.outgoing_webhook_urls.get_secret_value() and not self.outgoing_webhook_secret.get_secret_value():
            raise ValueError("OUTGOING_WEBHOOK_URLS needs OUTGOING_WEBHOOK_SECRET")
        return self

    @model_validator(mode="after")
    def _time_stamps_can_be_verified(self) -> Self:
        if self.timestamp_url and not self.timestamp_ca_file:
            raise ValueError("TIMESTAMP_URL needs TIMESTAMP_CA_FILE")
        return self

    @model_validator(mode="after")
    def _no_compressed_time_with_real_money(self) -> Self:
        if self.time_scale != 1 and self.live_providers:
            raise ValueError(
                f"TIME_SCALE is for tests and demos: it is refused with {self.live_providers[0]}'s live settings"
            )
        return self

    @cached_property
    def owner_url(self) -> str:
        """The owner's database address, or the writer's if none is given; may be empty."""
        return self.database_owner_url.get_secret_value() or self.database_url.get_secret_value()

    @property
    def live_providers(self) -> tuple[str, ...]:
        """Names of the providers whose settings move real money, by each provider's own `livemode`.

        Raises InvalidInput for a live key and a base address that isn't https.
        """
        # Read by the providers' own rules from the same texts, so that start-up and providers never disagree.
        given = {
            "STRIPE_API_KEY": self.stripe_api_key.get_secret_value(),
            "STRIPE_API_BASE": self.stripe_api_base,
            "ADYEN_API_KEY": self.adyen_api_key.get_secret_value(),
            "ADYEN_API_BASE": self.adyen_api_base,
            "BRAINTREE_API_BASE": self.braintree_api_base,
        }
        configs: dict[str, StripeConfig | AdyenConfig | BraintreeConfig] = {
            "Stripe": StripeConfig.from_environment(given),
            "Adyen": AdyenConfig.from_environment(given),
            "Braintree": BraintreeConfig.from_environment(given),
        }
        return tuple(name for name, config in configs.items() if config.livemode)


def split_addresses(given: SecretStr) -> tuple[str, ...]:
    """The addresses in a setting, separated by blanks or commas."""
    # Only a separator before a scheme counts, since commas and blanks may also occur within an address.
    parts = re.split(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)", given.get_secret_value().strip())
    return tuple(part for part in parts if part)


def describe_invalid_settings(error: ValidationError) -> str:
    """One line that names each invalid setting and the reason, without its value, which may be a secret."""
    told = ((".".join(map(str, one["loc"])).upper() or "settings", one["msg"]) for one in error.errors())
    return "; ".join(f"{name}: {message}" for name, message in told)


@contextmanager
def exit_on_known_errors() -> Iterator[None]:
    """Around a `main`: turns RecoveryError and invalid settings into one line on stderr and exit code 1."""
    try:
        yield
    except RecoveryError as error:
        exit_with_line(str(error))
    except ValidationError as error:
        exit_with_line(describe_invalid_settings(error))


def exit_with_line(text: str) -> NoReturn:
    """Ends the process with exit code 1 and this text on stderr, folded into one line."""
    sys.stderr.write(f"pri: {' '.join(text.split())}\n")
    sys.exit(1)


def secret_keys(secrets: Secrets) -> tuple[bytes, ...]:
    """The keys in a setting, newest first; empty if none are set."""
    return tuple(one.get_secret_value().encode() for one in secrets)


def read_environment() -> dict[str, str]:
    """The environment merged over `.env`, as a copy: for providers, Temporal's own settings and child processes."""
    written = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return written | dict(os.environ)  # noqa: TID251
