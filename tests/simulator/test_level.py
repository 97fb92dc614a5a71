"""Recovery rates of the shipped policy and assumptions, against published totals."""

from pathlib import Path

import pytest

from simulator.model.assumptions import load_assumptions
from simulator.population.synthetic import SyntheticSource
from simulator.runner import simulate_policies
from tests.simulator.made_cases import a_world

NO_MESSAGES = "[messages]\nadded = []\n"
NO_SELF_RECOVERY = "[self_recovery]\nsoft = 0.0\nhard = 0.0\n"
POLAR, CHURNKEY, FULL_STACK = 0.41, 0.51, 0.70
"""S66 and S40: retries; S86: with messages and card updates."""


def recovery_rate(folder: Path, text: str) -> float:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    source = SyntheticSource(load_assumptions(file), 40_000, 11)
    return simulate_policies(source, a_world(), a_world(), seed=11).arms[0].recovery_rate


@pytest.mark.parametrize(
    "text", [NO_MESSAGES + NO_SELF_RECOVERY, NO_MESSAGES], ids=["charges alone", "self-payers too"]
)
def test_retries_recover_the_published_share(tmp_path: Path, text: str) -> None:
    assert POLAR < recovery_rate(tmp_path, text) < CHURNKEY


def test_messages_raise_the_recovery_rate_within_published_bounds(tmp_path: Path) -> None:
    assert recovery_rate(tmp_path, NO_MESSAGES) < recovery_rate(tmp_path, "") < FULL_STACK


def test_no_chances_win_nothing(tmp_path: Path) -> None:
    no_success = "[attempts]\nfactors = [0, 0, 0, 0, 0, 0, 0, 0]\n"
    assert recovery_rate(tmp_path, NO_MESSAGES + NO_SELF_RECOVERY + no_success) == 0
