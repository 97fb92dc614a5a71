"""`pri users hash`: asks for a password, prints what LOCAL_USERS takes."""

import pytest
from typer.testing import CliRunner

import cli
from api.admin.local_users import LocalUsers, parse_local_users
from api.admin.sessions import Role

PASSWORD = "correct horse battery"
WORDS = ["users", "hash", "ann", "--role", "operator"]


def test_printed_entry_allows_the_sign_in() -> None:
    answer = CliRunner().invoke(cli.app, WORDS, input=f"{PASSWORD}\n{PASSWORD}\n")
    assert answer.exit_code == 0, answer.output
    (entry,) = answer.stdout.split()
    assert LocalUsers(parse_local_users(entry), "").role_of("ann", PASSWORD) is Role.OPERATOR
    assert PASSWORD not in answer.output


@pytest.mark.parametrize("typed", [f"{PASSWORD}\nanother\n", f"{PASSWORD}\n"])
def test_a_password_is_typed_twice(typed: str) -> None:
    answer = CliRunner().invoke(cli.app, WORDS, input=typed)
    assert (answer.exit_code, answer.stdout.strip()) == (1, "")
