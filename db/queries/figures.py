"""Sums of recoveries by day and month in `recovery_figure`, and the changes of `recovery` since they were made.

A trigger notes each change of a recovery in `recovery_change`, in the same transaction: the row before counts -1, the
row after 1. `db.queries.figure_refresh` adds what was noted to the sums. A query adds both in one statement, so the
answer is exact to the cent at every moment, and neither depends on how many recoveries there are. Parts of days are
summed from `recovery` itself. Days are UTC days (docs/adr/0007-day-sums-for-figures.md).

Of each recovery, in its own currency, every cent is counted once (columns of `recovery`, states as they are now):

- `recovered`, gross: partial payments before the end that were not returned (`paid`, also of open and lost ones), and
  for a recovered one what was open until then (`amount`), whether charged by us or paid elsewhere;
- `at_risk`: the open amount (`amount`) of open recoveries;
- `lost`: the amount still open when a recovery ended unpaid, canceled ones included. An invoice out of scope was never
  ours to recover and counts as neither lost nor at risk;
- `paid_late`: payments after an end as unpaid. The recovery stays lost, and `lost` is not reduced;
- `returned`: payments returned after the end by refund, chargeback, returned debit or failed capture. The recovery
  keeps its state, and `recovered` stays gross;
- `net` = recovered + paid_late - returned.

All amounts belong to the days on which the recovery opened and ended, whenever the money moved.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import TextClause, text

from core.events import State
from core.recovery.state import OUT_OF_SCOPE
from db.queries.figure_periods import split_period
from db.session import Session

LOST_STATES: Final = (State.EXHAUSTED.value, State.BLOCKED.value, State.CANCELED.value)
ELSEWHERE: Final = "elsewhere"
"""Name under Dimension.ATTEMPT of recoveries that were not paid by a charge of ours."""


class Basis(StrEnum):
    """Which day a recovery is counted on: the one it opened or the one it closed."""

    OPENED = "opened"
    CLOSED = "closed"


class Dimension(StrEnum):
    """What the sums are grouped by, besides day and currency."""

    ALL = "all"
    CAUSE = "cause"
    SEGMENT = "segment"
    STRATEGY = "strategy"
    PROVIDER = "provider"
    ARM = "arm"
    """Experiment and arm; only recoveries in an experiment."""
    ATTEMPT = "attempt"
    """Number of the successful attempt, or ELSEWHERE; only recovered ones."""
    REACHED = "reached"
    """The latest stage reached: failed, classified, planned, charged."""
    HOURS = "hours"
    """Whole hours until payment, as the lower bound of a bucket (see `bucket_end`); only recovered ones."""


class Figure(NamedTuple):
    """Sums of the recoveries that share currency, value of the dimension and, if daily, day. Amounts in minor units."""

    day: date | None
    """None where the days of a period are summed up."""
    currency: str
    dimension: Dimension
    name: str | None
    part: str | None
    """The arm, where `name` is its experiment."""
    at_risk: int
    recovered: int
    lost: int
    open_count: int
    recovered_count: int
    lost_count: int
    seconds: int
    """Seconds from opening to payment, added up over the recovered ones."""
    paid_late: int
    returned: int
    total_count: int
    """All recoveries, those out of scope too."""


SUMMED_COLUMNS: Final = (
    "at_risk", "recovered", "lost", "open_count", "recovered_count", "lost_count", "seconds", "paid_late", "returned",
    "total_count",
)  # fmt: skip
NAMES: Final = {
    Dimension.CAUSE: ("cause",),
    Dimension.SEGMENT: ("segment",),
    Dimension.STRATEGY: ("strategy",),
    Dimension.PROVIDER: ("provider",),
    Dimension.ARM: ("experiment", "arm"),
    Dimension.ATTEMPT: ("won_by",),
    Dimension.REACHED: ("reached",),
    Dimension.HOURS: ("hours",),
}
MOMENTS: Final = {Basis.OPENED: "opened_at", Basis.CLOSED: "closed_at"}
KEPT_DIMENSIONS: Final = {Basis.OPENED: tuple(Dimension), Basis.CLOSED: (Dimension.ALL,)}
"""The dimensions that are stored for each basis."""

_WON: Final = f"state = '{State.RECOVERED.value}'"
_LOST: Final = (
    f"(state IN ({', '.join(repr(one) for one in LOST_STATES)}) AND close_reason IS DISTINCT FROM '{OUT_OF_SCOPE}')"
)
_OPEN: Final = "closed_at IS NULL"
_HOURS: Final = "floor(extract(epoch FROM closed_at - opened_at) / 3600)::int"
_COLUMNS: Final = f"""
    upper(currency) AS currency, cause, segment, strategy, provider, experiment, arm,
    CASE WHEN {_WON} THEN CASE WHEN close_reason = 'charged' THEN attempt::text ELSE '{ELSEWHERE}' END END AS won_by,
    CASE WHEN attempt > 0 THEN 'charged' WHEN strategy IS NOT NULL THEN 'planned'
         WHEN cause IS NOT NULL THEN 'classified' ELSE 'failed' END AS reached,
    CASE WHEN {_WON} THEN (CASE WHEN {_HOURS} < 48 THEN {_HOURS} WHEN {_HOURS} < 336 THEN {_HOURS} / 6 * 6
                                ELSE {_HOURS} / 24 * 24 END)::text END AS hours,
    weight, amount, paid, paid_late, returned, state, close_reason, opened_at, closed_at
"""
_COUNTED: Final = """
    opened_at, closed_at, currency, amount, paid, paid_late, returned, state, cause, segment, strategy, provider,
    attempt, close_reason, experiment, arm
"""
"""Columns of `recovery` that the sums depend on, as they stand in `recovery_change`."""
_SUMS: Final = f"""
    coalesce(sum(weight * amount) FILTER (WHERE {_OPEN}), 0) AS at_risk,
    coalesce(sum(weight * paid), 0) + coalesce(sum(weight * amount) FILTER (WHERE {_WON}), 0) AS recovered,
    coalesce(sum(weight * amount) FILTER (WHERE {_LOST}), 0) AS lost,
    coalesce(sum(weight) FILTER (WHERE {_OPEN}), 0) AS open_count,
    coalesce(sum(weight) FILTER (WHERE {_WON}), 0) AS recovered_count,
    coalesce(sum(weight) FILTER (WHERE {_LOST}), 0) AS lost_count,
    coalesce(sum(weight * extract(epoch FROM closed_at - opened_at)::bigint) FILTER (WHERE {_WON}), 0) AS seconds,
    coalesce(sum(weight * paid_late), 0) AS paid_late,
    coalesce(sum(weight * returned), 0) AS returned,
    coalesce(sum(weight), 0) AS total_count
"""
TOTALS: Final = ", ".join(f"sum({one}) AS {one}" for one in SUMMED_COLUMNS)
IS_ZERO: Final = " AND ".join(f"sum({one}) = 0" for one in SUMMED_COLUMNS)


def bucket_end(hours: int) -> int:
    """Upper bound, in hours, of the HOURS bucket that begins at `hours`: 1 hour wide, 6 from 48 on, 24 from 336 on."""
    return hours + (1 if hours < 48 else 6 if hours < 336 else 24)


def sums_sql(basis: Basis, dimensions: Sequence[Dimension], rows: str, daily: bool = True) -> str:
    """SQL for sums over `rows`, which have _COUNTED and a `weight`: by currency, each dimension and, if daily, day."""
    # GROUPING SETS computes all dimensions in one pass; grouping() tells which dimension a row of the result is for,
    # since a NULL may also be a value that is not known yet.
    columns = [column for one in dimensions for column in NAMES.get(one, ())]
    keys = ("day", "currency") if daily else ("currency",)
    sets = ", ".join(f"({', '.join((*keys, *NAMES.get(one, ())))})" for one in dimensions)
    told = " ".join(f"WHEN grouping({NAMES[one][0]}) = 0 THEN '{one}'" for one in dimensions if one in NAMES)
    names = [column for column in columns if column != "arm"]
    return f"""
        SELECT '{basis}' AS basis, {"day" if daily else "NULL::date AS day"}, currency,
               {f"CASE {told} ELSE 'all' END" if told else "'all'"} AS dimension,
               {f"coalesce({', '.join(names)}, NULL)" if names else "NULL::text"} AS name,
               {"arm" if "arm" in columns else "NULL::text"} AS part, {_SUMS}
        FROM (SELECT ({MOMENTS[basis]} AT TIME ZONE 'UTC')::date AS day, {_COLUMNS} FROM ({rows}) AS each) AS counted
        GROUP BY GROUPING SETS ({sets})
    """


def _read_statement(basis: Basis, dimensions: Sequence[Dimension], daily: bool) -> TextClause:
    # One statement is one snapshot: a change is noted or is part of the sums, never both. OFFSET 0 keeps PostgreSQL
    # from flattening a subquery: each edge and range stays a scan of an index, where a join read every recovery.
    moment, by = MOMENTS[basis], f"{'day, ' if daily else ''}currency, dimension, name, part"
    rows = f"""
        SELECT edge.weight, {_COUNTED}
        FROM unnest(CAST(:weights AS int[]), CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
             AS edge (weight, since, until)
        CROSS JOIN LATERAL (
            SELECT {_COUNTED} FROM recovery WHERE {moment} >= edge.since AND {moment} < edge.until OFFSET 0
        ) AS r
        UNION ALL
        SELECT weight, {_COUNTED} FROM recovery_change
        WHERE {moment} >= CAST(:first AS date)::timestamp AT TIME ZONE 'UTC'
          AND {moment} < CAST(:last AS date)::timestamp AT TIME ZONE 'UTC'
    """
    return text(f"""
        WITH live AS ({sums_sql(basis, dimensions, rows, daily)})
        SELECT {by}, {TOTALS}
        FROM (
            SELECT {by}, {", ".join(SUMMED_COLUMNS)}
            FROM unnest(CAST(:spans AS text[]), CAST(:froms AS date[]), CAST(:tos AS date[])) 
                 AS range (kind, since, until)
            CROSS JOIN LATERAL (
                SELECT * FROM recovery_figure
                WHERE basis = '{basis}' AND dimension = ANY(:dimensions)
                  AND span = range.kind AND day >= range.since AND day < range.until OFFSET 0
            ) AS kept
            UNION ALL SELECT {by}, {", ".join(SUMMED_COLUMNS)} FROM live
        ) AS known
        WHERE CAST(:currency AS text) IS NULL OR currency = :currency
        GROUP BY {by}
        HAVING NOT ({IS_ZERO})
        ORDER BY {by}
    """)


async def read_figures(
    session: Session,
    since: datetime,
    until: datetime,
    dimensions: Sequence[Dimension] = (Dimension.ALL,),
    basis: Basis = Basis.OPENED,
    currency: str | None = None,
    daily: bool = False,
) -> list[Figure]:
    """Sums of the recoveries that opened (or, by `basis`, closed) in [since, until), in every currency or in one.

    `daily` gives a figure per day, else the days are summed up. Currencies are compared without case.
    """
    period = split_period(since.astimezone(UTC), until.astimezone(UTC), daily)
    asked = {
        "first": period.first,
        "last": period.last,
        "spans": [one.kind for one in period.ranges],
        "froms": [one.since for one in period.ranges],
        "tos": [one.until for one in period.ranges],
        "weights": [one.weight for one in period.edges],
        "begins": [one.since for one in period.edges],
        "ends": [one.until for one in period.edges],
        "dimensions": [one.value for one in dimensions],
        "currency": currency.upper() if currency else None,
    }
    found = await session.execute(_read_statement(basis, dimensions, daily), asked)
    return [one for row in found.all() if _has_dimension(one := _to_figure(row, daily))]


def _has_dimension(figure: Figure) -> bool:
    """False for recoveries without a value of a dimension that only some have, such as an arm."""
    if figure.dimension is Dimension.ARM:
        return figure.part is not None
    return figure.name is not None or figure.dimension not in {Dimension.ATTEMPT, Dimension.HOURS}


def _to_figure(row: Sequence[Any], daily: bool) -> Figure:
    # Thousands of them are a year's bars: no validation of what a statement of ours returns.
    day, (currency, dimension, name, part, *sums) = (row[0], row[1:]) if daily else (None, row)
    return Figure(day, currency, Dimension(dimension), name, part, *map(int, sums))


def total_of(figures: Iterable[Figure], column: str) -> int:
    """The sum of one of SUMMED_COLUMNS over these figures."""
    return sum(getattr(one, column) for one in figures)
