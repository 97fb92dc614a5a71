"""`pri` in an empty folder without any settings.

Most tests call it inside this process, since a process of its own spends seconds on imports.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import cli
from settings import Settings
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.support.stacks import clean_environment

__all__ = ["Answer", "Pri", "addresses", "cluster", "database", "fresh_database", "migrated"]

ROOT = Path(__file__).parents[2]


class Answer(NamedTuple):
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    def error_line(self) -> str:
        """The single line on stderr of a failed command."""
        lines = self.err.strip().splitlines()
        assert (self.code, self.out, len(lines)) == (1, "", 1), self
        assert lines[0].startswith("pri: "), self
        return lines[0]


Pri = Callable[..., Answer]


def run_command(folder: Path, *words: str, **settings: str) -> Answer:
    """The answer of a command, run as a process."""
    command = [sys.executable, str(ROOT / "cli.py"), *words]
    env = clean_environment() | {"TERM": "dumb"} | settings
    process = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    return Answer(process.returncode, process.stdout, process.stderr)


@pytest.fixture
def pri_process(tmp_path: Path) -> Pri:
    """The real command, as a process."""
    return lambda *words, **settings: run_command(tmp_path, *words, **settings)


@pytest.fixture
def pri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pri:
    """`pri("explain", "--json", DATABASE_URL=...)`, run inside the test process."""

    def run_in_process(*words: str, **settings: str) -> Answer:
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", ["pri", *words])
            for name in Settings.model_fields:
                patch.delenv(name.upper(), raising=False)
            for name, value in settings.items():
                patch.setenv(name, value)
            capsys.readouterr()
            with pytest.raises(SystemExit) as excinfo:
                cli.main()
        return Answer(_exit_code(excinfo.value), *capsys.readouterr())

    return run_in_process


def _exit_code(error: SystemExit) -> int:
    return error.code if isinstance(error.code, int) else 0 if error.code is None else 1
