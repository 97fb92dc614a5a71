"""The commands of the docs do what they say: every block marked with `run-by=` this file, page by page.

A shell runs them in a folder that looks like a clone: `.venv/bin`, `.pri` of the stack, the policies.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs_site.fences import blocks_run_by
from tests.docs_site.pages import ROOT
from tests.support.service import RunningService
from tests.support.stacks import clean_environment

HERE: Final = "tests/e2e/test_8_documents.py"
PAGES: Final = (
    "README.md", "docs/quickstart.md", "docs/notifications.md", "docs/operations.md", "docs/simulator.md",
    "docs/simulator-import.md",
)  # fmt: skip
QUICK_START: Final = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
ASSUMPTIONS: Final = "[self_recovery]\nsoft = 0.12\nhard = 0.02\n"
PRI: Final = """#!/bin/sh
# `pri`, with what differs here from the docs: the port of the API, and dry runs of hundreds instead of 100,000.
case "$1" in
    trigger) set -- "$@" --url "$PRI_API" ;;
    simulate) set -- "$@" --recoveries 300 --jobs 1 --no-sweep ;;
esac
exec {python} {cli} "$@"
"""


class Clone:
    """A folder in which the commands of a page run, with the running stack behind it."""

    def __init__(self, folder: Path, service: RunningService) -> None:
        self._folder, self._api = folder, service.endpoints.api
        stack = service.stack.environment
        self._environment = clean_environment() | {
            "DATABASE_URL": stack["DATABASE_URL"],
            "TEMPORAL_ADDRESS": service.endpoints.temporal,
            "STRIPE_WEBHOOK_SECRETS": service.endpoints.secret,
            "PRI_API": self._api,
            "PATH": f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}",  # noqa: TID251
        }
        self._fill(service)

    def _fill(self, service: RunningService) -> None:
        bin_folder = self._folder / ".venv" / "bin"
        bin_folder.mkdir(parents=True)
        python = shlex.quote(sys.executable)
        (bin_folder / "pri").write_text(PRI.format(python=python, cli=shlex.quote(str(ROOT / "cli.py"))))
        (bin_folder / "pri").chmod(0o755)
        (bin_folder / "python").symlink_to(sys.executable)
        (self._folder / ".pri").symlink_to(service.stack.options.data_dir)
        (self._folder / "core").symlink_to(ROOT / "core")
        for name in ("mine.toml", "candidate.toml"):
            shutil.copy(ROOT / "core" / "policy" / "policies.toml", self._folder / name)
        (self._folder / "attempts.csv").write_text(_long_history())

    def use_assumptions(self) -> None:
        """Makes mine.toml the file with assumptions, as docs/simulator.md calls it."""
        (self._folder / "mine.toml").write_text(ASSUMPTIONS)

    async def run(self, commands: str) -> str:
        """The output of the commands, in one shell that ends at the first failure."""
        text = commands.replace("http://127.0.0.1:8000", self._api)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", text),
            cwd=self._folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, (commands, output.decode())
        return output.decode()


def _long_history() -> str:
    """The sample of docs/samples a hundred times over, with ids of its own each: a dry run needs many retries."""
    head, *lines = (ROOT / "docs" / "samples" / "attempts.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    copies = (re.sub(r"\b(in|cus|card)_", rf"\1_{number}_", line) for number in range(100) for line in lines)
    return head + "".join(copies)


def blocks_of(page: str) -> list[str]:
    return blocks_run_by(HERE, (ROOT / page).read_text(encoding="utf-8"))


@pytest.fixture
def clone(service: RunningService, tmp_path: Path) -> Clone:
    return Clone(tmp_path, service)


def test_every_page_with_such_blocks_is_run() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))}
    with_blocks = {path.relative_to(ROOT).as_posix() for path, text in texts.items() if blocks_run_by(HERE, text)}
    assert with_blocks == set(PAGES)


async def test_the_readme(clone: Clone) -> None:
    trigger, simulate = blocks_of("README.md")
    assert "SOFT_DECLINE / GENERIC" in await clone.run(trigger)
    await clone.run(simulate)


async def test_the_quick_start(clone: Clone, service: RunningService) -> None:
    key, first, look, others, cancel, policy = blocks_of("docs/quickstart.md")
    assert json.loads(await clone.run(key))["status"] == "ready"
    assert "202" in await clone.run(first)
    await service.recovery_of("in_first").wait_for_state("recovered")
    # One shell for the page, as its reader has.
    output = (await clone.run(key + look)).replace("}{", "}\n{")
    _, shown, log = (json.loads(line) for line in output.splitlines())
    assert shown["state"] == "recovered"
    (told,) = re.findall(r"eight rows: (.+?)\. Each", QUICK_START, re.DOTALL)
    assert [event["type"] for event in log["items"]] == re.findall(r"`(.+?)`", told)
    assert "SOFT_DECLINE / GENERIC" in await clone.run(others)
    await service.recovery_of("in_card").wait_for_state("awaiting_customer")
    twice = service.recovery_of("in_twice")
    await twice.wait_for_event("charge.declined")
    await clone.run(f"{key}{cancel}")
    await service.recovery_of("in_card").wait_for_state("canceled")
    assert "recovery rate" in (await clone.run(policy)).lower()
    await twice.wait_for_state("recovered", timeout_seconds=60)


async def test_previews_of_messages(clone: Clone) -> None:
    (previews,) = blocks_of("docs/notifications.md")
    assert "last_warning" in previews
    assert await clone.run(previews)


async def test_api_keys(clone: Clone) -> None:
    (keys,) = blocks_of("docs/operations.md")
    made = await clone.run("pri keys create --scope recoveries:read --name to-be-revoked")
    prefix = next(word for word in made.split() if word.startswith("pri_"))[: len("pri_1a2b3c4d")]
    output = await clone.run(keys.replace("pri_1a2b3c4d", prefix))
    assert "reports" in output


async def test_dry_runs(clone: Clone) -> None:
    (own_numbers,) = blocks_of("docs/simulator.md")
    clone.use_assumptions()
    await clone.run(own_numbers)
    (imported,) = blocks_of("docs/simulator-import.md")
    await clone.run(imported)
