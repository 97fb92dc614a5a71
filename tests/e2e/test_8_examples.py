"""The curl examples of docs/admin.md do what the text says."""

import asyncio
import json
import re
from pathlib import Path

from tests.support.service import RunningService
from tests.support.stacks import clean_environment

DOCUMENT = Path(__file__).parents[2] / "docs" / "admin.md"
KEYS = ("items", "state", "items", "state", "state", "state", "currencies")
"""What each answer holds, in order."""


def curl_examples() -> list[str]:
    """The commands of the document."""
    return re.findall(r"^curl .*$", DOCUMENT.read_text(), re.MULTILINE)


def header_example() -> str:
    """The command of the document that writes the file with the key."""
    (found,) = re.findall(r"^\(umask .*\)$", DOCUMENT.read_text(), re.MULTILINE)
    return str(found)


def test_no_example_has_the_key_in_a_command_line() -> None:
    # `printf` is built into the shell: nobody sees it in the list of processes.
    assert not [command for command in curl_examples() if "$KEY" in command]


async def test_the_examples_work(service: RunningService, tmp_path: Path) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    environment = clean_environment() | {
        "API": service.endpoints.api,
        "KEY": service.endpoints.key,
        "INVOICE": recovery.invoice,
    }
    await _run_command(header_example(), environment, tmp_path)
    outputs = [await _run_command(f"{one} --fail-with-body", environment, tmp_path) for one in curl_examples()]
    answers = [json.loads(output) for output in outputs]
    assert [key in answer for key, answer in zip(KEYS, answers, strict=True)] == [True] * len(KEYS)
    assert [answer["state"] for answer in answers if "state" in answer][:2] == ["waiting", "paused"]
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_only_event("operator.retry_requested"))["data"]["reason"] == "the customer called"


async def _run_command(command: str, environment: dict[str, str], folder: Path) -> bytes:
    process = await asyncio.create_subprocess_shell(
        command,
        env=environment,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    assert process.returncode == 0, (command, output, complaint)
    return output
