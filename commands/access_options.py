"""The options of `pri keys` and `pri users`."""

from typing import Annotated

import typer

from settings import Settings

keys = typer.Typer(no_args_is_help=True, help="API keys.")
users = typer.Typer(no_args_is_help=True, help="People who sign in to the desk of a development machine.")


@keys.command("create")
def keys_create(
    scope: Annotated[list[str], typer.Option(help="recoveries:read, recoveries:write, simulations:write or admin.")],
    name: Annotated[str, typer.Option(help="Who holds it; the actor in the event log.")] = "api",
    expires_in: Annotated[
        str | None, typer.Option(help="How long it works: 12h, 90d; for ever when left out.", metavar="LENGTH")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="The same in days.")] = None,
) -> None:
    """Make an API key. It is printed once and stored as a hash."""
    from api.auth import Scope
    from commands import access, console

    unknown = sorted(set(scope) - set(Scope))
    if unknown:
        raise typer.BadParameter(f"no such scope: {', '.join(unknown)}; there are {', '.join(Scope)}")
    if days and expires_in:
        raise typer.BadParameter("give --expires-in or --days, not both")
    length = access.parse_length(expires_in or (f"{days}d" if days else None))
    console.print_result(access.create_key(Settings(), name, [Scope(one) for one in scope], length))


@keys.command("list")
def keys_list(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show every key but for the key itself: who holds it, what it may do, whether it still works."""
    from rich.console import Console

    from commands import access, console

    found = access.list_keys(Settings())
    if as_json:
        console.print_json([one.model_dump(mode="json") for one in found])
    elif found:
        Console().print(access.keys_table(found))
    else:
        console.print_result("there are no keys")


@keys.command("revoke")
def keys_revoke(
    prefix: Annotated[str, typer.Argument(help="What the key begins with: pri_ and eight digits.")],
) -> None:
    """Make a key stop working, at once and for ever."""
    from commands import access, console

    access.revoke_key(Settings(), prefix)
    console.print_result(f"{prefix} does not work any more")


@users.command("hash")
def users_hash(
    name: Annotated[str, typer.Argument(help="Letters, digits and . _ @ -, without blanks or colons.")],
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
) -> None:
    """Ask for a password and print the entry of that person for LOCAL_USERS."""
    from api.admin.local_people import entry
    from api.admin.people import Role
    from commands import console

    if role not in set(Role):
        raise typer.BadParameter(f"no such role: {role}; there are {', '.join(Role)}")
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    console.print_result(entry(name, Role(role), password))
