"""A request to a fake API, and the answer to it."""

from dataclasses import dataclass, field

from sandbox.models import Delivery, Document
from sandbox.outcomes import Outcome


@dataclass
class Call:
    """One request; `outcome` is what the script says about it."""

    method: str
    path: str
    params: Document
    key: str | None = None
    version: str | None = None
    """The API version that the caller asks for."""
    authorization: str = ""
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Answer:
    """What goes back; `keep` stores it under the idempotency key, `drop` cuts the connection instead."""

    status: int = 200
    body: Document | str = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    events: tuple[Document, ...] = ()
    delivery: Delivery | None = None
    keep: bool = True
    replayed: bool = False
    drop: bool = False
    after: float = 0.0
    outcome: str = "ok"
