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
    """Kept in DATA_DIR/dev.json, readable by its owner only; never good for anything but this machine."""

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
        """Both halves, as the sandbox signs with them."""
        return f"{self.braintree_public_key}|{self.braintree_private_key}"


def load_secrets(path: Path) -> DevSecrets:
    """The secrets in `path`, made on the first start."""
    if not path.exists():
        return _write_secrets(path, _new_secrets())
    try:
        found = json.loads(path.read_text())
        known = DevSecrets(**found)
    except (ValueError, TypeError) as error:
        raise DevstackError(f"{path} cannot be read ({error}): remove it to get new secrets") from error
    return known if asdict(known) == found else _write_secrets(path, known)  # a directory of an older release


def ensure_sandbox_port(path: Path, known: DevSecrets) -> DevSecrets:
    """The same with a sandbox port that can be used; it changes only when the old one is taken."""
    return known if is_free(known.sandbox_port) else _write_secrets(path, replace(known, sandbox_port=free_port()))


def _new_secrets() -> DevSecrets:
    token = partial(secrets.token_hex, 16)
    return DevSecrets(f"whsec_{token()}", f"dev_{token()}", f"sk_test_{token()}", free_port())


def _write_secrets(path: Path, values: DevSecrets) -> DevSecrets:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(values), file, indent=2)
    fresh.replace(path)
    return values
