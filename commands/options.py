"""Arguments and options of `pri keys`, `pri users`, `pri sessions`, `pri simulate`, `pri import` and `pri notify`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from settings import Settings

keys = typer.Typer(no_args_is_help=True, help="API keys.")
users = typer.Typer(no_args_is_help=True, help="People who sign in to the admin console of a development machine.")

sessions = typer.Typer(no_args_is_help=True, help="Sessions of people in the admin console.")


@keys.command("create")
def keys_create(
    scope: Annotated[
        list[str],
        typer.Option(
            help="recoveries:read, recoveries:write, simulations:write, metrics:read, payloads:decode or admin."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of its holder, recorded as the actor of its commands.")] = "api",
    expires_in: Annotated[
        str | None, typer.Option(help="How long it is valid: 12h, 90d; for ever when left out.", metavar="LENGTH")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="The same in days.")] = None,
) -> None:
    """Create an API key. It is printed once and stored as a hash."""
    from api.auth import Scope
    from commands import api_keys, console

    unknown = sorted(set(scope) - set(Scope))
    if unknown:
        raise typer.BadParameter(f"no such scope: {', '.join(unknown)}; there are {', '.join(Scope)}")
    if days and expires_in:
        raise typer.BadParameter("give --expires-in or --days, not both")
    length = api_keys.parse_length(expires_in or (f"{days}d" if days else None))
    console.print_result(api_keys.create_key(Settings(), name, [Scope(one) for one in scope], length))


@keys.command("list")
def keys_list(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List API keys with holder, scopes and state. The keys themselves can't be shown again."""
    from rich.console import Console

    from commands import api_keys, console

    found = api_keys.list_keys(Settings())
    if as_json:
        console.print_json([one.model_dump(mode="json") for one in found])
    elif found:
        Console().print(api_keys.keys_table(found))
    else:
        console.print_result("there are no keys")


@keys.command("revoke")
def keys_revoke(
    prefix: Annotated[str, typer.Argument(help="What the key begins with: pri_ and eight digits.")],
) -> None:
    """Revoke an API key, at once and for ever."""
    from commands import api_keys, console

    api_keys.revoke_key(Settings(), prefix)
    console.print_result(f"{prefix} does not work any more")


@users.command("hash")
def users_hash(
    name: Annotated[str, typer.Argument(help="Letters, digits and . _ @ -, without blanks or colons.")],
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
) -> None:
    """Ask for a password and print the person's entry for LOCAL_USERS."""
    from api.admin.local_users import format_local_user
    from api.admin.sessions import Role
    from commands import console

    if role not in set(Role):
        raise typer.BadParameter(f"no such role: {role}; there are {', '.join(Role)}")
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    console.print_result(format_local_user(name, Role(role), password))


@sessions.command("list")
def sessions_list(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List who is signed in to the admin console, those seen last first."""
    from rich.console import Console

    from commands import console
    from commands import sessions as stored

    found = stored.list_sessions(Settings())
    if as_json:
        console.print_json([one.model_dump(mode="json") for one in found])
    elif found:
        Console().print(stored.sessions_table(found))
    else:
        console.print_result("nobody is signed in")


@sessions.command("revoke")
def sessions_revoke(
    session_id: Annotated[str | None, typer.Argument(help="The session's id, from `pri sessions list`.")] = None,
    name: Annotated[str | None, typer.Option(help="Every session of this person, however spelled.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every session of everybody.")] = False,
) -> None:
    """End sessions at once: whoever has one signs in again."""
    from commands import console
    from commands import sessions as stored

    if [bool(session_id), bool(name), everybody].count(True) != 1:
        raise typer.BadParameter("give a session's id, --name or --all")
    ended = stored.revoke_sessions(Settings(), session_id, name)
    console.print_result(f"{ended} {'session' if ended == 1 else 'sessions'} ended")


def simulate_policy(
    policy: Annotated[Path, typer.Option(help="The candidate: a policy file.")],
    baseline: Annotated[Path | None, typer.Option(help="What it is compared with; POLICY_FILE when left out.")] = None,
    recoveries: Annotated[int | None, typer.Option(min=1, help="How many; 100000, or all of a history.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random draws; the same seed, the same result.")] = 1,
    source: Annotated[str, typer.Option(help="synthetic, history (the event log), or a history file.")] = "synthetic",
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one per core when left out.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for result.json and report.html.")] = Path("simulation"),
    assumptions: Annotated[Path | None, typer.Option(help="A TOML file with assumptions of your own.")] = None,
    sweep: Annotated[bool, typer.Option(help="Also for other shares of customers who pay by themselves.")] = True,
) -> None:
    """Compare a policy with the one it would replace, on recorded or synthetic failures, without charging anything.

    Uses the decision code of live recoveries. Prints a comparison and writes result.json and report.html. The same
    seed and inputs give the same result, with any number of --jobs.
    """
    from commands import simulate as dry_run

    wanted = dry_run.SimulationRequest(
        policy, baseline, recoveries, seed, source, jobs or os.cpu_count() or 1, out, assumptions, sweep
    )
    dry_run.run_simulation(Settings(), wanted)


Out = Annotated[Path, typer.Option(help="The history file to write; compressed where the name ends in .gz.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, UTC.")]


def imports_stripe(out: Out, since: Day = None, until: Day = None) -> None:
    """Import failed invoices and their charges from Stripe; a read-only key (STRIPE_API_KEY) is enough.

    Reads invoices created from --since on and before --until; all of them when left out. If interrupted, the same
    command continues where it stopped.
    """
    from commands.imports import import_from_stripe

    import_from_stripe(out, *(day.replace(tzinfo=UTC) if day else None for day in (since, until)))


def imports_csv(
    table: Annotated[Path, typer.Argument(help="One row per attempt; docs/simulator-import.md lists the columns.")],
    out: Out,
    provider: Annotated[str, typer.Option(help="Provider of the decline codes in the table.")] = "stripe",
) -> None:
    """Convert a table of charge attempts to a history file."""
    from commands.imports import import_from_csv

    import_from_csv(table, out, provider)


def notify_preview(
    kind: Annotated[str, typer.Argument(help="payment_failed, card_data, authentication, no_method, last_warning …")],
    language: Annotated[str, typer.Option(help="en, de, fr, es or pt, also with a country: pt-BR.")] = "en",
    html: Annotated[bool, typer.Option("--html", help="The HTML part instead of the text.")] = False,
    cause: Annotated[str | None, typer.Option(help="Cause of the failure; the usual one when left out.")] = None,
    amount: Annotated[int, typer.Option(min=1, help="Minor currency units.")] = 4900,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "EUR",
    edge: Annotated[
        list[str] | None, typer.Option(help="no_name, no_link, no_number, no_dates, zero_decimals; may be repeated.")
    ] = None,
) -> None:
    """Print a message as a customer would get it, with example data. Sends nothing."""
    from commands.preview import print_preview as show

    show(
        Settings(),
        kind,
        language=language,
        html=html,
        cause=cause,
        amount=amount,
        currency=currency,
        edges=edge or (),
    )
