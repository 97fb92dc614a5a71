"""The rows of one recovery as text for COPY, with gaps for the values that differ in each copy."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from core.events import EventType, Record, State
from core.recovery import machine
from core.recovery.network_ledger import build_ledger_entries
from core.recovery.state import Recovery
from db.models import METADATA
from db.repositories import recoveries
from simulator.engines.event_engine import RecoverySimulation

TABLES: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(column.name for column in METADATA.tables[name].columns)
    for name in ("event_log", "recovery", "network_attempt", "webhook_inbox", "message")
}
NULL: Final = "\\N"
WEBHOOK_BODY: Final = '{"id":"evt_%(id)s","type":"invoice.payment_failed","data":{"object":{"id":"%(invoice)s"}}}'
PAUSED_ONE_IN: Final = 25
"""One in so many recoveries was paused and resumed by an operator."""
ACTORS: Final = ("ann@example.com", "ben@example.com", "cem@example.com")
PAUSE: Final = (
    (EventType.PAUSED, State.WAITING, State.PAUSED),
    (EventType.RESUMED, State.PAUSED, State.WAITING),
)


class RecoveryPattern:
    """The rows of one recovery as the state machine writes them, from the first on."""

    def __init__(self, run: RecoverySimulation, records: Sequence[Record]) -> None:
        self.blank = Recovery(provider=run.recovery.provider, invoice_id=run.recovery.invoice_id)
        self.records = _with_operator_pause([*records]) if run.case.number % PAUSED_ONE_IN == 0 else [*records]
        self.opened = records[0].occurred_at


class RowTemplate:
    """All rows of a recovery by table, as texts for the `%` operator with the recovery's own values."""

    def __init__(self, text: dict[str, str], days: frozenset[int], events: int) -> None:
        self.text, self.days, self.events = text, days, events


class _CopyWriter:
    """Formats values for COPY, and collects the days that they refer to."""

    def __init__(self, opened: datetime) -> None:
        self.days: set[int] = set()
        self._midnight = opened.replace(hour=0, minute=0, second=0, microsecond=0)

    def format_moment(self, at: datetime) -> str:
        """A time with gaps for the day and the seconds, so that no two recoveries share a moment."""
        days = (at - self._midnight).days
        self.days.add(days)
        return f"%(d{days})s {at:%H:%M}:%(second)s+00"

    def format_cell(self, value: Any) -> str:
        if value is None:
            return NULL
        if isinstance(value, datetime):
            return self.format_moment(value)
        if isinstance(value, list):
            return "{" + ",".join(f"{one}_%(id)s" for one in value) + "}"
        return str(value).replace("\\", "\\\\").replace("\t", " ").replace("%", "%%")

    def format_row(self, table: str, values: dict[str, Any], own: dict[str, str]) -> str:
        cells = [own[name] if name in own else self.format_cell(values.get(name)) for name in TABLES[table]]
        return "\t".join(cells) + "\n"


OWN_COLUMNS: Final = {
    "recovery_id": "recovery-%(provider)s-%(invoice)s",
    "provider": "%(provider)s",
    "invoice_id": "%(invoice)s",
    "customer_id": "%(customer)s",
    "opened_on": "%(d0)s",
    "amount": "%(amount)s",
    "currency": "%(currency)s",
    "experiment": "%(experiment)s",
    "arm": "%(arm)s",
}


def build_template(pattern: RecoveryPattern, now: datetime, ago: int) -> RowTemplate:
    """The rows that this recovery would have by now if it had begun so many days ago."""
    shift = (now.date() - pattern.opened.date()).days - ago
    end = now - timedelta(days=shift)
    records = [one for one in pattern.records if one.occurred_at <= end] or pattern.records[:1]
    recovery = machine.fold_records(pattern.blank, records)
    writer = _CopyWriter(pattern.opened)
    text = {
        "event_log": "".join(_event_rows(writer, records)),
        "recovery": _recovery_row(writer, recovery, records),
        "network_attempt": "".join(_attempt_rows(writer, pattern.blank, records)),
        "webhook_inbox": _webhook_row(writer, pattern.opened),
        "message": "".join(_message_rows(writer, records)),
    }
    return RowTemplate(text, frozenset({*writer.days, 0}), len(records))


def _event_rows(writer: _CopyWriter, records: Iterable[Record]) -> Iterable[str]:
    for one in records:
        values = {name: getattr(one, name) for name in ("sequence", "type", "occurred_at", "attempt")}
        states = {"from_state": one.from_state and one.from_state.value, "to_state": one.to_state.value}
        data = json.dumps(dict(one.data.stored), default=str)
        digits = f"{one.sequence:06x}"
        hashes = {name: f"\\\\x{'0' * 32}%(id)s{digits}" for name in ("previous_hash", "hash")}
        row = values | states | {"data": data, "recorded_at": one.occurred_at}
        yield writer.format_row("event_log", row, OWN_COLUMNS | hashes | {"event_id": f"%(id)s{digits}"})


def _recovery_row(writer: _CopyWriter, recovery: Recovery, records: Sequence[Record]) -> str:
    last = records[-1].occurred_at
    return writer.format_row(
        "recovery", recoveries.project_recovery(recovery, records[0].occurred_at.date(), last), OWN_COLUMNS
    )


def _attempt_rows(writer: _CopyWriter, blank: Recovery, records: Sequence[Record]) -> Iterable[str]:
    known = {one.key: one for one in build_ledger_entries(blank, records)}
    for one in known.values():
        yield writer.format_row("network_attempt", one.model_dump(), OWN_COLUMNS | {"fingerprint": "%(card)s"})


def _webhook_row(writer: _CopyWriter, opened: datetime) -> str:
    values = {"event_type": "invoice.payment_failed", "received_at": opened, "delivered_at": opened, "tries": 0,
              "next_try_at": opened, "outcome": "accepted"}  # fmt: skip
    return writer.format_row("webhook_inbox", values, OWN_COLUMNS | {"event_id": "evt_%(id)s", "body": WEBHOOK_BODY})


def _message_rows(writer: _CopyWriter, records: Iterable[Record]) -> Iterable[str]:
    """One message to the customer for each decline, three at most."""
    declined = [one.occurred_at for one in records if one.type is EventType.FAILURE_CLASSIFIED]
    for number, at in enumerate(declined[:3]):
        values = {"step": f"step{number}", "channel": "email", "kind": "payment_failed", "state": "sent",
                  "language": "en", "tries": 1, "claimed_at": at, "ended_at": at}  # fmt: skip
        yield writer.format_row("message", values, OWN_COLUMNS)


def _with_operator_pause(records: list[Record]) -> list[Record]:
    """The rows with a pause and a resume after the first planned retry; unchanged if there is none."""
    place = next((at for at, one in enumerate(records, 1) if one.type is EventType.RETRY_PLANNED), None)
    if place is None:
        return records
    planned, then = records[place - 1], records[place - 1].occurred_at + timedelta(minutes=2)
    data = {"actor": ACTORS[len(records) % len(ACTORS)], "reason": "The customer asked for it."}
    wishes = [
        planned.holding(kind, data).model_copy(update={"occurred_at": then, "from_state": before, "to_state": after,
                                                       "sequence": planned.sequence + number})
        for number, (kind, before, after) in enumerate(PAUSE, 1)
    ]  # fmt: skip
    later = [one.model_copy(update={"sequence": one.sequence + len(PAUSE)}) for one in records[place:]]
    return [*records[:place], *wishes, *later]
