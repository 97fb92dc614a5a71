"""`pri demo`: the whole service on this machine, a handful of stories in compressed time, and what came of them."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from commands import database, demo_paper
from commands.demo_mail import Mailbox, mail_server
from commands.demo_played import Played, play
from commands.demo_stage import Stage, Unexpected
from commands.demo_stories import STORIES, Story
from core.errors import RecoveryError
from devstack.children import Options
from devstack.console import say
from devstack.errors import DevstackError, Interrupted
from devstack.foreground import break_off_with_exception, only_tell
from devstack.stack import DevStack, status_of
from settings import SHIPPED_POLICY, Settings, environment

NOTHING: Final = SecretStr("")
REAL_WORLD: Final = (
    "ADYEN_", "BRAINTREE_", "SMTP_URL", "MAIL_FROM", "UNSUBSCRIBE_URL", "MESSAGE_DIR", "CUSTOMER_",
    "OPERATOR_NOTIFY_URLS", "OUTGOING_WEBHOOK_", "SENTRY_DSN", "OTEL_",
)  # fmt: skip
"""What must not hear of a demo, even where this machine is set up for it."""


def demo(data_dir: Path | None, scale: int, keep: bool) -> None:
    """Start, play, print, end. Raises Unexpected when a story did not end as it should, DevstackError.

    Everything is embedded, whatever DATABASE_URL or TEMPORAL_ADDRESS say: compressed time is not for real data.
    """
    stop = threading.Event()
    try:
        break_off_with_exception()
        with _folder(data_dir) as folder, mail_server() as box:
            options = Options(folder, 0, 0, 0, environment=_children(scale) | box.settings)
            stack = DevStack(options, _settings(scale), stopping=stop.is_set)
            stack.fetch()
            only_tell(stop)
            with stack:
                _show(stack, box, scale, keep, stop)
                say("ending")
    except KeyboardInterrupt:
        raise Interrupted("stopped before it was ready") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DevstackError(f"cannot use {data_dir or tempfile.gettempdir()}: {error}") from error


def _settings(scale: int) -> Settings:
    """Those of a newcomer: nothing given from outside but the provider that we play ourselves."""
    return Settings(
        smtp_url=NOTHING, operator_notify_urls=NOTHING, customer_notify_urls=NOTHING, outgoing_webhook_urls=NOTHING,
        database_url=NOTHING, database_owner_url=NOTHING, temporal_address="", temporal_ui_url="",
        temporal_namespace="default", stripe_api_key=NOTHING, stripe_webhook_secrets=(), bootstrap_api_key=NOTHING,
        adyen_api_key=NOTHING, adyen_api_base="", adyen_hmac_keys=(),
        braintree_merchant_id="", braintree_public_key="", braintree_private_key=NOTHING, braintree_api_base="",
        policy_file=SHIPPED_POLICY, time_scale=scale,
    )  # fmt: skip


def _children(scale: int) -> dict[str, str]:
    silenced = {name: "" for name in environment() if name.startswith(REAL_WORLD)}
    return silenced | {"TIME_SCALE": str(scale), "POLICY_FILE": str(SHIPPED_POLICY), "METRICS_PORT": "0"}


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """The one given, or a temporary one that goes away unless something went wrong in it."""
    if given:
        yield given
        return
    made, failed = Path(tempfile.mkdtemp(prefix="pri-demo-")), False
    try:
        yield made
    except RecoveryError as error:
        failed = not isinstance(error, Interrupted)
        raise
    finally:
        if failed:
            say(f"the logs are kept in {made / 'logs'}")
        else:
            shutil.rmtree(made, ignore_errors=True)


def _show(stack: DevStack, box: Mailbox, scale: int, keep: bool, stop: threading.Event) -> None:
    """The stories, printed. Raises Unexpected after everything is printed."""
    say(f"ready; playing {len(STORIES)} stories at once, {scale} times faster than life")
    played = asyncio.run(_played(stack, scale, stop))
    intact = _print(stack, played, box, scale, keep)
    if keep:
        say("it all runs until Ctrl-C")
        stop.wait()
    _judge(played, intact)


async def _played(stack: DevStack, scale: int, stop: threading.Event) -> list[Played]:
    addresses, secrets = stack.addresses, stack.secrets
    async with Stage(addresses.api, secrets.bootstrap_key, addresses.sandbox, secrets.stripe_key, scale) as stage:
        stories = asyncio.gather(*(_one(stage, story) for story in STORIES))
        while not stories.done():
            await asyncio.wait({stories}, timeout=0.1)
            if stop.is_set():
                stories.cancel()
                with suppress(asyncio.CancelledError):
                    await stories
                raise Interrupted("stopped before every story had ended")
        return await stories


async def _one(stage: Stage, story: Story) -> Played:
    played = await play(stage, story)
    say(f"{story.name}: {played.complaint or played.state}")
    return played


def _print(stack: DevStack, played: Sequence[Played], box: Mailbox, scale: int, keep: bool) -> bool:
    """Everything, and what `pri audit verify` says of the log; whether that is intact."""
    report = database.verify(Settings(database_url=SecretStr(stack.addresses.writer_url)), None)
    found = "every hash fits" if report.clean else f"{len(report.problems)} problems"
    with demo_paper.printed() as out:
        demo_paper.timelines(out, played, scale)
        demo_paper.messages(out, played, box.mails)
        demo_paper.summary(out, played)
        out.print(f"\nThe log holds {report.rows} rows of {report.recoveries} recoveries: {found}.\n")
        demo_paper.addresses(out, _places(stack, keep))
    return report.clean


def _places(stack: DevStack, keep: bool) -> dict[str, str]:
    api = stack.addresses.api
    places = {"API docs": f"{api}/docs", "Temporal UI": stack.addresses.temporal_ui}
    if (status_of(api, "/admin") or 404) < 400:
        places["Admin page"] = f"{api}/admin"
    if keep:
        return places | {"Key": f"{stack.secrets.bootstrap_key} (bearer of the API; password of user admin)"}
    return places | {"": "ending now; `pri demo --keep` leaves it running"}


def _judge(played: Sequence[Played], intact: bool) -> None:
    if not intact:
        raise Unexpected("the hash chain of the event log is broken")
    wrong = [f"{one.story.name}: {one.complaint}" for one in played if one.complaint]
    if wrong:
        raise Unexpected(f"{len(wrong)} of {len(played)} stories did not end as expected: {' | '.join(wrong)}")
