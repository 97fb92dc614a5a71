"""What tells live settings of a provider, in one place: keys and addresses are read alike by all of them."""

import re
from typing import Final
from urllib.parse import urlsplit

from core.errors import InvalidInput

_LIVE_KEY: Final = re.compile(r"(sk|rk)_(org_)?live_", re.IGNORECASE)
"""Stripe's secret, restricted and organisation keys of live mode; docs.stripe.com/keys."""

_BEFORE_HOST: Final = re.compile(r"([a-z][a-z0-9+.-]*:(?=/))?/*", re.IGNORECASE)
"""The scheme, if any, and slashes."""


def is_live_key(key: str) -> bool:
    """Whether a key in Stripe's form is one of live mode, in whatever case and with blanks around it."""
    return bool(_LIVE_KEY.match(key.strip()))


def base_host(base: str) -> str:
    """The host of a base address in lower case, without port and final dot; empty if there is none.

    An address without a scheme has a host, too: what a library makes of it must not decide whether it is live.
    """
    try:
        host = urlsplit(f"//{_BEFORE_HOST.sub('', base.strip(), count=1)}").hostname
    except ValueError:
        return ""
    return (host or "").lower().rstrip(".")


def require_https(setting: str, base: str, live: bool) -> None:
    """Raises InvalidInput, naming the setting, if live settings would send a key over anything but https.

    An empty base is the provider's own, which is https.
    """
    if live and base and not base.strip().lower().startswith("https://"):
        raise InvalidInput(f"{setting} must begin with https: the settings are live, and the key would be readable.")
