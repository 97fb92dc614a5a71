"""What may go wrong while things are broken on purpose."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg

from sandbox.client import SandboxError

EXPECTED = (httpx.HTTPError, psycopg.OperationalError, SandboxError)


@contextmanager
def tolerate_refusals() -> Iterator[None]:
    """Drops what an outage or the state of an invoice refuses; everything else passes."""
    try:
        yield
    except EXPECTED:
        return
