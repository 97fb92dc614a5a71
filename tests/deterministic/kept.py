"""The file of kept scenarios: what once failed, as small as it could be made. The tests play all of them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tests.deterministic.faults import Fault
from tests.deterministic.provider import ABILITIES
from tests.deterministic.scenario import Action, InvoicePlan, Scenario, WebhookTiming

KEPT_FILE: Final = Path(__file__).with_name("kept.json")


def load_kept(path: Path = KEPT_FILE) -> list[tuple[str, Scenario]]:
    """What was wrong with each kept scenario when it was found, and the scenario."""
    entries = json.loads(path.read_text()) if path.exists() else []
    return [(entry["found"], _parse_scenario(entry["scenario"])) for entry in entries]


def keep(scenario: Scenario, found: str, path: Path = KEPT_FILE) -> None:
    """Adds a scenario to the file, unless it is there already."""
    entries = [{"found": why, "scenario": _plain(known)} for why, known in load_kept(path)]
    new = {"found": found, "scenario": _plain(scenario)}
    if new["scenario"] not in [entry["scenario"] for entry in entries]:
        path.write_text(json.dumps([*entries, new], indent=1) + "\n")


def _plain(scenario: Scenario) -> Any:
    plain = asdict(scenario) | {"provider": scenario.provider.name}
    return json.loads(json.dumps(plain))


def _parse_scenario(plain: dict[str, Any]) -> Scenario:
    return Scenario(
        seed=plain["seed"],
        provider=next(one for one in ABILITIES if one.name == plain["provider"]),
        invoices=tuple(InvoicePlan(**one | {"declines": tuple(one["declines"])}) for one in plain["invoices"]),
        actions=tuple(Action(**one) for one in plain["actions"]),
        faults=tuple(Fault(**one) for one in plain["faults"]),
        timings=tuple(WebhookTiming(**one) for one in plain["timings"]),
        history_limit=plain["history_limit"],
        limits=(plain["limits"][0], plain["limits"][1]),
        queue_seconds=plain.get("queue_seconds", 0.0),
    )
