"""Stands in for migrate, sandbox, api and worker in tests of the stack: `standin.py ROLE [OPTIONS...]`.

The API is ready unless a file named `unready` lies in its folder STANDIN_DIR; every role that starts leaves
a line in STANDIN_DIR/calls.
"""

import asyncio
import http.server
import importlib
import json
import os
import signal
import sys
from pathlib import Path

FOLDER = Path(os.environ["STANDIN_DIR"])  # noqa: TID251
RECORDED_SETTINGS = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "TEMPORAL_ADDRESS",
    "STRIPE_API_BASE",
    "STRIPE_API_KEY",
    "API_PORT",
)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers 200, or 503 for /readyz while the file `unready` exists."""

    def do_GET(self) -> None:
        self.send_response(503 if (FOLDER / "unready").exists() else 200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Logs nothing."""


def note_call(role: str) -> None:
    """Records the arguments and settings of this role."""
    settings = {name: os.environ.get(name) for name in RECORDED_SETTINGS}  # noqa: TID251
    with (FOLDER / "calls").open("a") as calls:
        calls.write(json.dumps({"role": role, "pid": os.getpid(), "argv": sys.argv[2:], **settings}) + "\n")


def serve_until_stopped(port: int) -> None:
    """Serves HTTP until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.serve_forever()


async def run_worker() -> None:
    """Polls every queue until SIGTERM."""
    from temporalio import activity
    from temporalio.client import Client
    from temporalio.worker import Worker

    @activity.defn
    async def noop_activity() -> None:
        """Does nothing; it is never called."""

    stop_event = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop_event.set)
    workflows = [importlib.import_module("standin_workflow").IdleWorkflow]
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])  # noqa: TID251
    async with (
        Worker(
            client,
            task_queue="recovery",
            workflows=workflows,
            activities=[noop_activity],
        ),
        Worker(client, task_queue="charges-stripe", activities=[noop_activity]),
        Worker(client, task_queue="simulations", activities=[noop_activity]),
        Worker(client, task_queue="charges-adyen", activities=[noop_activity]),
        Worker(client, task_queue="charges-braintree", activities=[noop_activity]),
    ):
        await stop_event.wait()


def main(role: str) -> None:
    """Runs the role."""
    note_call(role)
    if role == "fail":
        sys.exit("it cannot be done")
    if role == "api":
        serve_until_stopped(int(os.environ["API_PORT"]))  # noqa: TID251
    if role == "sandbox":
        serve_until_stopped(int(sys.argv[sys.argv.index("--port") + 1]))
    if role == "worker":
        asyncio.run(run_worker())
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
