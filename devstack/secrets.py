"""The settings that a data directory keeps between starts: development secrets and the sandbox's port."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from devstack.errors import DevstackError
from devstack.ports import free_port, is_free


@dataclass(frozen=True)
class DevSecrets:
    """Secrets kept in DATA_DIR/dev.json, which only its owner can read; for services on this machine only."""

    webhook_secret: str
    bootstrap_key: str
    stripe_key: str
    sandbox_port: int
    adyen_key: str = field(default_factory=lambda: f"AQE_test_{secrets.token_hex(16)}")
    adyen_hmac_key: str = field(default_factory=lambda: secrets.token_hex(32))
    braintree_public_key: str = field(default_factory=lambda: secrets.token_hex(8))
    braintree_private_key: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def braintree_keys(self) -> str:
        """The key pair as `PUBLIC|PRIVATE`, the form that the sandbox reads."""
        return f"{self.braintree_public_key}|{self.braintree_private_key}"


def load_secrets(path: Path) -> DevSecrets:
    """The secrets in `path`, created on the first start. Raises DevstackError if the file can't be parsed."""
    if not path.exists():
        return _write_secrets(path, _new_secrets())
    try:
        found = json.loads(path.read_text())
        known = DevSecrets(**found)
    except (ValueError, TypeError) as error:
        raise DevstackError(f"{path} cannot be read ({error}): remove it to get new secrets") from error
    # A file of an older release lacks newer secrets: those just generated are kept.
    return known if asdict(known) == found else _write_secrets(path, known)


def ensure_sandbox_port(path: Path, known: DevSecrets) -> DevSecrets:
    """The secrets with a usable sandbox port, which changes only if the old one is in use."""
    return known if is_free(known.sandbox_port) else _write_secrets(path, replace(known, sandbox_port=free_port()))


def _new_secrets() -> DevSecrets:
    token = partial(secrets.token_hex, 16)
    return DevSecrets(f"whsec_{token()}", f"dev_{token()}", f"sk_test_{token()}", free_port())


def _write_secrets(path: Path, values: DevSecrets) -> DevSecrets:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    # Created with its final mode, and renamed when complete: no other user can read it, and no reader finds a part.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(values), file, indent=2)
    fresh.replace(path)
    return values
