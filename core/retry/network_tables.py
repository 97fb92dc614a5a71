"""The networks' rules as tables: CSV text in, typed rows out. Every row says where it comes from."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from typing import Final

from core.errors import InvalidInput
from core.retry.duration import seconds
from core.retry.network_rules import Fee, Limit, NetworkRules, Stop

LIMITS: Final = "network_rules.csv"
STOPS: Final = "network_stops.csv"
FEES: Final = "network_fees.csv"
_YES_NO: Final = {"yes": True, "no": False}


def parse(limits: str, stops: str, fees: str) -> NetworkRules:
    """Rules out of the three tables' texts. Raises InvalidInput naming file and line."""
    return NetworkRules(
        limits=tuple(_limit(where, row) for where, row in _rows(LIMITS, limits)),
        stops=tuple(_stop(where, row) for where, row in _rows(STOPS, stops)),
        fees=tuple(_fee(where, row) for where, row in _rows(FEES, fees)),
    )


def _rows(file: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    reader = csv.DictReader(StringIO(text), strict=True)
    for row in reader:
        where = f"{file}:{reader.line_num}"
        if None in row or None in row.values():
            raise InvalidInput(f"{where}: {len(reader.fieldnames or ())} cells are needed")
        yield where, {name: cell.strip() for name, cell in row.items()}


def _checked(where: str, row: dict[str, str]) -> None:
    empty = [name for name, cell in row.items() if not cell]
    if empty:
        raise InvalidInput(f"{where}: {empty[0]} is empty")


def _stop(where: str, row: dict[str, str]) -> Stop:
    _checked(where, row)
    return Stop(**row)


def _limit(where: str, row: dict[str, str]) -> Limit:
    _checked(where, row)
    try:
        return Limit(
            network=row["network"],
            window=row["window"],
            length=timedelta(seconds=seconds(row["window"])),
            allowed=int(row["allowed"]),
            per_amount=_YES_NO[row["per_amount"]],
            approval_resets=_YES_NO[row["approval_resets"]],
            effective=date.fromisoformat(row["effective"]),
            source=row["source"],
        )
    except (ValueError, KeyError, InvalidInput) as error:
        raise InvalidInput(f"{where}: {error}") from error


def _fee(where: str, row: dict[str, str]) -> Fee:
    _checked(where, row)
    try:
        effective = date.fromisoformat(row["effective"])
        return Fee(
            network=row["network"],
            kind=row["kind"],
            amount=int(row["amount"]),
            currency=row["currency"],
            effective=effective,
            source=row["source"],
        )
    except (ValueError, KeyError) as error:
        raise InvalidInput(f"{where}: {error}") from error
