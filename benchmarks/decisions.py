"""The CPU of one decision: all seven stages. No database, no Temporal.

The floor is the SHA-256 of 64 KiB: a fixed piece of work of this machine, right beside it.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import catalog
from benchmarks.measures import Measure, Size
from catalog.calendars import calendar_for
from core.calendar import Calendar
from core.card_networks.rules import Credential, LedgerEntry
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause
from core.fraud.rules import FraudRules
from core.fraud.signals import FraudSignals
from core.payments import Card, Failure, FailureFacts, InvoiceStatus, InvoiceView
from core.planning.decision_input import DecisionConfig
from core.planning.pipeline import decide_on_failure
from core.policy.policy import Policy, parse_policy
from core.recovery.state import Recovery
from core.segmentation.rules import CustomerProfile
from core.strategies.experience import Experience, RetryCell, RetryStatistics
from providers.base import load_providers

ROUNDS: Final = 30
DECISIONS: Final = 300
MARK_MICROSECONDS: Final = 100
NOW: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
CODES: Final = (
    "insufficient_funds",
    "generic_decline",
    "do_not_honor",
    "processing_error",
    "lost_card",
    "no_such_code",
)
SHIPPED_POLICY_FILE: Final = Path(__file__).parents[1] / "core/policy/policies.toml"
STRATEGY_TABLES: Final = {
    "shipped": "",
    "payday": 'use = "payday"\ndelays = ["3h", "24h", "72h", "168h"]',
    "adaptive": 'use = "adaptive"\ndelays = ["3h", "24h", "72h", "168h"]',
}
STRATEGIES: Final = catalog.installed_strategies()
LOYAL_CUSTOMER: Final = CustomerProfile(tenure_days=400, successes=19, failures=1)
NO_SIGNALS: Final = FraudSignals()


class DecisionLoad:
    """Sixty failures decided again and again by one policy; every lookup is answered from memory."""

    def __init__(self, policy: Policy) -> None:
        self._config = DecisionConfig(
            policy=policy, strategies=STRATEGIES, tables=_load_tables(), network_rules=catalog.network_rules()
        )
        self._calendar = calendar_for("US", None, NOW, NOW + timedelta(days=21))
        self._statistics = RetryStatistics(_build_cells())
        self._failures = [(_build_facts(number), _build_recovery(number)) for number in range(60)]

    def run_decisions(self, count: int) -> None:
        """Makes so many whole decisions."""
        for number in range(count):
            facts, recovery = self._failures[number % len(self._failures)]
            decide_on_failure(recovery, facts, NOW, self._config, self)

    def find_profile(self) -> CustomerProfile:
        """A customer of more than a year."""
        return LOYAL_CUSTOMER

    def find_signals(self, _: FraudRules) -> FraudSignals:
        """Signals without suspicion."""
        return NO_SIGNALS

    def find_calendar(self, *_: object) -> Calendar:
        """A calendar that was built before."""
        return self._calendar

    def find_experience(self, cause: Cause) -> Experience:
        """The counts of first retries."""
        return self._statistics.experience_for(cause, 1)

    def find_attempts(self, _: Credential) -> tuple[LedgerEntry, ...]:
        """A card without earlier attempts."""
        return ()


def measure(_: Size = Size.SMALL) -> Iterator[Measure]:
    """Microseconds of CPU per decision for each policy. The mark is that of the shipped one."""
    floor = least_microseconds(lambda: [hashlib.sha256(bytes(65_536)).digest() for _ in range(DECISIONS)])
    yield Measure("floor, SHA-256 of 64 KiB", [floor], "µs of CPU")
    for name, policy in _policy_variants():
        cost = least_microseconds(partial(DecisionLoad(policy).run_decisions, DECISIONS))
        mark = MARK_MICROSECONDS if name == "shipped" else None
        yield Measure(f"one decision, {name}", [cost], "µs of CPU", at_most=mark)


def least_microseconds(work: Callable[[], object]) -> float:
    """Microseconds of CPU per decision in the quickest of ROUNDS rounds, after one to warm up."""
    rounds = []
    for _ in range(ROUNDS + 1):
        began = time.process_time_ns()
        work()
        rounds.append(time.process_time_ns() - began)
    return min(rounds[1:]) / DECISIONS / 1_000


def _policy_variants() -> Iterable[tuple[str, Policy]]:
    """The shipped policy, and its variants with another strategy for loyal customers."""
    text = SHIPPED_POLICY_FILE.read_text(encoding="utf-8")
    before, _, rest = text.partition("[strategies.loyal_ladder]")
    after = rest[rest.index("[strategies.short_ladder]") :]
    for name, table in STRATEGY_TABLES.items():
        changed = f"{before}[strategies.loyal_ladder]\n{table}\n\n{after}" if table else text
        yield name, parse_policy(changed, name, STRATEGIES)


def _load_tables() -> DeclineTables:
    return catalog.load_decline_tables({name: one.decline_codes for name, one in load_providers({}).items()})


def _build_recovery(number: int) -> Recovery:
    return Recovery(provider="stripe", invoice_id=f"in_{number}", opened_at=NOW, failed_at=NOW)


def _build_facts(number: int) -> FailureFacts:
    code = CODES[number % len(CODES)]
    invoice = InvoiceView(invoice_id=f"in_{number}", status=InvoiceStatus.OPEN, amount_due=4_900, currency="USD")
    return FailureFacts(
        invoice=invoice,
        failure=Failure(code=code, network="visa", network_code="51"),
        card=Card(fingerprint="fp", network="visa", country="US"),
    )


def _build_cells() -> list[RetryCell]:
    return [
        RetryCell(cause.value, attempt, hour, hour, 20, 5)
        for cause in (Cause.GENERIC, Cause.INSUFFICIENT_FUNDS, Cause.TECHNICAL)
        for attempt in (1, 2, 3)
        for hour in range(168)
    ]
