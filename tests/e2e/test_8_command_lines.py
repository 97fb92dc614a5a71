"""Everybody on a machine can read its command lines (`ps`): none of the stack's has a secret in it."""

from pathlib import Path

import pytest

from devstack.processes import command_line
from devstack.stack import DevStack
from settings import Settings
from tests.support.service import RunningService

SECRET_SETTINGS = tuple(
    name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)
SHORTEST = 8
"""Shorter texts, like an empty setting, would be found anywhere."""


def secrets_of(stack: DevStack) -> set[str]:
    """Every secret that a part of the stack has, alone and as part of a list."""
    known = stack.secrets
    named = {known.webhook_secret, known.bootstrap_key, known.stripe_key, known.adyen_key, known.adyen_hmac_key}
    given = {stack.environment.get(name, "") for name in SECRET_SETTINGS if not name.startswith("DATABASE")}
    parts = {part for text in given for part in (text, *text.replace(",", " ").split())}
    return {text for text in named | {known.braintree_private_key} | parts if len(text) >= SHORTEST}


def running_command_lines() -> list[str]:
    """The command lines of all processes of this machine that can be read."""
    numbers = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [" ".join(line) for number in numbers if (line := command_line(number))]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only Linux shows command lines as files")
async def test_no_command_line_holds_a_secret(stack: DevStack, service: RunningService) -> None:
    await (await service.create_failure("card_velocity_exceeded")).wait_for_event("retry.planned")
    lines, secrets = running_command_lines(), secrets_of(stack)
    for part in ("postgres", "temporal", "sandbox", "api", "worker"):
        assert " ".join(command_line(stack.pid(part))) in lines
    assert len(secrets) >= 8, "the stack's own secrets, and the users' hashes"
    assert not {line for line in lines for secret in secrets if secret in line}


def test_secret_settings_are_found() -> None:
    assert {"STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS", "LOCAL_USERS", "METRICS_KEY"} <= set(SECRET_SETTINGS)
