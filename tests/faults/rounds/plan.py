"""What a round does, decided by its seed alone: which invoices fail when, what their charges do, which faults come."""

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

CODES: Final = ("insufficient_funds", "do_not_honor", "processing_error", "generic_decline")
LATER: Final = "decline:insufficient_funds"
SCRIPTS: Final[tuple[tuple[str, ...], ...]] = (
    (), (), (), (LATER,), (LATER,), (LATER, "decline:do_not_honor"), ("succeed_then_drop",), ("drop",), ("hang:2",),
    ("succeed_then_hang:2",), ("succeed_then_error:500",), ("error:429:1",), ("malformed",),
    ("drop", LATER), ("hang:1:decline:do_not_honor",),
)  # fmt: skip
"""What the pay calls of an invoice do, one after another; afterwards they succeed."""
ACTIONS: Final = ("pay_hosted", "void", "cancel", "dispute", "new_card")
SHARED_CARDS: Final = (("mastercard", "sharedmastercard1"), ("visa", "sharedvisa1"))
"""Network and fingerprint of cards that many customers share: their declines reach the networks' limits."""
ALWAYS_DECLINED: Final = (LATER,) * 12


@dataclass(frozen=True)
class PlannedInvoice:
    """A payment that fails `at` seconds after the round began; `action` happens `action_at`, None for nothing."""

    invoice: str
    at: float
    code: str
    script: tuple[str, ...]
    network: str
    fingerprint: str | None
    copies: int
    action: str | None
    action_at: float

    @property
    def unguarded(self) -> bool:
        """Whether the gateway charges a paid invoice again: only without payments of others, which it must refuse."""
        return self.action is None


@dataclass(frozen=True)
class PlannedFault:
    """A fault by its name, and how many seconds after the round began it comes at the earliest."""

    name: str
    at: float


@dataclass(frozen=True)
class RoundPlan:
    """One round. The same seed and options give the same plan."""

    seed: int
    seconds: float
    invoices: tuple[PlannedInvoice, ...]
    faults: tuple[PlannedFault, ...]


def plan_round(
    seed: int,
    seconds: float,
    rate: float,
    fault_names: Sequence[str],
    wanted: Sequence[str] = (),
    alone: Collection[str] = (),
) -> RoundPlan:
    """The plan of a seed: `rate` invoices per second, and two of `fault_names` or one of `alone`, or the `wanted`."""
    draw = random.Random(seed)
    names = list(wanted) or _deal_hand(seed, fault_names, alone)
    slot = seconds / len(names)
    faults = tuple(PlannedFault(name, slot * (place + draw.uniform(0.1, 0.5))) for place, name in enumerate(names))
    count = round(seconds * rate)
    invoices = tuple(_plan_invoice(draw, f"in_faults{seed}x{n:04}", seconds * n / count, n) for n in range(count))
    return RoundPlan(seed, seconds, invoices, faults)


def count_hands(fault_names: Sequence[str], alone: Collection[str] = ()) -> int:
    """How many successive seeds bring every fault once."""
    return math.ceil(len(fault_names) / 2) + len(alone)


def _deal_hand(seed: int, fault_names: Sequence[str], alone: Collection[str]) -> list[str]:
    """The faults of a seed. Dealt from a shuffled deck: successive seeds soon bring every fault."""
    deck = sorted(fault_names)
    block, place = divmod(seed - 1, count_hands(fault_names, alone))
    draw = random.Random(f"deck {block}")
    draw.shuffle(deck)
    hands = [deck[first : first + 2] for first in range(0, len(deck), 2)] + [[name] for name in sorted(alone)]
    draw.shuffle(hands)
    return hands[place]


def _plan_invoice(draw: random.Random, name: str, at: float, number: int) -> PlannedInvoice:
    action = draw.choice(ACTIONS) if draw.random() < 0.15 else None
    script, action_at = draw.choice(SCRIPTS), at + draw.uniform(0.5, 6.0)
    code, copies = draw.choice(CODES), draw.choice((1, 1, 1, 2, 3))
    network, fingerprint = draw.choice(("visa", "mastercard")), None
    if number % 5 == 0:
        (network, fingerprint), script, action = draw.choice(SHARED_CARDS), ALWAYS_DECLINED, None
    return PlannedInvoice(name, at, code, script, network, fingerprint, copies, action, action_at)
