"""The `pri` command."""

import gc
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from commands import audit_options, options
from settings import Settings, exit_on_known_errors, exit_with_line

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Recovers failed payments."
)

notify = typer.Typer(no_args_is_help=True, help="Messages to customers.")
policy = typer.Typer(no_args_is_help=True, help="Retry policies.")
imports = typer.Typer(no_args_is_help=True, help="Import of payment history, for `pri simulate --source FILE`.")
app.add_typer(audit_options.audit, name="audit")
app.add_typer(imports, name="import")
app.add_typer(policy, name="policy")
app.add_typer(options.keys, name="keys")
app.add_typer(options.users, name="users")
app.add_typer(options.sessions, name="sessions")
app.add_typer(notify, name="notify")
app.command("simulate")(options.simulate_policy)
notify.command("preview")(options.notify_preview)
imports.command("stripe")(options.imports_stripe)
imports.command("csv")(options.imports_csv)


@app.callback()
def _root() -> None:
    """Recovers failed payments."""


@app.command()
def dev(
    data_dir: Annotated[Path, typer.Option(help="Folder for data, logs and development secrets.")] = Path(".pri"),
    api_port: Annotated[int, typer.Option(help="Port of the API; 0: any free one.")] = 8000,
    temporal_port: Annotated[int, typer.Option(help="Port of Temporal; 0: any free one.")] = 7233,
    temporal_ui_port: Annotated[int, typer.Option(help="Port of Temporal's web UI; 0: any free one.")] = 8233,
    sandbox: Annotated[bool, typer.Option(help="Run fake payment providers on this machine.")] = True,
) -> None:
    """Run the whole service on this machine until Ctrl-C.

    Starts PostgreSQL, Temporal, the sandbox gateway, API and worker, keeps their data over restarts, and restarts
    processes that die. DATABASE_URL and TEMPORAL_ADDRESS replace the embedded ones. Prints one line
    `ready http://127.0.0.1:PORT` to stdout; everything else goes to stderr and to DATA_DIR/logs.
    """
    from devstack.foreground import run_until_stopped
    from devstack.programs import Options

    run_until_stopped(Options(data_dir, api_port, temporal_port, temporal_ui_port, sandbox))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Keep data and logs there; else they are removed.")] = None,
    scale: Annotated[int, typer.Option(min=600, max=14_400, help="Factor that delays are shortened by.")] = 7200,
) -> None:
    """Play recoveries on this machine and print their timelines.

    Starts everything embedded on free ports, lets payments fail in a sandbox in scaled time, reads every recovery
    back over the API, and ends. Exit code 1 if a scenario did not end as expected. Uses nothing from outside:
    DATABASE_URL, TEMPORAL_ADDRESS and the providers' keys are ignored.
    """
    from commands.demo.run import run_demo as play

    play(data_dir, scale, keep)


@app.command()
def migrate() -> None:
    """Migrate the database to this release and register Temporal's search attributes."""
    from commands import database

    database.upgrade_database(Settings())


@app.command()
def rebuild() -> None:
    """Rebuild the read model and the attempt ledger from the event log, as the tables' owner (DATABASE_OWNER_URL).

    Writers wait until it is done.
    """
    from commands import console, database

    console.print_result(f"{database.rebuild_from_log(Settings())} recoveries rebuilt from the event log")


@app.command()
def api() -> None:
    """Serve the HTTP API until SIGINT or SIGTERM."""
    from api.main import run_api

    run_api(Settings())


@app.command()
def worker() -> None:
    """Run the worker until SIGINT or SIGTERM."""
    from worker import main as work

    work()


@app.command()
def trigger(
    provider: Annotated[str, typer.Argument(help="Provider of the webhook: stripe, adyen or braintree.")],
    decline_code: Annotated[str, typer.Option(help="Decline code of the failed payment.")] = "insufficient_funds",
    invoice: Annotated[str | None, typer.Option(help="Id of the invoice; random when left out.")] = None,
    amount: Annotated[int, typer.Option(min=1, help="Minor currency units.")] = 4900,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "eur",
    outcome: Annotated[list[str] | None, typer.Option(help="What the sandbox answers to our charges.")] = None,
    url: Annotated[str, typer.Option(help="Address of the API.")] = "http://127.0.0.1:8000",
    data_dir: Annotated[Path, typer.Option(help="Data directory of the running `pri dev`.")] = Path(".pri"),
) -> None:
    """Sign and post a sample webhook of a failed payment."""
    from commands import console
    from commands.trigger import send_sample as send

    if provider not in ("stripe", "adyen", "braintree"):
        raise typer.BadParameter("only stripe, adyen and braintree can be triggered")
    fields = {"decline_code": decline_code, "amount": amount, "currency": currency.lower()}
    named = {"invoice_id": invoice} if invoice else {}
    console.print_result(send(Settings(), data_dir, url, provider, fields | named | {"script": outcome or []}))


@app.command()
def explain(
    recovery_id: Annotated[str | None, typer.Argument(help="A recovery, to rederive one of its decisions.")] = None,
    sequence: Annotated[int | None, typer.Argument(min=1, help="The decision's row in its log.")] = None,
    provider: Annotated[str | None, typer.Option(help="Provider of the code.")] = None,
    code: Annotated[str | None, typer.Option(help="The provider's decline or error code.")] = None,
    provider_advice: Annotated[str | None, typer.Option(help="The provider's advice code.")] = None,
    network: Annotated[str | None, typer.Option(help="Card network, e.g. visa.")] = None,
    network_code: Annotated[str | None, typer.Option(help="The network's response code.")] = None,
    network_advice: Annotated[str | None, typer.Option(help="The network's advice code, as Mastercard's MAC.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show how a failure is classified and what happens next, or rederive a recorded decision from its row."""
    from commands.explain import print_classification, print_rederivation
    from core.payments import Failure

    if recovery_id and sequence:
        return print_rederivation(Settings(), recovery_id, sequence, as_json)
    if recovery_id or not provider or not code:
        raise typer.BadParameter("give --provider and --code, or a recovery and the sequence of a row")
    failure = Failure(
        code=code, advice=provider_advice, network=network, network_code=network_code, network_advice=network_advice
    )
    return print_classification(provider, failure, as_json)


@policy.command("check")
def policy_check(file: Annotated[Path, typer.Argument(help="A policy file.")]) -> None:
    """Check a policy file: print errors with line and key, and warnings about likely mistakes."""
    from commands import console
    from commands import policy as policies

    found = policies.read_policy_file(file)
    for warning in policies.find_warnings(found):
        console.print_note(f"warning: {file}: {warning}")
    console.print_result(f"{file}: valid, version {found.version}")


@policy.command("show")
def policy_show(file: Annotated[Path | None, typer.Argument(help="POLICY_FILE when left out.")] = None) -> None:
    """Print a policy as JSON, with defaults and inherited values filled in."""
    from commands import console
    from commands import policy as policies

    console.print_json(policies.dump_policy(policies.read_policy_file(file or Settings().policy_file)))


@policy.command("shadow")
def policy_shadow(
    days: Annotated[int, typer.Option(min=1, max=3650, help="Decisions of the last days.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare the shadow policy's plans with the decisions that were made."""
    from rich.console import Console

    from commands import console
    from commands import policy as shadow

    found = shadow.read_shadow_report(Settings(), days)
    if as_json:
        return console.print_json(found.model_dump())
    if not found.comparisons:
        return console.print_result("no decision has a shadow plan; SHADOW_POLICY_FILE names the policy")
    Console().print(shadow.shadow_table(found))
    for sentence in shadow.shadow_sentences(found):
        console.print_result(sentence)
    return None


@app.command()
def experiments(
    days: Annotated[int, typer.Option(min=1, max=3650, help="Recoveries that opened in the last days.")] = 90,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare the arms of experiments: recovery rate, amount, and the difference to the holdout."""
    from rich.console import Console

    from commands import console
    from commands import policy as policies

    found = policies.compare_experiments(Settings(), days)
    if as_json:
        console.print_json({name: [one.model_dump() for one in reports] for name, reports in found.items()})
    elif found:
        Console().print(policies.experiments_table(found))
    else:
        console.print_result("no recovery is part of an experiment")


@app.command()
def erase(customer_id: Annotated[str, typer.Argument(help="The provider's customer id.")]) -> None:
    """Erase what is stored of a customer. The event log is kept: it holds ids and redacted text."""
    from commands import console, database

    count = database.erase_customer_data(Settings(), customer_id)
    console.print_result(f"{count} webhooks of {customer_id} blanked")
    console.print_result(
        "The event log is kept as it is, reasons of operators included: they were redacted when written."
    )


def main() -> None:
    """Runs the command; an error of ours becomes one line on stderr and exit code 1."""
    try:
        with exit_on_known_errors():
            app()
    except Exception as error:
        if told := _database_message(error):
            exit_with_line(told)
        raise
    finally:
        _wait_for_temporal_threads()


def _database_message(error: Exception) -> str | None:
    """PostgreSQL's message for a database error, for example a table of another release; None for other errors."""
    from sqlalchemy.exc import DBAPIError

    from db.errors import server_message

    return f"The database refuses this: {server_message(error)}" if isinstance(error, DBAPIError) else None


def _wait_for_temporal_threads() -> None:
    """temporalio 1.33 to 1.35 may crash an interpreter that ends with its threads alive (sdk-python issue 300)."""
    if "temporalio" in sys.modules:
        gc.collect()
        time.sleep(0.5)


if __name__ == "__main__":
    main()
