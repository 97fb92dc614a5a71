"""The recovery benchmark: its fake Stripe answers as the sandbox does, and it counts what was used."""

import ast
import asyncio
import inspect
import json
import os
import subprocess
import sys
import time
from types import ModuleType
from typing import Any

import pytest

import worker
from benchmarks import bare_worker
from benchmarks.recovery_rate import Turn
from benchmarks.recovery_rate_cpu import cpu_seconds
from benchmarks.recovery_rate_load import BenchmarkFailed, ServiceLoad
from benchmarks.recovery_rate_stack import LOAD
from benchmarks.recovery_rate_stripe import FastStripe

SPEED_OPTIONS = (
    "max_concurrent_", "max_cached_", "nonsticky_", "activity_task_poller", "workflow_task_poller", "tuner",
    "disable_eager", "use_worker_", "workflow_runner", "max_eager",
)  # fmt: skip
READ = "expand[0]=payments&expand[1]=customer"


async def ask(fake: FastStripe, number: int, method: str = "GET", tail: str = "") -> tuple[int, dict[str, Any]]:
    """Status and answer to a question about this invoice."""
    body = "expand[0]=payments" if method == "POST" else ""
    status, answer = await fake.answer(f"{method} /v1/invoices/{fake.invoice_id(number)}{tail} {body}")
    return status, json.loads(answer)


async def test_a_later_invoice_differs_from_the_first_in_ids_and_times_only() -> None:
    fake = FastStripe()
    for number in (0, 1):
        event = json.loads(fake.failure_event(number))
        assert event["data"]["object"]["id"] == fake.invoice_id(number)
    (_, first), (_, second) = await ask(fake, 0, tail=f"?{READ}"), await ask(fake, 1, tail=f"?{READ}")
    assert json.dumps(second).replace("x00000001", "x00000000") == json.dumps(first)
    assert first["customer"]["id"] != second["customer"]["id"]
    assert abs(first["created"] - time.time()) < 5


async def test_a_paid_invoice_is_shown_as_paid_and_others_stay_open() -> None:
    fake = FastStripe()
    for number in (0, 1):
        fake.failure_event(number)
        assert (await ask(fake, number))[1]["status"] == "open"
        status, paid = await ask(fake, number, "POST", "/pay")
        assert (status, paid["status"], paid["id"]) == (200, "paid", fake.invoice_id(number))
        assert fake.ends[number].done()
        assert (await ask(fake, number))[1]["status"] == "paid"
    assert fake.paid == {0: 1, 1: 1}
    assert not fake.problems


async def test_a_question_that_the_first_recovery_did_not_ask_is_a_problem() -> None:
    fake = FastStripe()
    for number in (0, 1):
        fake.failure_event(number)
    await ask(fake, 0, "POST", "/pay")
    status, _ = await ask(fake, 1)
    assert status == 500
    assert len(fake.problems) == 1


async def test_a_webhook_is_posted_over_a_new_connection_where_the_service_closed_the_kept_one() -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
        load = ServiceLoad(FastStripe(), server.sockets[0].getsockname()[1], "whsec_1")
        assert await load.start() == 0
        await asyncio.sleep(0.1)
        assert await load.start() == 1
        load.close()


async def test_a_webhook_that_is_not_accepted_fails_the_benchmark() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        load = ServiceLoad(FastStripe(), server.sockets[0].getsockname()[1], "whsec_1")
        with pytest.raises(BenchmarkFailed, match="503"):
            await load.start()
        load.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processor_time_holds_that_of_children_running_and_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        used = cpu_seconds({"parent": process.pid, "we": os.getpid()})
        process.communicate(b"\n")
    assert 0.3 <= used["parent"] < 2
    assert used["we"] >= used["parent"]


def test_the_load_is_not_counted_as_work() -> None:
    assert Turn(10.0, {"api": 2.0, "worker": 3.0, LOAD: 5.0}).total_cpu == 5.0


def _speed_options(module: ModuleType, queue: str) -> dict[str, str]:
    """What decides the speed of the worker of this queue, as its file has it."""
    calls = [
        {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Worker"
    ]
    (options,) = [call for call in calls if call["task_queue"] == queue]
    return {name: text for name, text in options.items() if name.startswith(SPEED_OPTIONS)}


@pytest.mark.parametrize(
    ("ours", "floor"), [("RECOVERY_QUEUE", "WORKFLOW_QUEUE"), ("charge_queue(provider)", "CALL_QUEUE")]
)
def test_the_floors_worker_has_the_settings_of_ours(ours: str, floor: str) -> None:
    # The pace is ours alone: it limits the rate, and the floor has none.
    assert _speed_options(worker, ours) == _speed_options(bare_worker, floor) != {}
