"""The card networks' rules over many plans: arrays find the few cards that are near a limit, the live code judges."""

from typing import NamedTuple

from core.events import Trigger
from core.payments import Failure
from core.retry.network_rules import Credential, LedgerEntry, NetworkRules, Spent, fee_of, first_free, judge
from simulator.telling import moment


class Held(NamedTuple):
    """What the rules make of one plan."""

    at: int | None
    """When it may be instead; None: not within the window."""
    fee: int
    """Avoided, minor units."""


class Card(NamedTuple):
    """One card and its tries that count, seconds since 1970."""

    network: str | None
    amount: int
    currency: str
    tries: tuple[int, ...]
    failure: Failure
    """What its newest tries were answered with."""


def held(rules: NetworkRules, card: Card, planned: int, ends: int) -> Held | None:
    """None where the plan is allowed."""
    credential, tries = _credential(card), _entries(card)
    verdict = judge(rules, credential, tries, moment(planned))
    if verdict.allowed:
        return None
    free = first_free(rules, credential, tries, moment(planned))
    fee = fee_of(rules, credential, verdict, moment(planned))
    at = int(free.timestamp()) if free else None
    return Held(at if at is not None and at <= ends else None, fee.amount if fee else 0)


def fee_caused(rules: NetworkRules, card: Card, at: int) -> int:
    """What a try at that moment costs because it is one too many; `card` holds the earlier ones."""
    credential, tries = _credential(card), _entries(card)
    fee = fee_of(rules, credential, judge(rules, credential, tries, moment(at)), moment(at))
    return fee.amount if fee else 0


def _credential(card: Card) -> Credential:
    return Credential(
        provider="simulated",
        recovery_id="simulated",
        fingerprint="card",
        network=card.network,
        amount=card.amount,
        currency=card.currency,
    )


def _entries(card: Card) -> tuple[LedgerEntry, ...]:
    """As the ledger holds them; one answer is enough to tell what all of them were."""
    return tuple(
        LedgerEntry.model_construct(
            recovery_id="simulated",
            key=str(number),
            provider="simulated",
            fingerprint="card",
            network=card.network,
            amount=card.amount,
            currency=card.currency,
            at=moment(at),
            trigger=Trigger.PROVIDER.value,
            outcome=Spent.DECLINED,
            network_code=card.failure.network_code if number == 0 else None,
            network_advice=card.failure.network_advice if number == 0 else None,
        )
        for number, at in enumerate(card.tries)
    )
