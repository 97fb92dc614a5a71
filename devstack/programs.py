"""The stack's own programs: the command of each, and the environment each gets."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack.processes import Program
from devstack.secrets import DevSecrets
from settings import Settings, read_environment

PROJECT_ROOT = Path(__file__).parent.parent
CLI_COMMAND = (sys.executable, str(PROJECT_ROOT / "cli.py"))
VARIABLES_OF_OTHER_SERVERS = ("TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_TLS")
WORKER_GRACE_SECONDS = 120.0
"""Seconds from SIGTERM to SIGKILL: longer than a worker waits for its charges (`workflows.options.GRACE`)."""
SANDBOX_ACCOUNT = "SandboxMerchant"
"""The merchant account of the fake Adyen."""


@dataclass(frozen=True)
class Commands:
    """The command of each part; tests replace them."""

    migrate: tuple[str, ...] = (*CLI_COMMAND, "migrate")
    sandbox: tuple[str, ...] = (sys.executable, "-m", "sandbox")
    api: tuple[str, ...] = (*CLI_COMMAND, "api")
    worker: tuple[str, ...] = (*CLI_COMMAND, "worker")


@dataclass(frozen=True)
class Options:
    """Options of `pri dev`. A port 0 means any free one. `environment` is added to the children's, and overrides it."""

    data_dir: Path = Path(".pri")
    api_port: int = 8000
    temporal_port: int = 7233
    temporal_ui_port: int = 8233
    sandbox: bool = True
    commands: Commands = Commands()
    environment: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[str, ...] = (
        "recovery:workflow",
        "recovery:activity",
        "charges-adyen:activity",
        "charges-braintree:activity",
        "charges-stripe:activity",
        "simulations:activity",
    )
    ready_seconds: float = 90.0


@dataclass(frozen=True)
class Addresses:
    """Addresses of the running parts; `temporal_ui` and `sandbox` are empty if there is none."""

    writer_url: str = field(repr=False)
    owner_url: str = field(repr=False)
    temporal: str
    temporal_ui: str
    sandbox: str
    api: str


def temporal_environment(settings: Settings, addresses: Addresses) -> dict[str, str]:
    """The environment of a client of Temporal.

    For our own server it has neither a key nor a profile: those that are set are for another server.
    """
    known = {"TEMPORAL_ADDRESS": addresses.temporal, "TEMPORAL_NAMESPACE": settings.temporal_namespace}
    if settings.temporal_address:
        return {**read_environment(), **known}
    plain = {name: text for name, text in read_environment().items() if not name.startswith(VARIABLES_OF_OTHER_SERVERS)}
    return {**plain, **known, "TEMPORAL_CONFIG_FILE": os.devnull}


def service_environment(
    settings: Settings, options: Options, addresses: Addresses, known: DevSecrets
) -> dict[str, str]:
    """The environment of worker and API. Without the database owner's address, which only migrations may use."""
    env = temporal_environment(settings, addresses)
    env.pop("DATABASE_OWNER_URL", None)
    env |= {"DATABASE_URL": addresses.writer_url, "TEMPORAL_UI_URL": addresses.temporal_ui, "PYTHONUNBUFFERED": "1"}
    env |= {"API_HOST": "127.0.0.1", "API_PORT": addresses.api.rpartition(":")[2]}
    env["BOOTSTRAP_API_KEY"] = settings.bootstrap_api_key.get_secret_value() or _own_bootstrap_key(
        settings, options, known
    )
    if options.sandbox:
        env |= _sandbox_environment(settings, addresses, known)
    return {**env, **options.environment}


def _own_bootstrap_key(settings: Settings, options: Options, known: DevSecrets) -> str:
    """The data directory's bootstrap key; none beside live settings, with which the API refuses it."""
    return "" if settings.live_providers and not options.sandbox else known.bootstrap_key


def _sandbox_environment(settings: Settings, addresses: Addresses, known: DevSecrets) -> dict[str, str]:
    """The environment that points all providers to the sandbox."""
    # A live key is never sent to a sandbox, not even to our own.
    given = "" if "Stripe" in settings.live_providers else settings.stripe_api_key.get_secret_value()
    return {
        "STRIPE_API_BASE": addresses.sandbox,
        "STRIPE_API_KEY": given or known.stripe_key,
        "STRIPE_WEBHOOK_SECRETS": ",".join(webhook_secrets(settings, known)),
        # An Adyen key doesn't show whether it is live, so only our own is sent to a sandbox.
        "ADYEN_API_BASE": f"{addresses.sandbox}/adyen",
        "ADYEN_API_KEY": known.adyen_key,
        "ADYEN_MERCHANT_ACCOUNT": SANDBOX_ACCOUNT,
        "ADYEN_HMAC_KEYS": ",".join(hmac_keys(settings, known)),
        # Nor does a key of Braintree's; it also signs the webhooks.
        "BRAINTREE_API_BASE": f"{addresses.sandbox}/braintree",
        "BRAINTREE_MERCHANT_ID": "sandbox_merchant",
        "BRAINTREE_PUBLIC_KEY": known.braintree_public_key,
        "BRAINTREE_PRIVATE_KEY": known.braintree_private_key,
    }


def webhook_secrets(settings: Settings, known: DevSecrets) -> tuple[str, ...]:
    """The configured secrets of Stripe's webhooks, newest first; else the one of this data directory."""
    given = tuple(secret.get_secret_value() for secret in settings.stripe_webhook_secrets)
    return given or (known.webhook_secret,)


def hmac_keys(settings: Settings, known: DevSecrets) -> tuple[str, ...]:
    """The configured HMAC keys of Adyen's webhooks, newest first; else the one of this data directory."""
    given = tuple(key.get_secret_value() for key in settings.adyen_hmac_keys)
    return given or (known.adyen_hmac_key,)


def sandbox_program(
    options: Options, data_dir: Path, addresses: Addresses, secrets: Mapping[str, str], env: Mapping[str, str]
) -> Program:
    """The sandbox, with its state in the data directory; `secrets` sign its webhooks, by provider."""
    argv = (
        *options.commands.sandbox, "--port", addresses.sandbox.rpartition(":")[2],
        "--state", str(data_dir / "sandbox.db"),
        "--webhook-url", f"{addresses.api}/webhooks/stripe",
        "--adyen-webhook-url", f"{addresses.api}/webhooks/adyen",
        "--braintree-webhook-url", f"{addresses.api}/webhooks/braintree",
    )  # fmt: skip
    # By the environment: everybody on the machine can read command lines.
    signing = {
        "SANDBOX_WEBHOOK_SECRET": secrets["stripe"],
        "SANDBOX_ADYEN_HMAC_KEY": secrets["adyen"],
        "SANDBOX_BRAINTREE_KEYS": secrets["braintree"],
    }
    path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), env.get("PYTHONPATH"))))
    return Program("sandbox", argv, data_dir / "logs" / "sandbox.log", {**env, **signing, "PYTHONPATH": path})


def service_program(name: str, argv: tuple[str, ...], data_dir: Path, env: Mapping[str, str]) -> Program:
    """A command of `pri`: API, migration or worker. The worker gets the time to finish a charge."""
    grace = WORKER_GRACE_SECONDS if name == "worker" else 10.0
    log = data_dir / "logs" / f"{name}.log"
    return Program(name, argv, log, env, stop_signal=signal.SIGTERM, grace_seconds=grace)


def probe_program(name: str, arguments: tuple[str, ...], data_dir: Path, env: Mapping[str, str]) -> Program:
    """A probe that waits for Temporal; see `devstack.probe`."""
    argv = (sys.executable, "-m", "devstack.probe", *arguments)
    path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), env.get("PYTHONPATH"))))
    return Program(name, argv, data_dir / "logs" / f"{name}.log", {**env, "PYTHONPATH": path})
