"""Every command explains itself and its usage errors."""

import pytest
import typer.main
from typer.testing import CliRunner

import cli
from tests.commands.conftest import Answer, Pri

COMMANDS = (
    ("dev",), ("demo",), ("migrate",), ("api",), ("worker",), ("trigger",), ("explain",), ("audit", "verify"),
    ("keys", "create"), ("keys", "list"), ("keys", "revoke"), ("users", "hash"), ("erase",),
    ("sessions", "list"), ("sessions", "revoke"),
)  # fmt: skip
NOWHERE = {"DATABASE_URL": "postgresql+psycopg://nobody:s3cr3t@127.0.0.1:1/none", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
WRONG = {"TIME_SCALE": "fast", "BOOTSTRAP_API_KEY": "hunter2"}


def command_paths(command: object, *before: str) -> set[tuple[str, ...]]:
    """Every command below this one, as its words."""
    below: dict[str, object] = getattr(command, "commands", {})
    return (
        set().union(*(command_paths(command, *before, name) for name, command in below.items())) if below else {before}
    )


def test_all_commands_are_tested_here() -> None:
    assert command_paths(typer.main.get_command(cli.app)) >= set(COMMANDS)


@pytest.mark.parametrize(
    "words", sorted(command_paths(typer.main.get_command(cli.app)) | {(), ("audit",), ("keys",), ("users",)})
)
def test_help_is_printed(words: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli.app, [*words, "--help"])
    assert answer.exit_code == 0
    lines = [line for line in answer.output.splitlines() if line.strip()]
    assert "Usage: " in lines[0]
    assert lines[1].strip()[0].isalpha(), "a command says in a sentence what it does"


@pytest.mark.parametrize(
    "words",
    [
        (), ("nothing",), ("audit",), ("keys",), ("audit", "verify", "one", "two"),
        ("dev", "--api-port", "x"), ("dev", "--nonsense"), ("demo", "--scale", "1"), ("demo", "--scale", "1000000"),
        ("demo", "extra"), ("migrate", "extra"), ("api", "--nonsense"), ("worker", "extra"),
        ("trigger",), ("trigger", "nobody"), ("trigger", "stripe", "--amount", "0"),
        ("trigger", "stripe", "--amount", "1.5"),
        ("explain",), ("explain", "--provider", "stripe"), ("explain", "--code", "x"),
        ("keys", "create"), ("keys", "create", "--scope", "root"),
        ("keys", "create", "--scope", "admin", "--days", "0"),
        ("keys", "create", "--scope", "admin", "--days", "1", "--expires-in", "1d"),
        ("keys", "revoke"), ("users",), ("users", "hash"), ("users", "hash", "ann", "--role", "root"),
        ("sessions",), ("sessions", "revoke"), ("sessions", "revoke", "x", "--all"),
        ("sessions", "revoke", "--name", "ann", "--all"), ("erase",), ("erase", "one", "two"),
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2_and_says_what_is_right(words: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli.app, list(words))
    assert answer.exit_code == 2
    assert "Usage: " in answer.output


def test_wrong_usage_of_the_real_command_leaves_stdout_alone(pri_process: Pri) -> None:
    answer = pri_process("erase")
    assert (answer.code, answer.out) == (2, "")
    assert "customer_id" in answer.err.lower()


DATABASE_COMMANDS = [("migrate",), ("audit", "verify"), ("keys", "create", "--scope", "admin"), ("erase", "cus_1")]


@pytest.mark.parametrize("words", DATABASE_COMMANDS)
def test_a_database_that_is_not_set_is_one_line(pri: Pri, words: tuple[str, ...]) -> None:
    assert "DATABASE_URL is " in pri(*words).error_line()


@pytest.mark.parametrize("words", DATABASE_COMMANDS)
def test_a_database_that_is_away_is_one_line_without_its_password(pri: Pri, words: tuple[str, ...]) -> None:
    assert "s3cr3t" not in pri(*words, **NOWHERE).error_line()


@pytest.mark.parametrize("words", DATABASE_COMMANDS)
def test_a_wrong_setting_is_named_and_a_secret_is_not_shown(pri: Pri, words: tuple[str, ...]) -> None:
    _assert_settings_named(pri(*words, **WRONG))


@pytest.mark.parametrize("command", ["dev", "api", "worker"])
def test_services_end_at_once_with_a_wrong_setting(pri_process: Pri, command: str) -> None:
    _assert_settings_named(pri_process(command, **WRONG))


def _assert_settings_named(answer: Answer) -> None:
    complaint = answer.error_line()
    assert "TIME_SCALE: " in complaint
    assert "BOOTSTRAP_API_KEY: " in complaint
    assert "hunter2" not in complaint


def test_a_worker_without_temporal_is_one_line(pri_process: Pri) -> None:
    assert "Temporal cannot be reached at 127.0.0.1:1" in pri_process("worker", **NOWHERE).error_line()


def test_a_data_directory_that_cannot_be_used_is_one_line(pri_process: Pri) -> None:
    for command in ("dev", "demo"):
        assert "/dev/null/data" in pri_process(command, "--data-dir", "/dev/null/data").error_line()
