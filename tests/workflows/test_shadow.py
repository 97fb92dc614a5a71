"""A shadow policy beside whole recoveries: what it would do is written down, what happens stays the same."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import catalog
from activities.shadow import Shadow
from core.events import EventType, State
from core.retry.pace import Pace
from core.retry.strategies.base import Proposal, Situation
from settings import SHIPPED_POLICY
from tests.support.gateway import SUCCEED, declined
from tests.workflows.conftest import Campaign, Campaigns

SHIPPED = Path(SHIPPED_POLICY).read_text()
QUICKER = SHIPPED.replace('["3h", "24h", "72h", "168h"]', '["1h", "24h", "72h", "168h"]')
OTHER = '[strategies.standard_ladder]\nuse = "{use}"\n'
TYPES = ["payment.failed", "failure.classified", "customer.segmented", "fraud.assessed", "retry.planned"]


class Hangs:
    """A strategy that never answers until it is let go."""

    let_go = threading.Event()

    def propose(self, _: Situation) -> Proposal | None:
        """Not before it is let go."""
        self.let_go.wait(20)
        return None


Written = Callable[[str | None], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """The shadow's file with this text; without one it isn't there."""

    def write(text: str | None) -> Path:
        file = tmp_path / "shadow.toml"
        if text is not None:
            file.write_text(text)
        return file

    return write


@pytest.fixture
def released() -> Iterator[None]:
    yield
    Hangs.let_go.set()


def shadow(file: Path, **more: Any) -> Shadow:
    """A shadow of this file, with a strategy that hangs installed besides."""
    strategies = {**catalog.strategies(), "hangs": lambda **_: Hangs()}
    return Shadow(catalog.PolicyFile(file), strategies, Pace(), **more)


async def played(campaigns: Campaigns, beside: Shadow | None) -> Campaign:
    """One decline, then the money."""
    campaign = await campaigns("generic_decline", shadow=beside, script=[declined("generic_decline"), SUCCEED])
    await campaign.begin()
    assert (await campaign.end()).state is State.RECOVERED
    return campaign


def decisions(campaign: Campaign) -> list[str]:
    """Its rows, but for the shadow's."""
    return [one for one in campaign.story if one != "shadow.planned"]


USUAL = [
    *TYPES, "charge.requested", "charge.declined", "failure.classified", "fraud.assessed", "retry.planned",
    "charge.requested", "charge.succeeded", "recovery.closed",
]  # fmt: skip


async def test_a_shadow_that_disagrees_is_written_beside_every_decision_and_charges_nothing(
    campaigns: Campaigns, written: Written
) -> None:
    campaign = await played(campaigns, shadow(written(QUICKER)))

    assert decisions(campaign) == USUAL
    plans, rows = campaign.every(EventType.RETRY_PLANNED), campaign.every(EventType.SHADOW_PLANNED)
    assert [row.sequence for row in rows] == [plan.sequence + 1 for plan in plans]
    assert [row.data["agrees"] for row in rows] == [False, True]
    assert rows[0].data["at"] < plans[0].data["at"]
    assert [row.data["retry"] for row in plans] == [1, 2]
    assert campaign.gateway.charged == 1
    charged = [row.occurred_at.isoformat() for row in campaign.every(EventType.CHARGE_REQUESTED)]
    assert all(at[:16] >= plan.data["at"][:16] for at, plan in zip(charged, plans, strict=True))


@pytest.mark.parametrize("text", ["this is no policy", "", None], ids=["broken", "empty", "missing"])
async def test_a_shadow_that_cannot_be_read_costs_the_recovery_nothing(
    campaigns: Campaigns, written: Written, text: str | None
) -> None:
    assert (await played(campaigns, shadow(written(text)))).story == USUAL


async def test_a_shadow_that_hangs_is_left_out(campaigns: Campaigns, written: Written, released: None) -> None:
    del released
    head, _, tail = SHIPPED.partition("[strategies.standard_ladder]\n")
    file = written(head + OTHER.format(use="hangs") + "\n[" + tail.partition("\n[")[2])
    assert (await played(campaigns, shadow(file, budget=0.1))).story == USUAL


async def test_a_shadow_that_raises_is_left_out(
    campaigns: Campaigns, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("activities.shadow.shadow", fails)
    assert (await played(campaigns, shadow(written(QUICKER)))).story == USUAL
