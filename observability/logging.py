"""Logging: one scrubbed JSON object per line on stderr, for our own messages and those of every library."""

import logging
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Final, TextIO

import structlog
from structlog.typing import Processor

from observability.scrubbing import scrub_value

QUIET_LOGGERS: Final = ("httpx", "httpx2", "httpcore", "httpcore2", "stripe", "alembic")
"""Libraries that log every request at INFO; only their warnings are logged."""


def configure_logging(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Makes structlog and the standard library write JSON lines to `stream`, by default stderr.

    Called once by each composition root. Raises ValueError for an unknown level.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_json_formatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_shared_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def recovery_log_context(recovery_id: str, *, invoice: str, provider: str) -> AbstractContextManager[Any]:
    """A context in which every log line carries the recovery's id, invoice and provider."""
    return structlog.contextvars.bound_contextvars(recovery_id=recovery_id, invoice=invoice, provider=provider)


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _json_formatter() -> logging.Formatter:
    # Scrubbing is the last step before rendering, so that nothing added by an earlier step escapes it.
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            scrub_line,
            structlog.processors.JSONRenderer(),
        ],
    )


def scrub_line(_: Any, __: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
    """The log line without card numbers, e-mail addresses and secrets."""
    kept = {key: line[key] for key in ("timestamp", "level", "logger") if key in line}
    return {**scrub_value(dict(line)), **kept}
