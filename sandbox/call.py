"""A request to the fake API, and the answer to it."""

from dataclasses import dataclass, field

from sandbox.config import shape_for_version
from sandbox.models import Delivery, Document, Shape
from sandbox.outcomes import Outcome


@dataclass
class Call:
    """One request; `names` are the ids in its path, `outcome` is what the script says about it."""

    method: str
    path: str
    params: Document
    key: str | None = None
    version: str | None = None
    authorization: str = ""
    account: str | None = None
    """The connected account that the caller acts for (header `Stripe-Account`)."""
    names: tuple[str, ...] = ()
    outcome: Outcome | None = None

    @property
    def shape(self) -> Shape:
        """The object shape this caller wants."""
        return shape_for_version(self.version)


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
