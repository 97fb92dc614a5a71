"""Parses the networks' rules from CSV text into typed rows; docs/sources.md explains the sources that they name."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from typing import Final

from core.card_networks.rules import NetworkFee, NetworkLimit, NetworkRules, StopRule
from core.durations import parse_duration
from core.errors import InvalidInput

LIMITS_FILE: Final = "network_limits.csv"
STOPS_FILE: Final = "network_stops.csv"
FEES_FILE: Final = "network_fees.csv"
_YES_NO: Final = {"yes": True, "no": False}


def parse_network_rules(limits: str, stops: str, fees: str) -> NetworkRules:
    """The rules in the CSV texts of the three tables. Raises InvalidInput naming file and line."""
    return NetworkRules(
        limits=tuple(_parse_limit(where, row) for where, row in _read_rows(LIMITS_FILE, limits)),
        stops=tuple(_parse_stop(where, row) for where, row in _read_rows(STOPS_FILE, stops)),
        fees=tuple(_parse_fee(where, row) for where, row in _read_rows(FEES_FILE, fees)),
    )


def _read_rows(file: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    reader = csv.DictReader(StringIO(text), strict=True)
    for row in reader:
        where = f"{file}:{reader.line_num}"
        if None in row or None in row.values():
            raise InvalidInput(f"{where}: {len(reader.fieldnames or ())} cells are needed")
        yield where, {name: cell.strip() for name, cell in row.items()}


def _check_cells(where: str, row: dict[str, str]) -> None:
    empty = [name for name, cell in row.items() if not cell]
    if empty:
        raise InvalidInput(f"{where}: {empty[0]} is empty")


def _parse_stop(where: str, row: dict[str, str]) -> StopRule:
    _check_cells(where, row)
    return StopRule(**row)


def _parse_limit(where: str, row: dict[str, str]) -> NetworkLimit:
    _check_cells(where, row)
    try:
        return NetworkLimit(
            network=row["network"],
            window=row["window"],
            length=timedelta(seconds=parse_duration(row["window"])),
            allowed=int(row["allowed"]),
            per_amount=_YES_NO[row["per_amount"]],
            approval_resets=_YES_NO[row["approval_resets"]],
            effective=date.fromisoformat(row["effective"]),
            source=row["source"],
        )
    except (ValueError, KeyError, InvalidInput) as error:
        raise InvalidInput(f"{where}: {error}") from error


def _parse_fee(where: str, row: dict[str, str]) -> NetworkFee:
    _check_cells(where, row)
    try:
        effective = date.fromisoformat(row["effective"])
        return NetworkFee(
            network=row["network"],
            kind=row["kind"],
            amount=int(row["amount"]),
            currency=row["currency"],
            effective=effective,
            source=row["source"],
        )
    except (ValueError, KeyError) as error:
        raise InvalidInput(f"{where}: {error}") from error
