"""The request log: every call to the fake API, with what became of it."""

import json
import re
import time

from sandbox.calls import Answer, Call
from sandbox.models import Document
from sandbox.stripe.views import invoice_of_intent
from sandbox.world import SandboxWorld

INVOICE_PATH = re.compile(r"^/v1/invoices/([^/]+)")
INTENT_PATH = re.compile(r"^/v1/payment_intents/([^/]+)")


def log_stripe_call(world: SandboxWorld, call: Call) -> int:
    """Write a call of the fake Stripe down before anything else happens; gives its number."""
    return log_call(world, call, _invoice_of_call(world, call))


def log_call(world: SandboxWorld, call: Call, invoice: str | None) -> int:
    """The same for a provider that knows which invoice its call is about."""
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


def _invoice_of_call(world: SandboxWorld, call: Call) -> str | None:
    if of := INVOICE_PATH.match(call.path):
        return of[1]
    if of := INTENT_PATH.match(call.path):
        return invoice_of_intent(world.store, of[1])
    named = call.params.get("invoice")
    return named if isinstance(named, str) else invoice_of_intent(world.store, _intent_param(call.params))


def _intent_param(params: Document) -> str | None:
    payment = params.get("payment")
    named = params.get("payment_intent") or (payment.get("payment_intent") if isinstance(payment, dict) else None)
    return named if isinstance(named, str) else None
