"""The API's composition root: `pri api`, or `python -m api.main`."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI
from temporalio.client import Client
from uvicorn.loops.auto import auto_loop_factory

from api.app import create_app
from api.connections import BoundedProtocol
from api.health import temporal_checks
from core.errors import InvalidInput
from db.session import Database
from observability import error_reports, logging, tracing
from observability.encryption import encryption_codec
from providers.base import Provider, load_providers
from settings import Settings, exit_on_known_errors, read_environment
from workflows.client import connect_temporal
from workflows.handles import TemporalRecoveryRuns, TemporalSimulations

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients and proxies keep idle connections, so that none is closed just as it is used again."""
SHUTDOWN_SECONDS = 8
"""Time for requests in progress at shutdown; below the ten seconds that `pri dev` waits for the process."""


def run_api(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM, finishing requests in progress.

    Raises InvalidInput for settings that can't be used, such as no DATABASE_URL.
    """
    logging.configure_logging(settings.log_level)
    error_reports.init_error_reports(settings.sentry_dsn, "api")
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(serve_api(settings))


async def serve_api(settings: Settings) -> None:
    """Builds every part, serves, and closes the parts. Raises as `open_application`."""
    async with open_application(settings) as app:
        # What was loaded stays: searching it for garbage took 0.15 s every few thousand webhooks.
        gc.collect()
        gc.freeze()
        await ApiServer(server_config(app, settings), app.state.parts.stop_requested).serve()


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the application is served."""
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        http=BoundedProtocol,
        ws="none",
        server_header=False,
        # Uvicorn would believe X-Forwarded-For of everything on this machine; `api.client_address` reads it.
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


class ApiServer(uvicorn.Server):
    """A uvicorn server that returns after a signal, so that the process can close its parts.

    Uvicorn's own raises the signal again when it is done, which would end the process at once.
    """

    def __init__(self, config: uvicorn.Config, leaving: asyncio.Event) -> None:
        super().__init__(config)
        self._stop_requested = leaving

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stops the server as uvicorn does, and ends endless responses, which would delay the shutdown."""
        self._stop_requested.set()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM finish requests in progress; a second SIGINT stops at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


@contextlib.asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application with its real parts, which are closed at the end.

    Temporal and the database may be unreachable: `/readyz` reports that. Raises InvalidInput for settings that can't be
    used.
    """
    if not settings.database_url.get_secret_value():
        raise InvalidInput("DATABASE_URL is not set.")
    database = Database(settings.database_url.get_secret_value())
    providers = _log_provider_notes(load_providers(read_environment()))
    tracer = tracing.tracer_provider(settings.otel_exporter_otlp_endpoint, "pri-api")
    client: Client = await connect_temporal(
        read_environment(),
        codec=encryption_codec(settings.payload_encryption_keys),
        interceptors=tracing.temporal_interceptors(tracer),
        lazy=True,
    )
    try:
        recoveries = TemporalRecoveryRuns(client)
        simulations = TemporalSimulations(client)
        app = create_app(settings, database, recoveries, simulations, providers, _utc_now, temporal_checks(client))
        for note in app.state.notes:
            structlog.get_logger("api").warning(note)
        yield app
    finally:
        await database.close()
        if tracer:
            tracer.shutdown()


def _log_provider_notes(providers: dict[str, Provider]) -> dict[str, Provider]:
    log = structlog.get_logger("api")
    for provider in providers.values():
        for note in provider.startup_notes():
            log.info(note, provider=provider.name)
    return providers


def _utc_now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    """Runs the API; exits with code 1 and one line of text if it can't start."""
    with exit_on_known_errors():
        run_api(Settings())


if __name__ == "__main__":
    main()
