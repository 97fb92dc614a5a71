"""The address under which one customer unsubscribes: ours, or the merchant's own with the token in it."""

from typing import Final
from urllib.parse import urlsplit

from core.errors import InvalidInput

TOKEN: Final = "{token}"
_WRONG: Final = "UNSUBSCRIBE_URL is not an address that begins with https:// or mailto:."


class UnsubscribeLinks:
    """Builds the link of a letter. Raises InvalidInput for an address that can't stand in a header."""

    def __init__(self, unsubscribe_url: str = "", public_url: str = "") -> None:
        ours = f"{public_url.rstrip('/')}/unsubscribe/{TOKEN}" if public_url else ""
        self._address = unsubscribe_url.strip() or ours
        fits = self._address.isascii() and self._address.isprintable() and not set(self._address) & set("<> ,")
        if self._address and not (fits and _usable(self._address)):
            raise InvalidInput(_WRONG)

    @property
    def personal(self) -> bool:
        """Whether a link names its customer: a page does, a mail is from them anyway."""
        return self._address.startswith(("https://", "http://"))

    def link(self, token: str) -> str:
        """With the token where `{token}` stands, else as the last parameter; empty where there is no address."""
        if TOKEN in self._address or not self.personal:
            return self._address.replace(TOKEN, token)
        bare, hash_, fragment = self._address.partition("#")
        return f"{bare}{'&' if urlsplit(bare).query else '?'}token={token}{hash_}{fragment}"


def _usable(address: str) -> bool:
    try:
        parts = urlsplit(address.replace(TOKEN, "token"))
    except ValueError:
        return False
    return bool(parts.hostname) if parts.scheme in {"https", "http"} else parts.scheme == "mailto"
