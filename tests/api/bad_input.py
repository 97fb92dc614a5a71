"""Bad input for every operation of the OpenAPI description: texts, numbers, times, cursors and bodies."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from api.app import openapi_description


def as_cursor(json_text: str) -> str:
    """A cursor as this service writes it, with this JSON inside."""
    return base64.urlsafe_b64encode(json_text.encode()).decode().rstrip("=")


NUMBERS: Final = (
    *("0", "-1", "-0", "1.5", "1e3", "1e400", "-1e400", "0x7fffffffffffffffffff", "0b1", "1_000", "٣", "²", "NaN"),
    *("Infinity", "-Infinity", "9" * 19, "9" * 40, "9" * 5000, "0x" + "f" * 5000, " 1", "+1", "1,000", "true", "null"),
)
TIMES: Final = (
    *(
        "0000-01-01",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "0001-01-02T00:00:00Z",
    ),
    *(
        "9999-12-31",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
    ),
    *("+275760-09-13T00:00:00Z", "2026-02-30T00:00:00Z", "2026-06-30T23:59:60Z", "2026-01-01T00:00:00", "253402300800"),
    *("-62135596801", "1e20", "2026-W01-1", "20260101T000000Z", "2026-01-01T00:00:00+99:99"),
)
TEXTS: Final = (
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\x7f",
        "\r\nX: y",
        "\ud800",
        "a\udfff",
        "\u202eabc\u2066",
        "\u200b",
        "\ufeff",
        "é" * 250,
    ),
    *(
        "💥" * 100,
        "a" * 255,
        "a" * 256,
        "a" * 5000,
        "..",
        ".",
        "%",
        "%00",
        "%2F",
        "a/b",
        "a\\b",
        "' OR 1=1 --",
        "{}",
        "[]",
    ),
    *("<script>", "${jndi:x}", "{{7*7}}", "%s%n", "_", "%%%", "\\", "*"),
)
CURSORS: Final = (
    *map(as_cursor, ("[]", "{}", "null", "1", '"x"', "[null,null]", "[1,2]", '["x","y"]', "[true,true]", "[NaN,NaN]")),
    *map(as_cursor, ("[" * 700, "[" * 3000, "[1e400,1]", "[" + "9" * 700 + ',"x"]', "[" + "9" * 4400 + "]")),
    *(as_cursor(json.dumps([time, text])) for time in TIMES[1:12] for text in ("x", "\x00", "\ud800")),
    *(
        as_cursor(json.dumps([time, text, number]))
        for time in TIMES[2:8]
        for text in ("x",)
        for number in (1, 2**63, -(2**63))
    ),
    *("=", "====", "A", "-_-_", "\xff", "W10.W10", ".", "..", "W10."),
)
PATH_VALUES: Final = tuple(text for text in TEXTS + NUMBERS + TIMES[:6] if text not in ("", ".", ".."))

DEEP: Final = 100_000
BODIES: Final = (
    *(
        b"",
        b" ",
        b"{",
        b"}",
        b"[]",
        b"null",
        b"true",
        b"1",
        b'"x"',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
    ),
    *(b"{" * DEEP, b"[" * DEEP, b'{"a":' * DEEP, b"[" * DEEP + b"]" * DEEP, b"NaN", b"1e400", b"9" * 5000, b"0x1f"),
    *(
        b'{"reason": NaN}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"a": "\x00"}',
        b'{"\\ud800": 1}',
        b'{"": 1}',
    ),
    *(
        b'{"a": 1, "a": 2}',
        json.dumps({f"key{number}": 1 for number in range(5000)}).encode(),
        b'{"' + b"k" * 60_000 + b'": 1}',
    ),
    *(b"reason=x", b"x" * (1 << 20), b"x" * ((1 << 20) + 1)),
)
FIELD_VALUES: Final = (
    *(
        b"null",
        b"true",
        b"0",
        b"-1",
        b"1.5",
        b"1e400",
        b"-1e400",
        b"1e-400",
        b"NaN",
        b"Infinity",
        b"9223372036854775808",
    ),
    *(
        b"9" * 400,
        b"9" * 5000,
        b'"0x1f"',
        b'"' + b"9" * 5000 + b'"',
        b"[]",
        b"{}",
        b"[" * 500 + b"]" * 500,
        b'""',
        b'"x"',
    ),
    *(b'"\\u0000"', b'"\\ud800"', b'"\\u202e"', b'" "', b'"' + b"a" * 501 + b'"', b'"' + b"[" * 5000 + b'"'),
    *(json.dumps("a." * 3000 + "a = 1").encode(), json.dumps("x = 0x" + "f" * 5000).encode()),
    *(json.dumps(f"x = {'[' * 5000}").encode(), json.dumps("x = " + "9" * 5000).encode(), b'"x = 0000-01-01"'),
    *(json.dumps("[" + " " * 2000 + "x").encode(), json.dumps("".join(f"k{n} = 1\n" for n in range(4000))).encode()),
)


@dataclass(frozen=True)
class Operation:
    """One operation of the description."""

    method: str
    path: str
    described: dict[str, Any] = field(hash=False)

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def statuses(self) -> frozenset[int]:
        """The statuses that it is described to answer with."""
        return frozenset(int(status) for status in self.described["responses"])

    def parameters(self, place: str) -> list[str]:
        """The names of its parameters in this place."""
        return [one["name"] for one in self.described.get("parameters", []) if one["in"] == place]

    @property
    def body_fields(self) -> dict[str, Any]:
        """The properties of its JSON body; empty without one."""
        content = self.described.get("requestBody", {}).get("content", {}).get("application/json", {})
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        properties: dict[str, Any] = openapi_description()["components"]["schemas"].get(name, {}).get("properties", {})
        return properties


@dataclass(frozen=True)
class BadRequest:
    """A request that no client should send."""

    path: str
    """With its query, percent-encoded."""
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What a failing test shows of it."""
        return f"{self.path[:150]} {dict(list(self.headers.items())[-1:])} {(self.body or b'')[:60]!r}"


def list_operations() -> list[Operation]:
    """Every operation of the API's description."""
    paths = openapi_description()["paths"].items()
    return [Operation(method.upper(), path, one) for path, found in paths for method, one in found.items()]


def bad_requests(operation: Operation, known: dict[str, str], good_body: dict[str, Any]) -> Iterator[BadRequest]:
    """Requests to this operation with one bad value each; `known` names what is there, by parameter."""
    good = json.dumps(good_body).encode() if operation.body_fields else None
    path = fill_path(operation.path, known)
    for name in operation.parameters("path"):
        for text in PATH_VALUES:
            yield BadRequest(fill_path(operation.path, known | {name: text}), good)
    for name in operation.parameters("query"):
        yield from (BadRequest(f"{path}?{name}={encode(text)}") for text in values_of(name))
        yield BadRequest(f"{path}?{'&'.join([f'{name}=1'] * 2000)}")
    for name in operation.parameters("header"):
        values = (text for text in TEXTS + NUMBERS if text.isascii() and text.isprintable())
        yield from (BadRequest(path, good, {name: text.strip()}) for text in values)
    if operation.described.get("requestBody"):
        yield from (BadRequest(path, body, {"Content-Type": "application/json"}) for body in BODIES)
        yield BadRequest(path, good, {"Content-Type": "\xff/x; charset=nonsense"})
    for name in operation.body_fields:
        for value in FIELD_VALUES:
            others = [f"{json.dumps(other)}: {json.dumps(one)}" for other, one in good_body.items() if other != name]
            fields = [*(one.encode() for one in others), json.dumps(name).encode() + b": " + value]
            yield BadRequest(path, b"{" + b", ".join(fields) + b"}", {"Content-Type": "application/json"})


def values_of(name: str) -> tuple[str, ...]:
    """Bad values of a query parameter."""
    return TEXTS + (CURSORS if name == "cursor" else NUMBERS + TIMES)


def fill_path(path: str, values: dict[str, str]) -> str:
    """The path with these values, percent-encoded."""
    for name, text in values.items():
        path = path.replace(f"{{{name}}}", encode(text))
    return path


def encode(text: str) -> str:
    """The text percent-encoded, halves of pairs too."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")
