"""`pri demo`: runs the whole service on this machine, plays a few scenarios in scaled time, and prints the results."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from commands import audit
from commands.demo import printing
from commands.demo.driver import ScenarioDriver, UnexpectedOutcome
from commands.demo.mail_server import Mailbox, mail_server
from commands.demo.results import ScenarioResult, play_scenario
from commands.demo.scenarios import SCENARIOS, Scenario
from core.errors import RecoveryError
from devstack.console import print_status
from devstack.errors import DevstackError, StackInterrupted
from devstack.foreground import raise_on_signals, set_event_on_signals
from devstack.programs import Options
from devstack.stack import DevStack, http_status
from settings import SHIPPED_POLICY, Settings, read_environment

NO_SECRET: Final = SecretStr("")
SILENCED_PREFIXES: Final = (
    "ADYEN_", "BRAINTREE_", "SMTP_URL", "MAIL_FROM", "UNSUBSCRIBE_URL", "MESSAGE_DIR", "CUSTOMER_",
    "OPERATOR_NOTIFY_URLS", "OUTGOING_WEBHOOK_", "SENTRY_DSN", "OTEL_",
)  # fmt: skip
"""Settings that the demo empties, so that no provider, mail server or operator tool of this machine is used."""


def run_demo(data_dir: Path | None, scale: int, keep: bool) -> None:
    """Starts the stack, plays the scenarios, prints the results and stops.

    Raises UnexpectedOutcome if a scenario did not end as expected, DevstackError if the stack can't run. Everything is
    embedded, whatever DATABASE_URL or TEMPORAL_ADDRESS say: scaled time must not touch real data.
    """
    stop = threading.Event()
    try:
        raise_on_signals()
        with _data_folder(data_dir) as folder, mail_server() as box:
            options = Options(folder, 0, 0, 0, environment=_child_environment(scale) | box.smtp_settings)
            stack = DevStack(options, _demo_settings(scale), stopping=stop.is_set)
            stack.fetch_programs()
            set_event_on_signals(stop)
            with stack:
                _play_and_print(stack, box, scale, keep, stop)
                print_status("ending")
    except KeyboardInterrupt:
        raise StackInterrupted("stopped before it was ready") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DevstackError(f"cannot use {data_dir or tempfile.gettempdir()}: {error}") from error


def _demo_settings(scale: int) -> Settings:
    """Settings without anything from outside: the only provider is our sandbox."""
    return Settings(
        smtp_url=NO_SECRET,
        operator_notify_urls=NO_SECRET,
        customer_notify_urls=NO_SECRET,
        outgoing_webhook_urls=NO_SECRET,
        database_url=NO_SECRET,
        database_owner_url=NO_SECRET,
        temporal_address="",
        temporal_ui_url="",
        temporal_namespace="default",
        stripe_api_key=NO_SECRET,
        stripe_webhook_secrets=(),
        bootstrap_api_key=NO_SECRET,
        adyen_api_key=NO_SECRET,
        adyen_api_base="",
        adyen_hmac_keys=(),
        braintree_merchant_id="",
        braintree_public_key="",
        braintree_private_key=NO_SECRET,
        braintree_api_base="",
        policy_file=SHIPPED_POLICY,
        time_scale=scale,
    )


def _child_environment(scale: int) -> dict[str, str]:
    silenced = {name: "" for name in read_environment() if name.startswith(SILENCED_PREFIXES)}
    return silenced | {"TIME_SCALE": str(scale), "POLICY_FILE": str(SHIPPED_POLICY), "METRICS_PORT": "0"}


@contextmanager
def _data_folder(given: Path | None) -> Iterator[Path]:
    """The given folder, or a temporary one that is removed unless an error occurred."""
    if given:
        yield given
        return
    made, failed = Path(tempfile.mkdtemp(prefix="pri-demo-")), False
    try:
        yield made
    except RecoveryError as error:
        failed = not isinstance(error, StackInterrupted)
        raise
    finally:
        if failed:
            print_status(f"the logs are kept in {made / 'logs'}")
        else:
            shutil.rmtree(made, ignore_errors=True)


def _play_and_print(stack: DevStack, box: Mailbox, scale: int, keep: bool, stop: threading.Event) -> None:
    """Plays and prints the scenarios. Raises UnexpectedOutcome after everything is printed."""
    print_status(f"ready; playing {len(SCENARIOS)} scenarios at once, {scale} times faster than real time")
    played = asyncio.run(_play_scenarios(stack, scale, stop))
    intact = _print_results(stack, played, box, scale, keep)
    if keep:
        print_status("it all runs until Ctrl-C")
        stop.wait()
    _check_results(played, intact)


async def _play_scenarios(stack: DevStack, scale: int, stop: threading.Event) -> list[ScenarioResult]:
    addresses, secrets = stack.addresses, stack.secrets
    async with ScenarioDriver(
        addresses.api, secrets.bootstrap_key, addresses.sandbox, secrets.stripe_key, scale
    ) as stage:
        stories = asyncio.gather(*(_play_one(stage, story) for story in SCENARIOS))
        while not stories.done():
            await asyncio.wait({stories}, timeout=0.1)
            if stop.is_set():
                stories.cancel()
                with suppress(asyncio.CancelledError):
                    await stories
                raise StackInterrupted("stopped before every scenario had ended")
        return await stories


async def _play_one(stage: ScenarioDriver, story: Scenario) -> ScenarioResult:
    played = await play_scenario(stage, story)
    print_status(f"{story.name}: {played.complaint or played.state}")
    return played


def _print_results(stack: DevStack, played: Sequence[ScenarioResult], box: Mailbox, scale: int, keep: bool) -> bool:
    """Prints the results and the verification of the log; returns whether the log is intact."""
    report = audit.verify_audit(Settings(database_url=SecretStr(stack.addresses.writer_url)), None, jobs=1)
    found = "every hash is right" if report.is_clean else f"{len(report.problems)} problems"
    with printing.captured_console() as out:
        printing.print_timelines(out, played, scale)
        printing.print_messages(out, played, box.mails)
        printing.print_summary(out, played)
        out.print(f"\nThe log holds {report.rows} rows of {report.recoveries} recoveries: {found}.\n")
        printing.print_addresses(out, _useful_addresses(stack, keep))
    return report.is_clean


def _useful_addresses(stack: DevStack, keep: bool) -> dict[str, str]:
    api = stack.addresses.api
    places = {"API docs": f"{api}/docs", "Temporal UI": stack.addresses.temporal_ui}
    if (http_status(api, "/admin") or 404) < 400:
        places["Admin page"] = f"{api}/admin"
    if keep:
        return places | {"Key": f"{stack.secrets.bootstrap_key} (bearer of the API; password of user admin)"}
    return places | {"": "ending now; `pri demo --keep` leaves it running"}


def _check_results(played: Sequence[ScenarioResult], intact: bool) -> None:
    if not intact:
        raise UnexpectedOutcome("the hash chain of the event log is broken")
    wrong = [f"{one.scenario.name}: {one.complaint}" for one in played if one.complaint]
    if wrong:
        raise UnexpectedOutcome(f"{len(wrong)} of {len(played)} scenarios did not end as expected: {' | '.join(wrong)}")
