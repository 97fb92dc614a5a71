"""Day sums of recoveries: whole days come from the table `recovery_figure`, everything else from `recovery` itself.

A day that was touched since it was last summed is summed from its recoveries, in the same statement that reads the
stored sums. So the answer is exact to the cent at every moment, and only its speed depends on `refresh_figures`. Days
are UTC days (docs/adr/0007-day-sums-for-figures.md).

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

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import TextClause, text

from core.base import Value
from core.events import State
from core.recovery.state import OUT_OF_SCOPE
from db.session import Session

LOST_STATES: Final = (State.EXHAUSTED.value, State.BLOCKED.value, State.CANCELED.value)
ELSEWHERE: Final = "elsewhere"
"""Name under Dimension.ATTEMPT of recoveries that were not paid by a charge of ours."""
DAY: Final = timedelta(days=1)
BATCH: Final = 31
"""Days that one `refresh_figures` sums at most; at a million recoveries a year that takes about half a second."""


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


class Figure(Value):
    """Sums of the recoveries that share currency, value of the dimension and, if daily, day. Amounts in minor units."""

    day: date | None = None
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


SUMMED_COLUMNS: Final = (
    "at_risk", "recovered", "lost", "open_count", "recovered_count", "lost_count", "seconds", "paid_late", "returned",
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
    amount, paid, paid_late, returned, state, close_reason, opened_at, closed_at
"""
_SUMS: Final = f"""
    coalesce(sum(amount) FILTER (WHERE {_OPEN}), 0) AS at_risk,
    coalesce(sum(paid), 0) + coalesce(sum(amount) FILTER (WHERE {_WON}), 0) AS recovered,
    coalesce(sum(amount) FILTER (WHERE {_LOST}), 0) AS lost,
    count(*) FILTER (WHERE {_OPEN}) AS open_count,
    count(*) FILTER (WHERE {_WON}) AS recovered_count,
    count(*) FILTER (WHERE {_LOST}) AS lost_count,
    coalesce(sum(extract(epoch FROM closed_at - opened_at)::bigint) FILTER (WHERE {_WON}), 0) AS seconds,
    coalesce(sum(paid_late), 0) AS paid_late,
    coalesce(sum(returned), 0) AS returned
"""


def bucket_end(hours: int) -> int:
    """Upper bound, in hours, of the HOURS bucket that begins at `hours`: 1 hour wide, 6 from 48 on, 24 from 336 on."""
    return hours + (1 if hours < 48 else 6 if hours < 336 else 24)


def _sums_sql(basis: Basis, dimensions: Sequence[Dimension], rows: str) -> str:
    """SQL for sums over `rows`, recoveries with a `day`, grouped by day, currency and each of the dimensions."""
    # GROUPING SETS computes all dimensions in one pass; grouping() tells which dimension a row of the result is for,
    # since a NULL may also be a value that is not known yet.
    columns = [column for one in dimensions for column in NAMES.get(one, ())]
    sets = ", ".join(f"({', '.join(('day', 'currency', *NAMES.get(one, ())))})" for one in dimensions)
    told = " ".join(f"WHEN grouping({NAMES[one][0]}) = 0 THEN '{one}'" for one in dimensions if one in NAMES)
    names = [column for column in columns if column != "arm"]
    return f"""
        SELECT '{basis}' AS basis, day, currency,
               {f"CASE {told} ELSE 'all' END" if told else "'all'"} AS dimension,
               {f"coalesce({', '.join(names)}, NULL)" if names else "NULL::text"} AS name,
               {"arm" if "arm" in columns else "NULL::text"} AS part, {_SUMS}
        FROM ({rows}) AS counted
        GROUP BY GROUPING SETS ({sets})
    """


def _rows_sql(basis: Basis, spans: str) -> str:
    # OFFSET 0 keeps PostgreSQL from flattening the subquery: each span stays a range scan of the index. Flattened, a
    # join with a few spans read every recovery.
    moment = MOMENTS[basis]
    return f"""
        SELECT (r.{moment} AT TIME ZONE 'UTC')::date AS day, {_COLUMNS}
        FROM {spans} AS span
        CROSS JOIN LATERAL (
            SELECT * FROM recovery WHERE {moment} >= span.begins AND {moment} < span.ends OFFSET 0
        ) AS r
    """


def _read_statement(basis: Basis, dimensions: Sequence[Dimension], daily: bool) -> TextClause:
    # One statement is one snapshot: a day counts as touched and is summed live, or is read from the table, never both.
    by = "day, currency, dimension, name, part" if daily else "currency, dimension, name, part"
    sums = ", ".join(f"sum({one}) AS {one}" for one in SUMMED_COLUMNS)
    return text(f"""
        WITH touched AS MATERIALIZED (
            SELECT DISTINCT day FROM recovery_touched WHERE basis = '{basis}' AND day >= :first AND day < :last
        ), spans AS MATERIALIZED (
            SELECT day::timestamp AT TIME ZONE 'UTC' AS begins, (day + 1)::timestamp AT TIME ZONE 'UTC' AS ends
            FROM touched
            UNION ALL SELECT begins, ends FROM unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
                AS edge (begins, ends)
        ), live AS ({_sums_sql(basis, dimensions, _rows_sql(basis, "spans"))})
        SELECT {by}, {sums}
        FROM (
            SELECT {by}, {sums} FROM recovery_figure
            WHERE basis = '{basis}' AND dimension = ANY(:dimensions) AND day >= :first AND day < :last
              AND day NOT IN (SELECT day FROM touched)
            GROUP BY {by}
            UNION ALL SELECT {by}, {", ".join(SUMMED_COLUMNS)} FROM live
        ) AS known
        WHERE CAST(:currency AS text) IS NULL OR currency = :currency
        GROUP BY {by}
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
    first, last, edges = _whole_days(since.astimezone(UTC), until.astimezone(UTC))
    asked = {
        "first": first,
        "last": last,
        "begins": [begins for begins, _ in edges],
        "ends": [ends for _, ends in edges],
        "dimensions": [one.value for one in dimensions],
        "currency": currency.upper() if currency else None,
    }
    found = await session.execute(_read_statement(basis, dimensions, daily), asked)
    # Not `mappings()`: it takes longer to make a dict of one of its rows than PostgreSQL to find it.
    names = tuple(found.keys())
    rows = [dict(zip(names, row, strict=True)) for row in found.all()]
    return [_to_figure(row) for row in rows if _has_dimension(row)]


def _whole_days(since: datetime, until: datetime) -> tuple[date, date, list[tuple[datetime, datetime]]]:
    """The first whole day of the period, the day after its last whole one, and the parts of days at both ends."""
    last = _midnight_of(until)
    # Asked first: behind the calendar's last day there is no midnight.
    if since >= last:
        return last.date(), last.date(), [(since, until)]
    first = _midnight_of(since) if since == _midnight_of(since) else _midnight_of(since) + DAY
    if first >= last:
        return first.date(), first.date(), [(since, until)]
    edges = [(since, first), (last, until)]
    return first.date(), last.date(), [(begins, ends) for begins, ends in edges if begins < ends]


def _midnight_of(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), UTC)


def _has_dimension(row: Mapping[str, Any]) -> bool:
    """False for recoveries without a value of a dimension that only some have, such as an arm."""
    partial = {Dimension.ARM: "part", Dimension.ATTEMPT: "name", Dimension.HOURS: "name"}
    needed = partial.get(Dimension(row["dimension"]))
    return needed is None or row[needed] is not None


def _to_figure(row: dict[str, Any]) -> Figure:
    return Figure.model_validate(row | {name: int(row[name]) for name in SUMMED_COLUMNS})


REFRESH_TIMEOUT: Final = text("SET LOCAL statement_timeout = '30s'")
REFRESH_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('recovery figures', 2))")
TAKE_TOUCHED: Final = text("""
    WITH chosen AS (SELECT DISTINCT basis, day FROM recovery_touched ORDER BY day LIMIT :most),
         taken AS (DELETE FROM recovery_touched USING chosen
                   WHERE recovery_touched.basis = chosen.basis AND recovery_touched.day = chosen.day)
    SELECT basis, array_agg(day) AS days FROM chosen GROUP BY basis
""")
DELETE_FIGURES: Final = text("DELETE FROM recovery_figure WHERE basis = :basis AND day = ANY(CAST(:days AS date[]))")


def _keep_statement(basis: Basis) -> TextClause:
    spans = """(SELECT day::timestamp AT TIME ZONE 'UTC' AS begins, (day + 1)::timestamp AT TIME ZONE 'UTC' AS ends
                FROM unnest(CAST(:days AS date[])) AS day)"""
    columns = f"basis, day, currency, dimension, name, part, {', '.join(SUMMED_COLUMNS)}"
    return text(
        f"INSERT INTO recovery_figure ({columns}) {_sums_sql(basis, KEPT_DIMENSIONS[basis], _rows_sql(basis, spans))}"
    )


async def refresh_figures(session: Session, most: int = BATCH) -> int:
    """Sums up to `most` touched days anew and returns how many; 0 while another process does it.

    Must run at READ COMMITTED, the default: the marks are deleted first, and the sums that follow, in a newer snapshot,
    include at least the changes that set the marks. A change in between sets a new mark.
    """
    if not (await session.execute(REFRESH_LOCK)).scalar_one():
        return 0
    await session.execute(REFRESH_TIMEOUT)
    taken = {Basis(row.basis): row.days for row in await session.execute(TAKE_TOUCHED, {"most": most})}
    for basis, days in taken.items():
        await session.execute(DELETE_FIGURES, {"basis": basis.value, "days": days})
        await session.execute(_keep_statement(basis), {"days": days})
    return sum(len(days) for days in taken.values())


def total_of(figures: Iterable[Figure], column: str) -> int:
    """The sum of one of SUMMED_COLUMNS over these figures."""
    return sum(getattr(one, column) for one in figures)
