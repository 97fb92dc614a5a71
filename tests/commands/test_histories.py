"""A history as the source of a dry run, from the event log and from a file."""

import shutil
from pathlib import Path

import pytest

from commands.simulate import load_history
from core.errors import InvalidInput, NotFound
from settings import Settings
from simulator.model.assumptions import load_shipped_assumptions
from tests.commands.conftest import ROOT, Pri
from tests.db.conftest import Addresses
from tests.simulator.made_cases import a_world
from tests.simulator.test_files import an_attempt, an_invoice, write_history

WORLD = a_world(name="baseline")


def test_a_file_is_loaded_fitted_and_checked(tmp_path: Path) -> None:
    invoices = [an_invoice(an_attempt(0), an_attempt(3), invoice_id=f"in_{number}") for number in range(150)]
    path = write_history(tmp_path / "past.jsonl", *invoices)
    history = load_history(Settings(), str(path), WORLD, load_shipped_assumptions(), recoveries=None, seed=1)
    assert (history.source.name, len(history.source)) == ("past.jsonl", 150)
    assert history.calibration
    assert (history.calibration.recoveries, history.calibration.real_rate) == (150, 0.0)
    assert any("doesn't say which policy ran" in warning for warning in history.calibration.warnings)


def test_short_or_empty_history_is_reported(pri: Pri, tmp_path: Path, addresses: Addresses) -> None:
    shutil.copy(ROOT / "docs/samples/attempts.csv", tmp_path / "attempts.csv")
    assert pri("import", "csv", "attempts.csv", "--out", "past.jsonl").code == 0
    with pytest.raises(InvalidInput, match=r"past\.jsonl: too few attempts: 3 recorded retries"):
        load_history(
            Settings(), str(tmp_path / "past.jsonl"), WORLD, load_shipped_assumptions(), recoveries=None, seed=1
        )
    with pytest.raises(NotFound, match="there is no such file"):
        load_history(Settings(), str(tmp_path / "none"), WORLD, load_shipped_assumptions(), recoveries=None, seed=1)
    with pytest.raises(InvalidInput, match="this is no history file"):
        load_history(
            Settings(), str(tmp_path / "attempts.csv"), WORLD, load_shipped_assumptions(), recoveries=None, seed=1
        )
    empty = Settings.model_validate({"database_url": addresses.writer})
    with pytest.raises(InvalidInput, match="The event log holds no recoveries to learn from"):
        load_history(empty, "history", WORLD, load_shipped_assumptions(), recoveries=None, seed=1)
