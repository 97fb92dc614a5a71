"""Stripe's test clocks: customers on one live in a time that only moves when it is told to.

Source: docs.stripe.com/billing/testing/test-clocks/api-advanced-usage. The fake has advanced when it answers; Stripe's
answer says `advancing` and the clock is `ready` a little later, and so it looks here.
"""

from sandbox import cycles, ids
from sandbox.call import Answer, Call
from sandbox.errors import invalid_request
from sandbox.models import Delivery, Document
from sandbox.params import read_integer, read_text
from sandbox.world import SandboxWorld


def create_test_clock(world: SandboxWorld, call: Call) -> Answer:
    """`POST /v1/test_helpers/test_clocks`."""
    if read_text(call.params, "frozen_time") is None:
        raise invalid_request("Missing required param: frozen_time.", param="frozen_time", code="parameter_missing")
    frozen = read_integer(call.params, "frozen_time", 0)
    return Answer(
        body=world.store.put("test_clock", build_test_clock(frozen, world.clock.now(), read_text(call.params, "name")))
    )


def build_test_clock(frozen: int, now: int, name: str | None = None) -> Document:
    """A clock that stands still."""
    return {
        "id": ids.new_object_id("clock"),
        "object": "test_helpers.test_clock",
        "created": now,
        "deletes_after": now + 30 * 86_400,
        "frozen_time": frozen,
        "livemode": False,
        "name": name,
        "status": "ready",
        "status_details": {},
    }


def advance_test_clock(world: SandboxWorld, call: Call) -> Answer:
    """`POST /v1/test_helpers/test_clocks/{id}/advance`: everything that falls due until then happens, in order."""
    found = world.require_document("test_clock", call.names[0])
    wanted = read_integer(call.params, "frozen_time", 0)
    if wanted <= found["frozen_time"]:
        raise invalid_request("The frozen time must be in the future of the clock's present.", param="frozen_time")
    events = cycles.run_due_cycles(world, found, wanted)
    events.append(world.events.record("test_helpers.test_clock.ready", "test_clock", found["id"]))
    delivery = Delivery() if world.config.echo else None
    body = world.require_document("test_clock", found["id"]) | {"status": "advancing"}
    return Answer(body=body, events=tuple(events), delivery=delivery)
