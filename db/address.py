"""Parses a database address into libpq's parameters, before anything connects.

Syntax: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING. Also accepted, as in SQLAlchemy:
`?host=a:1&host=b:2`, blanks and `=` in a value, a driver's name after the scheme. Errors repeat nothing of an address
but names of hosts and parameters: what looks like another part may be a piece of a password.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

from psycopg import ProgrammingError, conninfo, pq
from pydantic import Field

from core.base import Value
from core.errors import InvalidInput

ENCODE: Final = "characters like @ : / ? # % in a password must be percent-encoded"
_SCHEME: Final = re.compile(r"(?:postgres|postgresql)(?:\+\w+)?://(?P<rest>.*)", re.DOTALL)
# A password may hold a raw @ or /, as far as it can still be told from what follows; a port begins no password.
_PARTS: Final = re.compile(
    r"(?:(?P<user>[^:/?@]*)(?::(?P<password>[^/?]*|[^@?]*|(?!\d+[,/?])[^@]*))?@)?"
    r"(?P<hosts>[^/?]*)(?:/(?P<dbname>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST: Final = re.compile(r"(?:\[(?P<ip>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>.*))?")
_SETTING: Final = re.compile(r"(?:-c|--)([\w.-]+)=(.*)", re.DOTALL)
_ELSEWHERE: Final = {"host", "hostaddr", "port", "service", "password", "passfile"}
_WHOLE_NUMBERS: Final = ("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
                         "tcp_user_timeout")  # fmt: skip


class Address(Value):
    """A database address as libpq's parameters; not shown by `repr`, since a password is among them."""

    parameters: Mapping[str, str] = Field(repr=False)

    @property
    def role(self) -> str | None:
        """The role to log in as; None where the address names none."""
        return self.parameters.get("user")

    @property
    def host_count(self) -> int:
        """How many servers the address names, at least 1."""
        named = self.parameters.get("hostaddr") or self.parameters.get("host", "")
        return named.count(",") + 1

    @property
    def options(self) -> str:
        """The startup options of the address or, where it has none, of the variable PGOPTIONS; may be empty."""
        defaults = {option.keyword: option.val for option in pq.Conninfo.get_defaults()}
        return self.parameters.get("options") or (defaults.get(b"options") or b"").decode()


def parse_address(text: str, setting: str = "DATABASE_URL") -> Address:
    """The address that `setting` holds.

    Raises InvalidInput for text that is no address or has parameters that libpq doesn't know; the message names the
    setting and no secret.
    """
    try:
        parameters = _parse_parameters(text.strip())
        _check_parameters(parameters)
    except _AddressError as wrong:
        raise InvalidInput(f"{setting}: {wrong}.") from None
    return Address(parameters=parameters)


def settings_of(options: str) -> dict[str, str] | None:
    """The settings (`-c name=value`) in startup options, by name; None where the options hold anything else."""
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", options)]
    whole = [f"-c{word}" if before == "-c" else word for before, word in pairwise(["", *words]) if word != "-c"]
    found = [_SETTING.fullmatch(word) for word in whole]
    return {one[1].replace("-", "_"): one[2] for one in found if one} if all(found) else None


class _AddressError(Exception):
    """What is wrong with an address, as a sentence without secrets."""


def _parse_parameters(text: str) -> dict[str, str]:
    uri = _SCHEME.fullmatch(text)
    if uri:
        return _parse_uri(uri["rest"])
    if "://" in text or "=" not in text:
        raise _AddressError("not an address like postgresql://user@host/name; it must begin with postgresql://")
    try:
        return {key: str(value) for key, value in conninfo.conninfo_to_dict(text).items()}
    except ProgrammingError:
        raise _AddressError("not made of libpq's KEY=VALUE; a value with blanks must stand in single quotes") from None


def _parse_uri(rest: str) -> dict[str, str]:
    parts = _PARTS.fullmatch(rest)
    if not parts or any("@" in (parts[name] or "") for name in ("hosts", "dbname")):
        raise _AddressError(f"it has an @ too many; {ENCODE}")
    plain = {name: unquote(parts[name]) for name in ("user", "password", "dbname") if parts[name]}
    return plain | _parse_servers(parts["hosts"].split(",")) | _parse_query(parts["query"] or "")


def _parse_servers(written: Sequence[str]) -> dict[str, str]:
    """Hosts and ports as libpq's comma-separated lists."""
    found = [_HOST.fullmatch(unquote(one) if "%2F" in one.upper() else one) for one in written]
    if not all(found):
        raise _AddressError(f"a host can't be read; an IPv6 address stands in brackets, and {ENCODE}")
    hosts = [unquote(one["ip"] or one["name"] or "") for one in found if one]
    ports = [_check_port(one["port"] or "", host) for one, host in zip(found, hosts, strict=True) if one]
    servers = {"host": ",".join(hosts), "port": ",".join(ports)}
    return {key: value for key, value in servers.items() if value.strip(",")}


def _check_port(text: str, host: str) -> str:
    if text and not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= 65535):
        raise _AddressError(f"the port of {host or 'the host'} is no number from 1 to 65535; {ENCODE}")
    return text


def _parse_query(text: str) -> dict[str, str]:
    """The parameters after the question mark. `host` and `port` may be repeated, values of `options` are joined."""
    given: dict[str, list[str]] = {}
    for part in filter(None, text.split("&")):
        key, equals, value = part.partition("=")
        if not equals:
            raise _AddressError(f"a parameter behind the ? has no value; {ENCODE}")
        given.setdefault(unquote(key), []).append(unquote(value))
    servers = _parse_servers(_lone_addresses(given.pop("host"))) if "host" in given else {}
    ports = {"port": ",".join(given.pop("port"))} if "port" in given else {}
    options = {"options": _restore_blanks(" ".join(given.pop("options")))} if "options" in given else {}
    if "ssl" in given:  # libpq takes JDBC's ssl=true, asyncpg the words of sslmode
        given.setdefault("sslmode", ["require" if one == "true" else one for one in given.pop("ssl")])
    twice = sorted(key for key, values in given.items() if len(set(values)) > 1)
    if twice:
        raise _AddressError(f"{twice[0]} is given twice")
    return {key: values[0] for key, values in given.items()} | servers | ports | options


def _lone_addresses(values: Iterable[str]) -> list[str]:
    """Hosts given as parameters, where an IPv6 address needs no brackets; with brackets added."""
    hosts = [host for value in values for host in value.split(",")]
    return [f"[{host}]" if host.count(":") > 1 and "[" not in host else host for host in hosts]


def _restore_blanks(options: str) -> str:
    """Options with `+` replaced by a blank where it can mean nothing else."""
    return re.sub(r"(?<=-c)\+|\+(?=-)", " ", options)


def _check_parameters(parameters: Mapping[str, str]) -> None:
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    strange = sorted(parameters.keys() - known)
    if strange:
        raise _AddressError(f"PostgreSQL's client knows no parameter {strange[0]}")
    if any("\0" in value for value in parameters.values()):
        raise _AddressError("it holds a zero byte")
    for name in _WHOLE_NUMBERS:
        if not re.fullmatch(r"-?\d{1,9}|", parameters.get(name, ""), re.ASCII):
            raise _AddressError(f"{name} must be a whole number")
    _check_ports(parameters)
    _check_words(parameters)


def _check_ports(parameters: Mapping[str, str]) -> None:
    ports = parameters.get("port", "").split(",")
    for port in ports:
        _check_port(port, "")
    hosts = Address(parameters=parameters).host_count
    if len(ports) not in {1, hosts}:
        raise _AddressError(f"{len(ports)} ports for {hosts} hosts")


def _check_words(parameters: Mapping[str, str]) -> None:
    """Raises _AddressError for values that libpq refuses, such as an unknown sslmode."""
    # libpq checks all values before it looks for a server: with a socket that doesn't exist nothing is connected.
    words = {key: value for key, value in parameters.items() if key not in _ELSEWHERE}
    tried = pq.PGconn.connect_start(conninfo.make_conninfo("", **words, host="/nowhere").encode())
    said = " ".join(tried.get_error_message().split())
    tried.finish()
    if said and "connection to server" not in said:
        raise _AddressError(said)
