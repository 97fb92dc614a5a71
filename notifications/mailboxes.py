"""Parses mail addresses and formats them for SMTP: local parts quoted per RFC 5321, domains in ASCII (IDNA 2008).

Sources: RFC 5321 section 4.1.2 (mailbox, quoted string) and 4.5.3.1 (lengths), RFC 6531 (SMTPUTF8), RFC 5891 with
UTS 46 (domains), RFC 2047 (names). Addresses like `abc..def.@docomo.example`, which Japanese carriers gave out, are no
dot-atoms: sent as `"abc..def."@docomo.example` they are delivered.
"""

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import quote as escape
from typing import Final

import idna

from core.base import Value
from core.errors import InvalidInput

LONGEST_NAME: Final = 100
_LONGEST_LOCAL: Final = 64
_LONGEST_QUOTED: Final = 2 * _LONGEST_LOCAL + 2
"""Characters of the longest local part in quotes, with a backslash before each of its characters."""
_LONGEST_DOMAIN: Final = 253
_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+")
_UNQUOTED: Final = re.compile(_ATOM.pattern.replace("[", "[.", 1))
"""A local part without quotes. Dots are allowed anywhere, since such addresses exist; other specials need quotes."""
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME_SEPARATOR: Final = re.compile(r"[,;]")
_ESCAPED: Final = re.compile(r"\\(.)")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?")
_NAMED: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
_QUOTED_NAMED: Final = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*")\s*<(?P<address>[^<>]+)>')


class Mailbox(Value):
    """One address: `local` without quotes, `domain` in ASCII, `name` of its owner on one line."""

    local: str
    domain: str
    name: str = ""

    @property
    def address(self) -> str:
        """The address for SMTP commands and headers, with the local part quoted if necessary."""
        local = self.local if _is_dot_atom(self.local) else f'"{escape(self.local)}"'
        return f"{local}@{self.domain}"

    @property
    def is_international(self) -> bool:
        """Whether the address needs a server with SMTPUTF8."""
        return not self.local.isascii()

    def __repr__(self) -> str:
        """No personal data, even if it is printed by accident."""
        return "Mailbox(…)"

    __str__ = __repr__


def parse_mailbox(text: str, name: str = "") -> Mailbox | None:
    """The mailbox of one bare address; None for any other text, also for several addresses."""
    local, at, domain = text.strip().rpartition("@")
    # Measured before they are parsed: a domain in other scripts takes long to convert.
    if len(local) > _LONGEST_QUOTED or len(domain) > _LONGEST_DOMAIN:
        return None
    read, known = _parse_local_part(local), _encode_domain(domain)
    fits = bool(at) and read is not None and known is not None
    if not fits or read is None or known is None or len(read.encode()) > _LONGEST_LOCAL:
        return None
    return Mailbox(local=read, domain=known, name=to_single_line(name))


def parse_recipient(text: str) -> Mailbox | None:
    """The mailbox of a customer's address, bare or `Name <address>`, without the name; None if it is invalid."""
    stripped = text.strip()
    named = _QUOTED_NAMED.fullmatch(stripped) or _NAMED.fullmatch(stripped)
    found = parse_mailbox(named["address"] if named else stripped)
    others = _mailboxes_in_name(named["name"]) if named and not stripped.startswith('"') else []
    return found if stripped.isprintable() and all(one == found for one in others) else None


def parse_sender(text: str) -> Mailbox:
    """The mailbox of `Acme, Inc. <billing@acme.example>`, with or without quotes around the name, or a bare address.

    Raises InvalidInput, naming MAIL_FROM, for any other text.
    """
    stripped = text.strip()
    quoted, named = _QUOTED_NAMED.fullmatch(stripped), _NAMED.fullmatch(stripped)
    found, name = quoted or named, ""
    if found:
        name = _unescape_quoted(found["name"].strip()) if quoted else found["name"].strip()
    sender = parse_mailbox(found["address"] if found else stripped, _decode_name(name))
    if sender is None or not stripped.isprintable() or (not quoted and _mailboxes_in_name(name)):
        raise InvalidInput("MAIL_FROM is not one address like Acme, Inc. <billing@acme.example>.")
    return sender


def to_single_line(name: str) -> str:
    """A name on one line, up to 100 characters, for a header."""
    # The name comes from outside: a line break in it would begin another header.
    kept = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(kept.split())[:LONGEST_NAME].strip()


def _parse_local_part(text: str) -> str | None:
    """The local part without its quotes; None for text that is invalid or lacks necessary quotes."""
    if not text.isprintable():
        return None
    if _QUOTED.fullmatch(text):
        inner = _unescape_quoted(text)
        return inner if inner and inner.isascii() else None
    # Dots at odd places are sent in quotes, and mail libraries read no other letters than ASCII in quotes.
    sendable = text.isascii() or _is_dot_atom(text)
    return text if _UNQUOTED.fullmatch(text) and text.strip(".") and sendable else None


def _is_dot_atom(local: str) -> bool:
    """Whether the local part can stand without quotes (RFC 5322, section 3.4.1)."""
    return all(_ATOM.fullmatch(part) for part in local.split("."))


def _unescape_quoted(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted[1:-1])


def _encode_domain(text: str) -> str | None:
    """The domain in ASCII; None if it is invalid."""
    # Not Python's own codec: IDNA 2003 maps `straße.example` to another domain.
    try:
        known = text if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    fits = 0 < len(known) <= _LONGEST_DOMAIN and all(_LABEL.fullmatch(label) for label in known.split("."))
    return known if fits else None


def _decode_name(name: str) -> str:
    """A name with RFC 2047 encoding decoded; unchanged if it has none or can't be decoded."""
    try:
        return str(make_header(decode_header(name))) if "=?" in name else name
    except (HeaderParseError, LookupError, ValueError):
        return name


def _mailboxes_in_name(name: str) -> list[Mailbox]:
    """Mailboxes within a name: a text that lists several addresses is ambiguous and refused."""
    return [found for part in _NAME_SEPARATOR.split(name) if (found := parse_mailbox(part))]
