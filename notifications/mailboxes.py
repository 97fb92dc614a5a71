"""Mail addresses as they are sent: local parts quoted where RFC 5321 wants it, domains in ASCII (IDNA 2008).

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
_LONGEST_DOMAIN: Final = 253
_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+")
_UNQUOTED: Final = re.compile(rf"(?:{_ATOM.pattern}|\.)+")
"""Dots may stand anywhere, as people were given such addresses; other special characters only in quotes."""
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_ESCAPED: Final = re.compile(r"\\(.)")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?")
_NAMED: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
_QUOTED_NAMED: Final = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*")\s*<(?P<address>[^<>]+)>')


class Mailbox(Value):
    """One address: `local` without quotes, `domain` in ASCII, `name` of whoever it belongs to, on one line."""

    local: str
    domain: str
    name: str = ""

    @property
    def address(self) -> str:
        """As SMTP's commands and headers have it, its local part quoted where it must be."""
        plain = all(_ATOM.fullmatch(part) for part in self.local.split("."))
        local = self.local if plain else f'"{escape(self.local)}"'
        return f"{local}@{self.domain}"

    @property
    def is_international(self) -> bool:
        """Whether only a server that offers SMTPUTF8 can take it."""
        return not self.local.isascii()

    def __repr__(self) -> str:
        """Nothing personal, wherever it is printed by accident."""
        return "Mailbox(…)"

    __str__ = __repr__


def parse_mailbox(text: str, name: str = "") -> Mailbox | None:
    """The mailbox of one bare address; None for what is none, or several."""
    local, at, domain = text.strip().rpartition("@")
    read, known = _parse_local_part(local), _encode_domain(domain)
    fits = bool(at) and read is not None and known is not None
    if not fits or read is None or known is None or len(read.encode()) > _LONGEST_LOCAL:
        return None
    return Mailbox(local=read, domain=known, name=to_single_line(name))


def parse_recipient(text: str) -> Mailbox | None:
    """Of what a provider knows as a customer's address: bare, or `Name <address>`, whose name doesn't count."""
    stripped = text.strip()
    named = _QUOTED_NAMED.fullmatch(stripped) or _NAMED.fullmatch(stripped)
    found = parse_mailbox(named["address"] if named else stripped)
    others = _mailboxes_in_name(named["name"]) if named and not stripped.startswith('"') else []
    return found if stripped.isprintable() and all(one == found for one in others) else None


def parse_sender(text: str) -> Mailbox:
    """`Acme, Inc. <billing@acme.example>`, with or without quotes around the name, or the address alone.

    Raises InvalidInput, naming MAIL_FROM, for what can't be a sender.
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
    """A name as a header may hold it: somebody else's text must not end the header and begin another."""
    kept = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(kept.split())[:LONGEST_NAME].strip()


def _parse_local_part(text: str) -> str | None:
    """The local part without its quotes; None for what needs quotes and has none."""
    if not text.isprintable():
        return None
    if _QUOTED.fullmatch(text):
        inner = _unescape_quoted(text)
        return inner if inner and inner.isascii() else None
    return text if _UNQUOTED.fullmatch(text) and text.strip(".") else None


def _unescape_quoted(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted[1:-1])


def _encode_domain(text: str) -> str | None:
    """In ASCII; Python's own codec follows IDNA 2003, which sends `straße.example` to somebody else."""
    try:
        known = text if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    fits = 0 < len(known) <= _LONGEST_DOMAIN and all(_LABEL.fullmatch(label) for label in known.split("."))
    return known if fits else None


def _decode_name(name: str) -> str:
    """A name that was given in the form of RFC 2047, in letters."""
    try:
        return str(make_header(decode_header(name))) if "=?" in name else name
    except (HeaderParseError, LookupError, ValueError):
        return name


def _mailboxes_in_name(name: str) -> list[Mailbox]:
    """In a name without quotes: several mailboxes in one text, of which only one would be meant."""
    return [found for part in re.split(r"[,;]", name) if (found := parse_mailbox(part))]
