"""Database addresses: every accepted notation, and the errors of invalid ones."""

import pytest

from core.errors import InvalidInput
from db.address import parse_address, settings_of

VALID_ADDRESSES = {
    "postgres://u@h/n": {"user": "u", "host": "h", "dbname": "n"},
    "postgresql://u@h/n": {"user": "u", "host": "h", "dbname": "n"},
    "postgresql+asyncpg://u@h/n": {"user": "u", "host": "h", "dbname": "n"},
    "postgresql://": {},
    "postgresql:///n": {"dbname": "n"},
    "postgresql://u:p%40%2F%3A%25@h:5433/n": {
        "user": "u", "password": "p@/:%", "host": "h", "port": "5433", "dbname": "n",
    },
    "postgresql://u%40corp@h/n%20m": {"user": "u@corp", "host": "h", "dbname": "n m"},
    "postgresql://u@host1:5432,host2:5433/n": {"user": "u", "host": "host1,host2", "port": "5432,5433", "dbname": "n"},
    "postgresql://u@host1,host2:5433/n": {"user": "u", "host": "host1,host2", "port": ",5433", "dbname": "n"},
    "postgresql://u@[::1]:5432,[fe80::2]/n": {"user": "u", "host": "::1,fe80::2", "port": "5432,", "dbname": "n"},
    "postgresql://u@/n?host=a&host=b": {"user": "u", "host": "a,b", "dbname": "n"},
    "postgresql://u@/n?host=a:1&host=b:2": {"user": "u", "host": "a,b", "port": "1,2", "dbname": "n"},
    "postgresql://u@/n?host=a,b&port=1,2": {"user": "u", "host": "a,b", "port": "1,2", "dbname": "n"},
    "postgresql://u@/n?host=fe80::1": {"user": "u", "host": "fe80::1", "dbname": "n"},
    "postgresql://u@/n?host=/var/run/postgresql": {"user": "u", "host": "/var/run/postgresql", "dbname": "n"},
    "postgresql://u@%2Fvar%2Frun:5433/n": {"user": "u", "host": "/var/run", "port": "5433", "dbname": "n"},
    "postgresql://h:5432/n?application_name=a@b": {
        "host": "h", "port": "5432", "dbname": "n", "application_name": "a@b",
    },
    "postgresql://h1:5432,h2:5432/n?application_name=a@b": {
        "host": "h1,h2", "port": "5432,5432", "dbname": "n", "application_name": "a@b",
    },
    "postgresql://h/n?target_session_attrs=read-write&sslmode=verify-full": {
        "host": "h", "dbname": "n", "target_session_attrs": "read-write", "sslmode": "verify-full",
    },
    "postgresql://h/n?ssl=true": {"host": "h", "dbname": "n", "sslmode": "require"},
    "postgresql://h/n?ssl=verify-ca": {"host": "h", "dbname": "n", "sslmode": "verify-ca"},
    "host=a,b port=1,2 dbname=n password='p x'": {"host": "a,b", "port": "1,2", "dbname": "n", "password": "p x"},
    "host='/var/run' user = u": {"host": "/var/run", "user": "u"},
}  # fmt: skip


@pytest.mark.parametrize(("address", "parameters"), VALID_ADDRESSES.items())
def test_valid_address_is_parsed(address: str, parameters: dict[str, str]) -> None:
    settings = parse_address(address)
    assert settings.parameters == parameters
    assert settings.role == parameters.get("user")
    assert settings.host_count == parameters.get("host", "").count(",") + 1


@pytest.mark.parametrize("raw", ["p@w", "p/w", "p?w", "p:w", "p#w", "p w", "p%w", "p@w@x", "p+w", "p&w", "5/w", "p%zz"])
def test_unencoded_password_is_parsed_where_unambiguous(raw: str) -> None:
    assert parse_address(f"postgresql://u:{raw}@h:5432/n").parameters == {
        "user": "u", "password": raw, "host": "h", "port": "5432", "dbname": "n",
    }  # fmt: skip


OPTION_ADDRESSES = {
    "?options=-c search_path=billing": "-c search_path=billing",
    "?options=-c%20search_path%3Dbilling": "-c search_path=billing",
    "?options=-c+search_path%3Dbilling": "-c search_path=billing",
    "?options=-c+a.b%3D1+-c+TimeZone%3DEtc/GMT+1": "-c a.b=1 -c TimeZone=Etc/GMT+1",
    "?options=-c a.b=1&options=--c.d=2": "-c a.b=1 --c.d=2",
}


@pytest.mark.parametrize(("query", "options"), OPTION_ADDRESSES.items())
def test_options_are_parsed_in_every_notation(query: str, options: str) -> None:
    assert parse_address(f"postgresql://u@h/n{query}").options == options


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("", {}),
        ("-c a=1 -cb=2 --c-d=3  -c e=5", {"a": "1", "b": "2", "c_d": "3", "e": "5"}),
        (r"-c search_path=a,\ b", {"search_path": "a, b"}),
        ("-c a=b=c", {"a": "b=c"}),
        ("endpoint=ep-1", None),
        ("-c a=1 -e", None),
    ],
)
def test_options_as_settings(options: str, settings: dict[str, str] | None) -> None:
    assert settings_of(options) == settings


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "must begin with postgresql://"),
        ("nonsense", "must begin with postgresql://"),
        ("mysql://u@h/n", "must begin with postgresql://"),
        ("jdbc:postgresql://h/n", "must begin with postgresql://"),
        ("postgresql://u@h:port/n", "the port of h is no number"),
        ("postgresql://u@h:0/n", "the port of h is no number"),
        ("postgresql://u@h:70000/n", "the port of h is no number"),
        ("postgresql://u@h:99999999999999999999999/n", "the port of h is no number"),
        ("postgresql://u@h1:1,h2:x/n", "the port of h2 is no number"),
        ("postgresql://u@h/n?port=x", "the port of the host is no number"),
        ("host=h port=x", "the port of the host is no number"),
        ("postgresql://u@h1,h2/n?port=1,2,3", "3 ports for 2 hosts"),
        ("postgresql://u@::1/n", "the port of the host"),
        ("postgresql://u@[::1/n", "IPv6"),
        ("postgresql://u@h/n?sslmode=maybe", 'invalid sslmode value: "maybe"'),
        ("postgresql://u@h/n?target_session_attrs=fast", 'invalid target_session_attrs value: "fast"'),
        ("postgresql://u@h/n?pgbouncer=true", "knows no parameter pgbouncer"),
        ("postgresql://u@h/n?connect_timeout=soon", "connect_timeout must be a whole number"),
        ("postgresql://u@h/n?sslmode=require&sslmode=disable", "sslmode is given twice"),
        ("postgresql://u@h/n?sslmode", "has no value"),
        ("postgresql://u@h/n%00", "zero byte"),
    ],
)
def test_invalid_address_is_refused_with_its_reason(address: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_address(address, "DATABASE_OWNER_URL")
    assert str(refused.value).startswith("DATABASE_OWNER_URL: ")
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:hunter2@x/y@h/n",
        "postgresql://u:hunter2@[h/n",
        "postgresql://u:hunter2:x",
        "postgresql://u:1?hunter2@h/n",
        "postgresql://u:a@b?hunter2@h/n",
        "host=h password=my hunter2",
        "password='hunter2",
        "postgresql://u:hunter2%00@h/n",
        "postgresql://u:hunter2@h/n?sslmode=x",
        "mysql://u:hunter2@h/n",
    ],
)
def test_no_error_shows_a_password(address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_address(address)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_an_address_is_printed_without_its_password() -> None:
    assert "hunter2" not in repr(parse_address("postgresql://u:hunter2@h/n"))
