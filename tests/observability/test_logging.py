"""One JSON object per log line, whoever logs it."""

import io
import json
import logging as stdlib
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from observability import logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The written log; logging is restored afterwards."""
    root = stdlib.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    logging.configure_logging("INFO", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def read_lines(lines: io.StringIO) -> list[dict[str, Any]]:
    """The JSON objects of the lines."""
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_names_its_recovery(lines: io.StringIO) -> None:
    with logging.recovery_log_context("recovery-stripe-in_1", invoice="in_1", provider="stripe"):
        structlog.get_logger("api").info("planned", attempt=2)
    structlog.get_logger("api").info("outside")
    inside, outside = read_lines(lines)
    assert {
        key: inside[key] for key in ("event", "recovery_id", "invoice", "provider", "attempt", "level", "logger")
    } == {
        "event": "planned",
        "recovery_id": "recovery-stripe-in_1",
        "invoice": "in_1",
        "provider": "stripe",
        "attempt": 2,
        "level": "info",
        "logger": "api",
    }
    assert inside["timestamp"].endswith("Z")
    assert "recovery_id" not in outside


def test_library_logs_have_the_same_format_and_are_scrubbed(lines: io.StringIO) -> None:
    stdlib.getLogger("some.library").warning("sent to %s with %s", "jenny@example.com", "sk_live_51HabcDEF")
    (line,) = read_lines(lines)
    assert line["event"] == "sent to [redacted] with [redacted]"
    assert (line["logger"], line["level"]) == ("some.library", "warning")


def test_tracebacks_are_scrubbed_and_on_one_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("card 4242424242424242 of jenny@example.com")
    except ValueError:
        structlog.get_logger().exception("failed", headers={"Authorization": "Bearer abcdef"})
        stdlib.getLogger("lib").exception("failed too")
    our_line, library_line = read_lines(lines)
    assert "ValueError" in our_line["exception"]
    assert "ValueError" in library_line["exception"]
    for secret in ("4242", "jenny", "abcdef"):
        assert secret not in lines.getvalue()


def test_log_level_applies_and_noisy_libraries_are_quiet(lines: io.StringIO) -> None:
    structlog.get_logger("api").debug("unseen")
    stdlib.getLogger("httpx").info("unseen")
    assert not read_lines(lines)


@pytest.mark.parametrize("value", [b"\xff", "\ud800", {"a": {1, 2}}, object(), float("nan"), "a\nb"])
def test_anything_can_be_logged(value: Any, lines: io.StringIO) -> None:
    structlog.get_logger("api").info("odd", value=value)
    assert read_lines(lines)[0]["event"] == "odd"
