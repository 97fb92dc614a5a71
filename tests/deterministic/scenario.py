"""What a seed stands for: invoices, what others do to them and when, and the faults that strike."""

import random
from dataclasses import dataclass, replace
from typing import Final

from tests.deterministic.faults import Fault, draw_fault
from tests.deterministic.provider import ABILITIES, Abilities

DAY: Final = 86_400.0
CODES: Final = (
    "insufficient_funds", "insufficient_funds", "generic_decline", "generic_decline",
    "processing_error", "do_not_honor", "expired_card", "lost_card", "fraudulent", "authentication_required",
    "card_velocity_exceeded", "no_such_code",
)  # fmt: skip
CUSTOMER_KINDS: Final = (
    "pay",
    "new_method",
    "new_method",
    "fail_again",
    "void",
    "write_off",
    "dispute",
    "warning",
    "wake",
)
OPERATOR_KINDS: Final = ("retry", "retry", "cancel", "cancel", "pause", "resume", "approve", "reject")
SIGNAL_KINDS: Final = ("signal_retry", "signal_cancel", "signal_pause", "cancel_workflow")
BESIDE_KINDS: Final = (*OPERATOR_KINDS[1:6], *SIGNAL_KINDS)
OUTAGE_KINDS: Final = (
    "database_away",
    "provider_away",
    "temporal_away",
    "kill_api",
    "kill_worker",
    "terminate",
    "forget",
)
NETWORKS: Final = ("visa", "mastercard", "amex")


@dataclass(frozen=True)
class InvoicePlan:
    """An invoice whose first payment has failed."""

    card: str
    network: str
    first_code: str
    declines: tuple[str, ...]
    """The codes of our next charges; then they succeed, unless `always_declines`."""
    always_declines: bool


@dataclass(frozen=True)
class Action:
    """Something that somebody does: `at` seconds after the start, or after the `charge`-th charge left us."""

    kind: str
    invoice: int
    at: float
    charge: int = 0
    """0: counted from the start."""
    seconds: float = 0.0
    """How long an outage lasts."""
    queued: int = 0
    """Not 0: counted from when the `queued`-th charge was put into its queue."""


@dataclass(frozen=True)
class WebhookTiming:
    """How the provider delivers its `number`-th webhook."""

    number: int
    delay: float
    copies: int


@dataclass(frozen=True)
class Scenario:
    """A seed's story, as far as it is planned. What is taken out of it (`shrink`) leaves the rest as it was."""

    seed: int
    provider: Abilities
    invoices: tuple[InvoicePlan, ...]
    actions: tuple[Action, ...]
    faults: tuple[Fault, ...]
    timings: tuple[WebhookTiming, ...]
    history_limit: int = 10_000
    limits: tuple[int, int] = (6, 12)
    """Attempts of a card that its network allows in a day and in 30 days."""
    queue_seconds: float = 0.0
    """How long a charge waits for its turn at most: others are due too."""


def draw_scenario(seed: int) -> Scenario:
    """The scenario of a seed: the same every time."""
    draw = random.Random(seed)
    count = draw.choices((1, 2), weights=(4, 1))[0]
    shared = draw.random() < 0.5
    scenario = Scenario(
        seed=seed,
        provider=draw.choices(ABILITIES, weights=(6, 2, 2))[0],
        invoices=tuple(_draw_invoice(draw, 0 if shared else number) for number in range(count)),
        actions=tuple(_draw_action(draw, count) for _ in range(draw.choices(range(5), weights=(3, 4, 3, 2, 1))[0])),
        faults=tuple(draw_fault(draw) for _ in range(draw.choices(range(7), weights=(1, 3, 4, 4, 3, 2, 1))[0])),
        timings=tuple(_draw_timing(draw, number) for number in range(8) if draw.random() < 0.35),
        history_limit=draw.choices((10_000, 60), weights=(9, 1))[0],
        limits=draw.choice(((6, 12), (6, 12), (2, 3))),
    )
    return _draw_queue(scenario, draw) if draw.random() < 0.3 else scenario


def _draw_queue(scenario: Scenario, draw: random.Random) -> Scenario:
    """The scenario with a busy queue of charges, and with commands while charges wait in it or are made."""
    seconds, count = draw.choice((2.0, 20.0, 200.0, 400.0)), len(scenario.invoices)
    beside = tuple(
        Action(draw.choice(BESIDE_KINDS), draw.randrange(count), draw.uniform(0.0, seconds), queued=number)
        for number in draw.choices((1, 1, 2), k=draw.choice((1, 2, 3)))
    )
    return replace(scenario, actions=(*scenario.actions, *beside), queue_seconds=seconds)


def _draw_invoice(draw: random.Random, card: int) -> InvoicePlan:
    declines = draw.choices(range(4), weights=(6, 3, 1, 1))[0]
    return InvoicePlan(
        card=f"fp_{card}",
        network=NETWORKS[card],
        first_code=draw.choice(CODES),
        declines=tuple(draw.choice(CODES) for _ in range(declines)),
        always_declines=draw.random() < 0.08,
    )


def _draw_action(draw: random.Random, invoices: int) -> Action:
    kinds = draw.choices((CUSTOMER_KINDS, OPERATOR_KINDS, SIGNAL_KINDS, OUTAGE_KINDS), weights=(4, 6, 2, 3))[0]
    kind, invoice = draw.choice(kinds), draw.randrange(invoices)
    seconds = draw.choice((3.0, 20.0, 90.0, 400.0))
    if draw.random() < 0.5:
        after = draw.choice((draw.uniform(0.0, 1.5), draw.uniform(0.0, 30.0), draw.uniform(0.0, 400.0)))
        return Action(kind, invoice, after, draw.choice((1, 1, 1, 2, 3)), seconds)
    at = draw.choice(
        (draw.uniform(0.0, 1.0), draw.uniform(0.0, 60.0), draw.uniform(0.0, 12_000.0), draw.uniform(0, 12 * DAY))
    )
    return Action(kind, invoice, at, 0, seconds)


def _draw_timing(draw: random.Random, number: int) -> WebhookTiming:
    delay = draw.choice(
        (draw.uniform(0.0, 2.0), draw.uniform(0.0, 60.0), draw.uniform(0.0, 3_600.0), draw.uniform(0.0, 3 * DAY))
    )
    return WebhookTiming(number, delay, draw.choice((1, 1, 2, 3)))
