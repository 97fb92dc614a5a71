"""The request log: every call to a fake API, with what became of it."""

import json
import time

from sandbox.calls import Answer, Call
from sandbox.models import Document
from sandbox.world import SandboxWorld


def log_call(world: SandboxWorld, call: Call, invoice: str | None) -> int:
    """Write a call down before anything else happens; gives its number. `invoice` is what the call is about."""
    return world.store.insert(
        "log",
        at=world.clock.now(),
        wall=time.time(),
        method=call.method,
        path=call.path,
        params=json.dumps(call.params),
        idempotency_key=call.key,
        stripe_version=call.version,
        invoice=invoice,
        replayed=0,
    )


def log_answer(world: SandboxWorld, sequence: int, answer: Answer) -> None:
    """Add the answer; status 0 is a dropped connection."""
    status = 0 if answer.drop else answer.status
    sql = "UPDATE log SET status = ?, replayed = ?, outcome = ? WHERE sequence = ?"
    world.store.execute(sql, status, int(answer.replayed), answer.outcome, sequence)


def read_log_entries(world: SandboxWorld, invoice: str | None = None) -> list[Document]:
    """The log in order, all of it or what concerns one invoice."""
    found = world.store.read_rows("log", invoice)
    return [row | {"params": json.loads(row["params"]), "replayed": bool(row["replayed"])} for row in found]
