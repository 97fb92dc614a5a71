"""Masks webhook bodies for display: readable, without secrets and personal data.

Only what is known to be harmless is shown: numbers, ids, codes and dates. Persons and secrets are never shown, any
other text only by its first letters. So a key that a provider adds later hides too much rather than too little.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

from api.admin import masking_keys
from core.base import Value
from core.customer_ids import names_person

MASK: Final = "••••"
LONGEST_SHOWN: Final = 200_000
"""Characters of a body that are shown; the rest is left out."""
LONGEST_ID: Final = 64
LARGEST_SHOWN: Final = 10**30
DEEPEST: Final = 60

_MAIL: Final = re.compile(r"\S@\S")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]*")
_MARKED: Final = re.compile(r"(?=.*[a-z0-9])(?=.*[_\d])")
"""An underscore or a digit, which ids have and names of people don't."""
_SECRET: Final = re.compile(r"^(sk|rk|pk|whsec|ek)_|_secret|^eyJ", re.I)
_WORD: Final = re.compile(r"\w++")
_SECRET_PREFIX: Final = re.compile(r"(sk|rk|pk|whsec|ek|seti|pi|src|cs)_", re.I)
_SECRET_ENDING: Final = re.compile("secret", re.I)
_DIGIT_GAP: Final = re.compile(r"(?<=\d)[ \-](?=\d)")
_CARD_LENGTH: Final = re.compile(r"(?<![A-Za-z\d])\d{12,19}(?![A-Za-z\d])")
_DIGITS: Final = re.compile(r"[\d\s()+./\-]{7,}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| ?UTC|[+-]\d\d:?\d\d)?)?")
_IP: Final = re.compile(r"\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}")
_IBAN: Final = re.compile(r"[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}")
_PLAIN: Final = frozenset({"true", "false", "null", "yes", "no", "none", ""})


class MaskedBody(Value):
    """A masked body."""

    kind: str
    """The format for people: JSON, XML, form or something else."""
    text: str
    """Empty if nothing of it may be shown."""
    is_truncated: bool = False
    """Whether its end is left out."""


def mask_body(body: bytes) -> MaskedBody:
    """The body with personal data and secrets masked. Never raises."""
    try:
        kind, text = _mask_by_format(body)
    except (ValueError, RecursionError, ElementTree.ParseError):
        return MaskedBody(kind=f"something else, {len(body):,} bytes", text="")
    return MaskedBody(kind=kind, text=text[:LONGEST_SHOWN], is_truncated=len(text) > LONGEST_SHOWN)


def _mask_by_format(body: bytes) -> tuple[str, str]:
    """Format and masked text. Raises ValueError, ParseError or RecursionError for a body that can't be parsed."""
    text = body.decode("utf-8")
    if not text.strip():
        raise ValueError("nothing")
    if text.lstrip()[:1] in ("{", "["):
        return "JSON", _format_json(mask_tree(json.loads(text)))
    if text.lstrip()[:1] == "<":
        return "XML", _mask_xml(text)
    return _mask_form(text)


def _mask_form(text: str) -> tuple[str, str]:
    """A form as masked JSON; Braintree's payload, XML in base64, comes after the other fields. Raises ValueError."""
    fields = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=50))
    payload = fields.pop("bt_payload", None)
    if payload is None:
        return "form", _format_json(mask_tree(fields))
    return "form with XML", f"{_format_json(mask_tree(fields))}\n\n{_mask_xml(_decode_payload(payload))}"


def _decode_payload(payload: str) -> str:
    try:
        return base64.b64decode(payload, validate=False).decode("utf-8")
    except binascii.Error as error:
        raise ValueError("no base64") from error


def _format_json(found: Any) -> str:
    """The JSON as indented lines, up to a little more than is shown: the indentation of deep lists is long."""
    parts: list[str] = []
    length = 0
    for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(found):
        parts.append(part)
        length += len(part)
        if length > LONGEST_SHOWN:
            break
    return "".join(parts)


def _mask_xml(text: str) -> str:
    """XML as masked text. Raises ValueError for XML with declarations."""
    # No provider's webhook declares entities, and nested ones can expand without end.
    if "<!" in text:
        raise ValueError("declarations")
    root = ElementTree.fromstring(text)
    _mask_element(root, hidden=False, depth=0)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _mask_element(element: ElementTree.Element, *, hidden: bool, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("too deep")
    below = hidden or masking_keys.is_hiding_key(element.tag)
    for name, value in element.attrib.items():
        element.set(name, value if name in {"type", "nil"} else mask_text(name, value, hidden=below))
    if element.text and element.text.strip():
        element.text = mask_text(element.tag, element.text.strip(), hidden=below)
    element.tail = None
    for inner in element:
        _mask_element(inner, hidden=below, depth=depth + 1)


def mask_tree(found: Any, key: str = "", *, hidden: bool = False, depth: int = 0) -> Any:
    """The tree with every text and number masked that isn't known to be harmless; `hidden` below a key that hides.

    Raises ValueError beyond 60 levels.
    """
    if depth > DEEPEST:
        raise ValueError("too deep")
    below = hidden or masking_keys.is_hiding_key(key)
    match found:
        case Mapping():
            return {
                _mask_key(name): mask_tree(value, name, hidden=below, depth=depth + 1) for name, value in found.items()
            }
        case list():
            return [mask_tree(one, key, hidden=hidden, depth=depth + 1) for one in found]
        case str():
            return mask_text(key, found, hidden=below)
        case bool() | None:
            return found
        case _:
            return mask_number(key, found, hidden=below)


def _mask_key(name: str) -> str:
    # Some providers use ids or e-mail addresses as keys.
    harmless = name.replace(".", "").replace(" ", "").replace("/", "")
    fit = len(name) <= LONGEST_ID and (harmless == "" or _ID.fullmatch(harmless)) and not _is_personal(name)
    return name if fit else _keep_beginning(name)


def mask_number(key: str, number: float, *, hidden: bool) -> float | str:
    """The number; masked below a key that hides, or if it could be a card number."""
    if hidden and not masking_keys.is_shown_inside(key):
        return MASK
    # Longer integers are no card numbers, and Python refuses to write those of thousands of digits.
    if isinstance(number, int) and abs(number) >= LARGEST_SHOWN:
        return MASK
    return MASK if _has_card_number(str(number)) else number


def mask_text(key: str, text: str, *, hidden: bool) -> str:
    """The text as it is, shortened to its beginning, or masked, by its key and shape."""
    if text.lower() in _PLAIN:
        return text
    if _is_suspect(text) or (masking_keys.is_customer_key(key) and names_person(text)):
        return MASK
    if hidden:
        return text if masking_keys.is_shown_inside(key) and _is_one_word(text) else MASK
    if "://" in text:
        return _mask_address(text)
    if _MOMENT.fullmatch(text) or (_is_one_word(text) and (masking_keys.is_shown_key(key) or _is_harmless(text))):
        return text
    return _keep_beginning(text)


def _is_suspect(text: str) -> bool:
    """Whether the text has the shape of a secret or of personal data, whatever its key."""
    return bool(_SECRET.search(text)) or any(map(_names_secret, _WORD.findall(text))) or _is_personal(text)


def _names_secret(word: str) -> bool:
    """Whether it is a provider's secret such as `pi_123_secret_456`."""
    # Two searches, since one pattern for both takes quadratic time for a word that repeats the beginning.
    prefix = _SECRET_PREFIX.search(word)
    return prefix is not None and _SECRET_ENDING.search(word, prefix.end()) is not None


def _is_personal(text: str) -> bool:
    return bool(
        _MAIL.search(text)
        or _IP.fullmatch(text)
        or _is_iban(text)
        or _has_card_number(text)
        or (_DIGITS.fullmatch(text) and _is_phone_number(text))
    )


def _is_phone_number(text: str) -> bool:
    """Whether the text is 7 to 15 digits in groups or after a plus; plain digits are more often ids."""
    return not _MOMENT.fullmatch(text) and 7 <= sum(map(str.isdigit, text)) <= 15 and not text.isdigit()


def _has_card_number(text: str) -> bool:
    """Whether a run of digits in it could be a card number (ISO/IEC 7812: 12 to 19 digits with a Luhn checksum)."""
    return any(_passes_luhn(run) for run in _CARD_LENGTH.findall(_DIGIT_GAP.sub("", text)))


def _passes_luhn(digits: str) -> bool:
    doubled = (2 * int(one) - 9 * (int(one) > 4) for one in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """Whether the text is an IBAN with valid check digits (ISO 13616)."""
    joined = text.replace(" ", "")
    if not (_IBAN.fullmatch(joined) and joined.isascii()):
        return False
    return int("".join(str(int(one, 36)) for one in joined[4:] + joined[:4])) % 97 == 1


def _is_one_word(text: str) -> bool:
    return len(text) <= LONGEST_ID and _ID.fullmatch(text) is not None


def _is_harmless(text: str) -> bool:
    """Whether the text may be shown under an unknown key: an id, or up to six digits (more could be a phone number)."""
    if text.isdigit():
        return len(text) <= 6
    return _MARKED.match(text) is not None and not text.replace(".", "").replace("-", "").isalpha()


def _mask_address(text: str) -> str:
    """Scheme and host of a link; the rest is masked, since it often works like a password."""
    try:
        return f"{urlsplit(text).scheme}://{urlsplit(text).hostname or ''}/{MASK}"
    except ValueError:
        return MASK


def _keep_beginning(text: str) -> str:
    """The first three characters, at most a quarter of the text, and a mask."""
    return f"{text[: min(3, len(text) // 4)]}{MASK}"
