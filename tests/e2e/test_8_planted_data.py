"""Personal data and secrets planted in every field that a provider or an operator fills: none gets past its border.

A recovery goes through webhook, plan, charge, message, notice and operator commands, and its customer is erased. Then
everything that the service keeps or puts out is searched.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import pytest
from temporalio.client import ScheduleActionExecutionStartWorkflow

from core.contracts import RetentionReport
from devstack.ports import free_port
from devstack.programs import CLI_COMMAND
from tests.notifications.conftest import MailServer, mail_server
from tests.notifications.receiver import Receiver, receiver
from tests.support import sinks, stacks
from tests.support.planted import ADDRESS, IN_SENTENCES, PLANTED, SENTENCE, Sink, find_planted
from tests.support.service import Recovery, RunningService, endpoints_of, open_service
from workflows.client import connect_temporal

NAME, PHONE = PLANTED["name"], PLANTED["phone"]
OWN_MAIL: Final = ("address", "name")
"""What the customer's own mail may hold."""


@dataclass
class PlantedService:
    """An installation with planted data, whose customers were erased, and the receivers of what it sends."""

    service: RunningService
    worker_metrics_port: int
    mail: MailServer
    operators: Receiver
    systems: Receiver
    reports: Receiver
    traces: Receiver
    recoveries: list[Recovery] = field(default_factory=list)
    before: list[Sink] = field(default_factory=list)
    """Tables, pages and API answers before the customers were erased."""

    async def play_story(self) -> None:
        """Recoveries at three providers, with everything planted, until their customers are erased."""
        self.operators.first_statuses = [500]  # an error report of the worker
        self.recoveries = [await self._play_adyen(), await self._play_stripe(), await self._play_unknown_code()]
        self.recoveries.append(await self._play_braintree())
        await self._wait_for_reports()
        self.before = [*sinks.read_tables(self.service.stack), *await self.read_shown()]
        named = (ADDRESS, PLANTED["customer id"])
        for customer in (*named, *(one.customer for one in self.recoveries if one.customer)):
            await self._run_command("erase", customer)

    async def _play_adyen(self) -> Recovery:
        """A shopper whose reference is an e-mail address: refused, written to, paid with another card."""
        recovery = await self.service.create_adyen_failure(
            "Expired Card", customer_id=ADDRESS, email=ADDRESS, name=NAME, phone=PHONE, raw=f"54 : {SENTENCE}"
        )
        await recovery.wait_for_event("notification.sent")
        for code, success in (("REQUEST_FOR_INFORMATION", True), ("REPORT_AVAILABLE", True), ("NEW_CODE", False)):
            await self.service.adyen.report_event(recovery.invoice, code, success=success, reason=SENTENCE)
        await self._submit_commands(recovery, "pause", "resume")
        token = {"recurring.recurringDetailReference": "TOKENOFANOTHERCARD"}
        await self.service.adyen.report_event(recovery.invoice, "RECURRING_CONTRACT", additional=token)
        await recovery.wait_for_one_payment()
        return recovery

    async def _play_stripe(self) -> Recovery:
        """Texts planted in customer, invoice and decline; the charge of an operator is declined, the next succeeds."""
        customer = {"customer_email": ADDRESS, "customer_name": NAME, "customer_phone": PHONE}
        recovery = await self.service.create_failure(
            "insufficient_funds", email=ADDRESS, name=NAME, message=SENTENCE, reason=PLANTED["card"],
            customer_metadata={"note": f"{SENTENCE} {PHONE}", ADDRESS: NAME}, metadata={"note": SENTENCE},
            invoice_fields=customer | {"description": SENTENCE, "footer": f"{NAME} {PHONE}"},
            script=("decline:generic_decline",),
        )  # fmt: skip
        await recovery.wait_for_event("retry.planned")
        await self._submit_commands(recovery, "pause", "resume", "retry")
        await recovery.wait_for_one_payment()
        return recovery

    async def _play_unknown_code(self) -> Recovery:
        """A card number in the place of a decline code, of which operators are told; an operator cancels."""
        recovery = await self.service.create_failure(PLANTED["card"], email=ADDRESS, name=NAME)
        await recovery.wait_for_event("retry.planned")
        event = await self.service.sandbox.read_event(recovery.ids.event)
        for number, kind in enumerate(("invoice.payment_failed", "invoice.of_next_year")):
            planted = {"id": f"evt_planted_{number}", "type": kind, "note": f"{SENTENCE} {NAME} {PHONE}", ADDRESS: NAME}
            assert (await self.service.post_webhook(event | planted)).status_code == 202
        await self._submit_commands(recovery, "cancel")
        return recovery

    async def _play_braintree(self) -> Recovery:
        """A customer's id that is a name."""
        recovery = await self.service.create_braintree_failure(
            "2004", customer_id=PLANTED["customer id"], email=ADDRESS, name=NAME, country="DE"
        )
        await recovery.wait_for_event("notification.sent")
        await self._submit_commands(recovery, "cancel")
        return recovery

    async def _submit_commands(self, recovery: Recovery, *actions: str) -> None:
        for action in actions:
            answer = await recovery.submit_command(action, reason=SENTENCE)
            assert answer.status_code in (200, 202), answer.text

    async def _wait_for_reports(self) -> None:
        for _ in range(300):
            if all(one.posts for one in (self.operators, self.systems, self.reports, self.traces)):
                return
            await asyncio.sleep(0.2)
        raise AssertionError([len(one.posts) for one in (self.operators, self.systems, self.reports, self.traces)])

    async def _run_command(self, *arguments: str) -> None:
        environment: Any = self.service.stack.environment
        process = await asyncio.create_subprocess_exec(*CLI_COMMAND, *arguments, env=environment)
        assert await process.wait() == 0

    async def read_shown(self) -> list[Sink]:
        """The API's answers, and the pages of the admin console with its export."""
        paths = [path for one in self.recoveries for path in (one.path, f"{one.path}/events")]
        answers = [sink async for sink in sinks.read_answers(self.service, "/v1/recoveries", "/v1/summary", *paths)]
        return answers + [sink async for sink in sinks.read_pages(self.service)]


def read_posts(name: str, received: Receiver) -> list[Sink]:
    """What was posted to a receiver, unpacked."""
    bodies = [
        gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body for headers, body in received.posts
    ]
    assert bodies
    return [Sink(f"{name} {number}", body) for number, body in enumerate(bodies)]


@pytest.fixture(scope="module")
async def planted() -> AsyncIterator[PlantedService]:
    """A stack of its own with every receiver on this machine, logs at DEBUG, and the story played."""
    async with AsyncExitStack() as exits:
        mail, port = await exits.enter_async_context(mail_server()), free_port()
        operators, systems, reports, traces = [await exits.enter_async_context(receiver()) for _ in range(4)]
        settings = {
            "LOG_LEVEL": "DEBUG",
            "METRICS_PORT": str(port),
            "SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
            "MAIL_FROM": "Acme <billing@acme.example>",
            "OPERATOR_NOTIFY_URLS": operators.url.replace("http://", "json://"),
            "OUTGOING_WEBHOOK_URLS": systems.url,
            "OUTGOING_WEBHOOK_SECRET": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "SENTRY_DSN": reports.url.replace("http://", "http://public@").replace("/hook", "/1"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url.removesuffix("/hook"),
        }
        stack = exits.enter_context(stacks.running_stack(settings))
        service = await exits.enter_async_context(open_service(endpoints_of(stack), stack))
        installation = PlantedService(service, port, mail, operators, systems, reports, traces)
        await installation.play_story()
        yield installation


def test_search_finds_each_planted_value_plain_and_encoded() -> None:
    for name, value in PLANTED.items():
        for text in (value, json.dumps({"a": value}), quote(value, safe="")):
            assert ("here", name) in find_planted([Sink("here", text.encode())]), (name, text)


def test_everything_was_planted(planted: PlantedService) -> None:
    tables = [sink for sink in planted.before if sink.name in {"table webhook_inbox", "table customer_identity"}]
    assert {name for _, name in find_planted(tables)} == PLANTED.keys()


def test_only_erasable_tables_held_it_before(planted: PlantedService) -> None:
    tables = {sink for sink, _ in find_planted(planted.before) if sink.startswith("table ")}
    assert tables == {"table webhook_inbox", "table contact", "table customer_identity"}


def test_no_table_holds_it_after_erasure(planted: PlantedService) -> None:
    assert find_planted(sinks.read_tables(planted.service.stack)) == set()


async def test_no_history_holds_it(planted: PlantedService) -> None:
    found = [sink async for sink in sinks.read_histories(planted.service.stack)]
    assert {"schedule relay", "schedule retention"} <= {sink.name for sink in found}
    for recovery in planted.recoveries:
        assert any(sink.name.startswith(f"history of {recovery.id}") for sink in found)
    assert find_planted(found) == set()


def test_no_log_holds_it(planted: PlantedService) -> None:
    assert find_planted(sinks.read_logs(planted.service.stack)) == set()


async def test_no_metric_holds_it(planted: PlantedService) -> None:
    found = [sink async for sink in sinks.read_metrics(planted.service, planted.worker_metrics_port)]
    assert find_planted(found) == set()


async def test_no_page_answer_or_export_shows_it(planted: PlantedService) -> None:
    shown = [sink for sink in planted.before if not sink.name.startswith("table ")]
    assert any(sink.name == "page /admin/recoveries.csv" for sink in shown)
    assert any(sink.name.startswith("page /admin/webhooks/adyen/") for sink in shown)
    assert find_planted(shown) == set()
    assert find_planted(await planted.read_shown()) == set()


def test_only_the_customer_s_own_mail_names_them(planted: PlantedService) -> None:
    mails = [Sink(str(mail["To"]), mail.as_bytes()) for mail in planted.mail.mails]
    own = [sink for sink in mails if ADDRESS in sink.name]
    assert len(own) > 2
    assert find_planted(own, *OWN_MAIL) == set()
    assert find_planted(sink for sink in mails if ADDRESS not in sink.name) == set()


@pytest.mark.parametrize("name", ["operators", "systems", "reports", "traces"])
def test_nothing_that_is_sent_holds_it(planted: PlantedService, name: str) -> None:
    assert find_planted(read_posts(name, getattr(planted, name))) == set()


async def test_retention_runs_by_its_schedule(planted: PlantedService) -> None:
    client = await connect_temporal({"TEMPORAL_ADDRESS": planted.service.endpoints.temporal})
    schedule = client.get_schedule_handle("retention")
    await schedule.trigger()
    for _ in range(100):
        if actions := (await schedule.describe()).info.recent_actions:
            break
        await asyncio.sleep(0.2)
    begun = actions[-1].action
    assert isinstance(begun, ScheduleActionExecutionStartWorkflow)
    report = await client.get_workflow_handle(begun.workflow_id, result_type=RetentionReport).result()
    assert report == RetentionReport(), "nothing is 90 days old"


def test_sentences_hold_what_can_be_recognised_in_them() -> None:
    assert {name for _, name in find_planted([Sink("sentence", SENTENCE.encode())])} == set(IN_SENTENCES)
