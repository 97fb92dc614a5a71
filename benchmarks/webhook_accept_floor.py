"""`python -m benchmarks.webhook_accept_floor PORT`: the floor of the accept path.

A FastAPI application with one route that verifies Stripe's signature and commits one INSERT of the body. Served by the
same server with the same settings as ours; no middleware, no normalised event, no delivery.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI, Request, Response
from psycopg_pool import AsyncConnectionPool
from stripe import WebhookSignature
from uvicorn.loops.auto import auto_loop_factory

from settings import read_environment

DATABASE_VARIABLE: Final = "FLOOR_DATABASE"
SECRET_VARIABLE: Final = "FLOOR_SECRET"
TABLE: Final = "CREATE TABLE IF NOT EXISTS floor_inbox (id bigserial PRIMARY KEY, body bytea NOT NULL)"
INSERT: Final = "INSERT INTO floor_inbox (body) VALUES (%b)"
CONNECTIONS: Final = 16


def build_floor(conninfo: str, secret: str) -> FastAPI:
    """The application; its table must exist."""
    pool = AsyncConnectionPool(
        conninfo, min_size=CONNECTIONS, max_size=CONNECTIONS, open=False, kwargs={"autocommit": True}
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/webhooks/stripe", status_code=202)
    async def receive_webhook(request: Request) -> Response:
        body = await request.body()
        WebhookSignature.verify_header(body.decode(), request.headers["stripe-signature"], secret, 300)
        async with pool.connection() as session:
            await session.execute(INSERT, (body,))
        return Response(b'{"status":"accepted"}', 202, media_type="application/json")

    return app


def main() -> None:
    """Serves the floor on this port of 127.0.0.1 until a signal ends the process."""
    known = read_environment()
    app = build_floor(known[DATABASE_VARIABLE], known[SECRET_VARIABLE])
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), log_config=None, access_log=False, http="httptools", ws="none", server_header=False
    )
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
