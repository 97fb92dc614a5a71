"""A large event log for benchmarks: many copies of the rows that the state machine writes for some recoveries.

Hash chains are left out, so `pri audit verify` would reject it; all checks of the table hold.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

import catalog
from core.events import Record
from core.policy.policy import parse_policy
from db.repositories.transitions import event_id_of
from providers.base import load_providers
from simulator.engines.arm import World
from simulator.engines.event_engine import RecoverySimulation
from simulator.model.assumptions import load_shipped_assumptions
from simulator.model.outcome_model import OutcomeModels
from simulator.population.synthetic import SyntheticSource

SHIPPED_POLICY_FILE: Final = Path(__file__).parents[1] / "core/policy/policies.toml"
PATTERN_COUNT: Final = 400
"""Number of different recoveries; the log holds copies of them for other invoices, customers and times."""
COLUMNS: Final = ("recovery_id", "sequence", "event_id", "type", "occurred_at", "recorded_at", "provider", "invoice_id",
                  "customer_id", "attempt", "from_state", "to_state", "data")  # fmt: skip
HASH: Final = "sha256(convert_to(p.recovery_id || p.sequence || n, 'UTF8'))"
# Every copy has a profile of its own; each card is used by three copies.
FILL_STATEMENT: Final = f"""
    INSERT INTO event_log
    SELECT p.recovery_id || '-' || n, p.sequence, gen_random_uuid(), p.type, p.occurred_at - n * interval '3 hours',
           p.recorded_at - n * interval '3 hours', p.provider, p.invoice_id || '-' || n, p.customer_id || '-' || n,
           p.attempt, p.from_state, p.to_state,
           CASE p.type WHEN 'payment.failed' THEN p.data || jsonb_build_object('invoice_id', p.invoice_id || '-' || n)
               WHEN 'customer.segmented' THEN jsonb_set(p.data, '{{profile,lifetime_value}}', to_jsonb(n * 100))
               WHEN 'failure.classified' THEN jsonb_set(p.data, '{{card,fingerprint}}', to_jsonb(p.recovery_id
                   || n / 3))
               ELSE p.data END,
           {HASH}, {HASH}, (p.opened_at - n * interval '3 hours')::date
    FROM (SELECT *, min(occurred_at) OVER (PARTITION BY recovery_id) AS opened_at FROM pattern) AS p
    CROSS JOIN generate_series(1, %s) AS n
"""


def shipped_world(name: str = "baseline") -> World:
    """The shipped policy with the shipped strategies, decline tables and network rules."""
    strategies = catalog.installed_strategies()
    codes = {one: provider.decline_codes for one, provider in load_providers({}).items()}
    text = SHIPPED_POLICY_FILE.read_text(encoding="utf-8")
    return World(
        name=name,
        policy=parse_policy(text, SHIPPED_POLICY_FILE.name, strategies),
        strategies=strategies,
        codes=codes,
        rules=catalog.network_rules(),
        text=text,
    )


def simulate_runs(count: int, seed: int = 1) -> Iterator[tuple[RecoverySimulation, list[Record]]]:
    """The event engine's runs of so many synthetic recoveries, each with the rows it wrote, in order."""
    source = SyntheticSource(load_shipped_assumptions(), count, seed)
    cases = source.cases(0, count)
    fate = OutcomeModels(source.outcomes, seed).for_cases(cases)
    world = shipped_world()
    for row in range(count):
        run = RecoverySimulation(world, fate, cases, row)
        run.run_to_end()
        yield run, run.records


def fill_event_log(address: str, events: int) -> int:
    """Writes at least `events` rows, as the database's owner; returns how many were written."""
    patterns = [row for run, records in simulate_runs(PATTERN_COUNT) for row in _event_rows(run, records)]
    copies = -(-events // len(patterns))
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE UNLOGGED TABLE pattern (LIKE event_log)")
        for name in ("previous_hash", "hash", "opened_on"):
            connection.execute(sql.SQL("ALTER TABLE pattern ALTER {} DROP NOT NULL").format(sql.Identifier(name)))
        names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        with connection.cursor().copy(sql.SQL("COPY pattern ({}) FROM STDIN").format(names)) as copy:
            for row in patterns:
                copy.write_row([row[name] for name in COLUMNS])
        connection.execute("SELECT ensure_event_log_partition((min(occurred_at) - make_interval(hours => 3 * %s) "
                           "+ m * interval '1 month')::date) FROM pattern, generate_series(0, 60) AS m GROUP BY m",
                           [copies])  # fmt: skip
        connection.execute(FILL_STATEMENT, [copies])
        connection.execute("DROP TABLE pattern")
        connection.execute("ANALYZE event_log")
    return copies * len(patterns)


def _event_rows(run: RecoverySimulation, records: list[Record]) -> Iterator[Mapping[str, Any]]:
    recovery = run.recovery
    for record in records:
        yield {
            "recovery_id": recovery.recovery_id,
            "sequence": record.sequence,
            "event_id": event_id_of(recovery.recovery_id, record.sequence),
            "type": record.type.value,
            "occurred_at": record.occurred_at,
            "recorded_at": datetime.now(UTC),
            "provider": recovery.provider,
            "invoice_id": recovery.invoice_id,
            "customer_id": recovery.customer_id,
            "attempt": record.attempt,
            "from_state": record.from_state.value if record.from_state else None,
            "to_state": record.to_state.value,
            "data": json.dumps(dict(record.data.stored), default=str),
        }
