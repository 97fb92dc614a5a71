"""The curl examples of docs/admin.md do what the text says."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from tests.support.service import RunningService
from tests.support.stacks import clean_environment

DOCUMENT = Path(__file__).parents[2] / "docs" / "admin.md"
KEYS = ("items", "state", "items", "state", "state", "state", "currencies")
"""What each answer holds, in order."""


def curl_examples() -> list[str]:
    """The commands of the document."""
    return re.findall(r"^curl .*$", DOCUMENT.read_text(), re.MULTILINE)


async def test_the_examples_work(service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    environment = clean_environment() | {
        "API": service.endpoints.api,
        "KEY": service.endpoints.key,
        "INVOICE": recovery.invoice,
    }
    answers = [await _run_command(command, environment) for command in curl_examples()]
    assert [key in answer for key, answer in zip(KEYS, answers, strict=True)] == [True] * len(KEYS)
    assert [answer["state"] for answer in answers if "state" in answer][:2] == ["waiting", "paused"]
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_only_event("operator.retry_requested"))["data"]["reason"] == "the customer called"


async def _run_command(command: str, environment: dict[str, str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_shell(
        f"{command} --fail-with-body", env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, complaint = await process.communicate()
    assert process.returncode == 0, (command, output, complaint)
    document: dict[str, Any] = json.loads(output)
    return document
