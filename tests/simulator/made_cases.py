"""Cases for tests: few kinds of failure and customer, and every combination of events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

import catalog
from core.payments import Card, Failure, Risk
from core.policy.policy import StrategyFactory, parse_policy
from core.segmentation.rules import CustomerProfile
from providers.base import load_providers
from settings import SHIPPED_POLICY
from simulator.engines.arm import World
from simulator.model.cases import NEVER, Cases, Codebook, FailureKind, Integers, Payer
from simulator.model.source import Assumption
from simulator.model.success_chances import CAUSES, DELAY_CLASSES, LAST_ATTEMPT, OutcomeChances

DAY = 86_400
BEGIN = 1_772_445_600
"""2026-03-02 10:00 UTC, a Monday; clocks change within the month."""
Strategies = Mapping[str, StrategyFactory]
STRATEGIES = catalog.installed_strategies()
CODES: tuple[tuple[str, str, str | None], ...] = (
    ("insufficient_funds", "51", None),
    ("generic_decline", "05", None),
    ("do_not_honor", "05", "24"),
    ("processing_error", "96", None),
    ("card_velocity_exceeded", "65", None),
    ("expired_card", "54", None),
    ("lost_card", "41", None),
    ("stolen_card", "43", None),
    ("authentication_required", "1A", None),
    ("incorrect_number", "14", None),
    ("no_such_code", "", None),
    ("try_again_later", "91", None),
    ("duplicate_transaction", "94", None),
    ("revocation_of_authorization", "R1", None),
    ("testmode_decline", "", None),
    ("generic_decline", "79", "03"),
    ("generic_decline", "79", "27"),
)
COLUMNS = ("number", "name", "failure", "payer", "failed_at", "paid_at", "method_at")
NETWORKS = ("visa", "mastercard", "amex", "unionpay")
HOMES = (("US", "America/New_York", "USD"), ("DE", "Europe/Berlin", "EUR"), ("AU", None, "AUD"), (None, None, "CHF"))


def failure_kinds() -> tuple[FailureKind, ...]:
    """Every code on every network; one with a high risk."""
    plain = [
        FailureKind(
            failure=Failure(code=code, network_code=answer or None, network_advice=advice),
            card=Card(network=network, country="US"),
        )
        for code, answer, advice in CODES
        for network in NETWORKS
    ]
    risky = FailureKind(failure=Failure(code="generic_decline"), card=Card(network="visa"), risk=Risk(level="highest"))
    return (*plain, risky)


def payer_list() -> tuple[Payer, ...]:
    """Payers of every country, in every shipped segment."""
    profiles = (
        CustomerProfile(lifetime_value=200_000, tenure_days=900),
        CustomerProfile(tenure_days=3),
        CustomerProfile(tenure_days=500, successes=40, failures=1),
        CustomerProfile(),
    )
    return tuple(
        Payer(amount=4_900, currency=currency, country=country, time_zone=zone, profile=profile)
        for country, zone, currency in HOMES
        for profile in profiles
    )


def a_book(names: int = 512) -> Codebook:
    """The codebook of these cases."""
    return Codebook(
        provider="stripe",
        failures=failure_kinds(),
        payers=payer_list(),
        names=tuple(f"in_{number}" for number in range(names)),
        customers=tuple(f"cus_{number}" for number in range(names)),
    )


def some_cases(count: int, seed: int = 1, book: Codebook | None = None, busy_cards: float = 0.1) -> Cases:
    """A mix of cases in which everything happens often."""
    book, dice = book or a_book(), np.random.default_rng(seed)
    failed_at = BEGIN + dice.integers(0, 40 * DAY, count)
    paid = np.where(dice.random(count) < 0.3, failed_at + dice.integers(0, 50 * DAY, count), NEVER)
    method = np.where(dice.random(count) < 0.4, failed_at + dice.integers(0, 50 * DAY, count), NEVER)
    busy = np.flatnonzero(dice.random(count) < busy_cards)
    earlier = {
        int(row): tuple(int(failed_at[row] - ago) for ago in dice.integers(60, 30 * DAY, int(dice.integers(5, 36))))
        for row in busy
    }
    return Cases(
        book=book,
        number=np.arange(count, dtype=np.uint64),
        name=np.arange(count, dtype=np.int64) % len(book.names),
        failure=dice.integers(0, len(book.failures), count),
        payer=dice.integers(0, len(book.payers), count),
        failed_at=failed_at,
        paid_at=paid,
        method_at=method,
        earlier=earlier,
    )


def some_of(cases: Cases, rows: Integers) -> Cases:
    """The cases at these rows."""
    columns = {name: getattr(cases, name)[rows] for name in COLUMNS}
    earlier = {index: cases.earlier[row] for index, row in enumerate(rows.tolist()) if row in cases.earlier}
    return Cases(book=cases.book, earlier=earlier, **columns)


def outcomes_with(base: float = 0.2, **changes: object) -> OutcomeChances:
    """Outcome chances that are equal for everything, unless changed."""
    defaults: dict[str, object] = {
        "base": np.full(len(CAUSES), base),
        "attempts": np.linspace(1.0, 0.5, LAST_ATTEMPT),
        "delays": np.linspace(0.6, 1.2, DELAY_CLASSES),
        "hours": np.linspace(0.5, 1.5, 24),
        "weekdays": np.linspace(1.2, 0.8, 7),
        "payday": 2.0,
        "cap": 0.95,
        "new_method": 0.5,
        "new_method_code": "generic_decline",
    }
    return OutcomeChances(**(defaults | changes))  # type: ignore[arg-type]


def a_world(text: str | None = None, name: str = "candidate", strategies: Strategies = STRATEGIES) -> World:
    """A world with the shipped policy, or this one, and shipped tables."""
    codes = {name: provider.decline_codes for name, provider in load_providers({}).items()}
    return World(
        name=name,
        policy=parse_policy(text or shipped_policy_text(), "policies.toml", strategies),
        text=text or shipped_policy_text(),
        strategies=strategies,
        codes=codes,
        rules=catalog.network_rules(),
    )


def shipped_policy_text() -> str:
    """The text of the shipped policy."""
    return Path(SHIPPED_POLICY).read_text(encoding="utf-8")


def policy_with_strategy(table: str) -> str:
    """The shipped policy with another strategy as `standard_ladder`."""
    text = shipped_policy_text()
    before, _, rest = text.partition("[strategies.standard_ladder]")
    return f"{before}[strategies.standard_ladder]\n{table}\n\n{rest[rest.index('[strategies.patient_ladder]') :]}"


@dataclass(frozen=True)
class MadeSource:
    """A source of these cases."""

    count: int = 400
    name: str = "made"
    currency: str = "USD"
    outcomes: OutcomeChances = field(default_factory=outcomes_with)
    notes: tuple[str, ...] = ("Made up for a test.",)
    assumption_list: tuple[Assumption, ...] = ()

    def __len__(self) -> int:
        return self.count

    def cases(self, first: int, count: int) -> Cases:
        """A chunk of the cases."""
        return some_of(self._all_cases, np.arange(first, first + count))

    @cached_property
    def _all_cases(self) -> Cases:
        return some_cases(self.count)

    def with_baseline(self, *_: float) -> "MadeSource":
        """The source itself: it has no baseline."""
        return self
