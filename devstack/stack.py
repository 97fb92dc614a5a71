"""The whole service on one machine: PostgreSQL, Temporal, sandbox gateway, API and worker.

    with DevStack(Options(data_dir=folder)) as stack:
        post_a_webhook_to(stack.addresses.api)
        stack.kill("worker")
        stack.wait_ready()

Enter it from a thread that lives as long as the stack: its children end with the thread that started them.
"""

import http.client
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from core.formatting import format_duration
from devstack import ports, postgres, programs, temporal
from devstack.console import print_status
from devstack.errors import DevstackError
from devstack.processes import Program, exclusive_lock, last_log_line, wait_until
from devstack.programs import Addresses, Options
from devstack.secrets import DevSecrets, ensure_sandbox_port, load_secrets
from devstack.supervisor import Supervisor
from settings import Settings


def _never_stopping() -> bool:
    return False


class DevStack:
    """Started by `start` or `with`; while it starts, `stopping` is called again and again and may end that."""

    def __init__(
        self, options: Options, settings: Settings | None = None, stopping: Callable[[], bool] = _never_stopping
    ) -> None:
        self.options = options
        self.data_dir = options.data_dir.resolve()
        self.settings = settings or Settings()
        self.supervisor = Supervisor(self.data_dir / "run", print_status)
        self._stopping = stopping
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Returns when everything is ready. A failed start leaves nothing running.

        Raises DevstackError if a part can't start, and StackInterrupted on `stopping`.
        """
        self.fetch_programs()
        try:
            self._take_data_dir()
            self._start_stores()
            self._migrate_database()
            self._start_services()
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        self.supervisor.watch()

    def fetch_programs(self) -> None:
        """Downloads what a first start needs, which can take minutes. Starts nothing and may be interrupted.

        Raises DevstackError, as when offline.
        """
        if not self.settings.temporal_address:
            self._temporal_server  # noqa: B018

    @cached_property
    def _temporal_server(self) -> Path:
        return temporal.find_temporal_server()

    def close(self) -> None:
        """Ends everything, in this order: worker, API, sandbox, Temporal, PostgreSQL."""
        self.supervisor.close()
        self._exit.close()

    @cached_property
    def secrets(self) -> DevSecrets:
        """The development secrets of this data directory, with a sandbox port that was free at the start."""
        path = self.data_dir / "dev.json"
        return ensure_sandbox_port(path, load_secrets(path))

    @cached_property
    def addresses(self) -> Addresses:
        """The addresses of all parts; the first access fixes them, and raises DevstackError if a port is in use."""
        given, options = self.settings, self.options
        writer, owner = self._database_urls()
        frontend, ui = given.temporal_address, given.temporal_ui_url
        if not frontend:
            frontend = f"127.0.0.1:{ports.choose_port(options.temporal_port, '--temporal-port')}"
            ui = f"http://127.0.0.1:{ports.choose_port(options.temporal_ui_port, '--temporal-ui-port')}"
        return Addresses(
            writer_url=writer,
            owner_url=owner,
            temporal=frontend,
            temporal_ui=ui,
            sandbox=f"http://127.0.0.1:{self.secrets.sandbox_port}" if options.sandbox else "",
            api=f"http://127.0.0.1:{ports.choose_port(options.api_port, '--api-port')}",
        )

    def _database_urls(self) -> tuple[str, str]:
        given = self.settings.database_url.get_secret_value()
        return (given, self.settings.owner_url) if given else (self._cluster.writer_url, self._cluster.owner_url)

    @cached_property
    def _cluster(self) -> postgres.Cluster:
        return postgres.Cluster(self.data_dir)

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of worker and API; commands of `pri` that use this stack need the same."""
        return programs.service_environment(self.settings, self.options, self.addresses, self.secrets)

    def _take_data_dir(self) -> None:
        """Locks the data directory, ends what a crashed stack left running, and fixes the addresses."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        busy = f"another `pri dev` uses {self.data_dir}: end it, or choose another --data-dir"
        self._exit.enter_context(exclusive_lock(self.data_dir / "lock", busy))
        self._exit.enter_context(exclusive_lock(self.data_dir / "postgres.lock", busy))
        self.supervisor.end_left_overs()
        # Only now: left-over processes would still have held the ports.
        self.addresses  # noqa: B018

    def _start_stores(self) -> None:
        """Starts PostgreSQL and Temporal side by side, except those that the settings give."""
        print_status("starting PostgreSQL and Temporal")
        if not self.settings.database_url.get_secret_value():
            self._cluster.prepare()
            self.supervisor.start(self._cluster.server_program())
        if not self.settings.temporal_address:
            self._start_temporal()
        if not self.settings.database_url.get_secret_value():
            self._cluster.wait_ready(self.supervisor.child("postgres").exit_code, self._stopping)
            self._cluster.ensure_database()
        self._run_probe("temporal-probe", ("frontend",), 60)

    def _start_temporal(self) -> None:
        frontend, ui = (int(text.rpartition(":")[2]) for text in (self.addresses.temporal, self.addresses.temporal_ui))
        listening = temporal.TemporalPorts(frontend, ui)
        program = temporal.temporal_program(
            self._temporal_server, self.data_dir, listening, self.settings.temporal_namespace
        )
        self.supervisor.start(program)

    def _run_probe(self, name: str, arguments: tuple[str, ...], seconds: float) -> None:
        env = {**programs.temporal_environment(self.settings, self.addresses), **self.options.environment}
        program = programs.probe_program(name, arguments, self.data_dir, env)
        self.supervisor.run_to_end(program, seconds, self._should_give_up)

    def _migrate_database(self) -> None:
        print_status("migrating the database")
        env = {**self.environment, "DATABASE_OWNER_URL": self.addresses.owner_url}
        program = programs.service_program("migrate", self.options.commands.migrate, self.data_dir, env)
        self.supervisor.run_to_end(program, 300, self._should_give_up)

    def _start_services(self) -> None:
        """Starts the sandbox, the API and the worker."""
        # Parts end in reverse order: the worker ends first, while the API can still report it as not ready.
        print_status("starting the services")
        commands, given = self.options.commands, self.settings
        signing = {
            "stripe": programs.webhook_secrets(given, self.secrets)[0],
            "adyen": programs.hmac_keys(given, self.secrets)[0],
            "braintree": self.secrets.braintree_keys,
        }
        if self.options.sandbox:
            self.supervisor.start(
                programs.sandbox_program(self.options, self.data_dir, self.addresses, signing, self.environment)
            )
        for name, argv in (("api", commands.api), ("worker", commands.worker)):
            self.supervisor.start(programs.service_program(name, argv, self.data_dir, self.environment))

    def wait_ready(self) -> None:
        """Returns when every part runs, `/readyz` answers 200, and the worker started last polls every queue.

        Raises DevstackError after `ready_seconds`, or if a part fails, and StackInterrupted on `stopping`.
        """
        seconds = self.options.ready_seconds
        if not wait_until(self.is_ready, seconds, self._should_give_up, every=0.1):
            log = self.data_dir / "logs" / "api.log"
            raise DevstackError(
                f"the API was not ready after {format_duration(seconds)}: {last_log_line(log)} (log: {log})"
            )
        began = self.supervisor.child("worker").started_at
        self._run_probe("pollers-probe", ("pollers", str(began), *self._polled_queues()), seconds)

    def _polled_queues(self) -> tuple[str, ...]:
        """The queues that a worker polls: those of charges only for providers that are configured."""
        given = self.settings
        keys = {
            "stripe": given.stripe_api_key,
            "adyen": given.adyen_api_key,
            "braintree": given.braintree_private_key,
        }
        off = [name for name, key in keys.items() if not self.options.sandbox and not key.get_secret_value()]
        return tuple(
            queue for queue in self.options.queues if not queue.startswith(tuple(f"charges-{n}:" for n in off))
        )

    def is_ready(self) -> bool:
        """Whether every part runs, the sandbox listens and `/readyz` answers 200 now."""
        url = self.addresses.sandbox
        return (
            self.supervisor.all_alive()
            and (not url or ports.is_listening(int(url.rpartition(":")[2])))
            and http_status(self.addresses.api, "/readyz") == 200
        )

    def _should_give_up(self) -> bool:
        """Whether to give up waiting. Raises DevstackError if a part ended before the stack was ready."""
        if not self.supervisor.is_watching:
            self.supervisor.check_children()
        return self._stopping()

    def pid(self, name: str) -> int:
        """The process number, also that of the group, of `postgres`, `temporal`, `sandbox`, `api` or `worker`."""
        return self.supervisor.child(name).pid

    def kill(self, name: str) -> None:
        """Kills one part by SIGKILL, as a crash would, and returns when it is dead. The supervisor restarts it."""
        self.supervisor.kill(name)

    def stop(self, name: str) -> Program:
        """Ends one part, which stays stopped until `start_program` is called with the returned program."""
        program = self.supervisor.child(name).program
        self.supervisor.stop(name)
        return program

    def start_program(self, program: Program) -> None:
        """Starts a part that `stop` has ended."""
        self.supervisor.start(program)

    def restart(self, name: str) -> None:
        """Ends one part by its stop signal and starts it again, without waiting until it is ready."""
        self.supervisor.restart(name)


def http_status(base: str, path: str) -> int | None:
    """The HTTP status of a GET on this machine; None without an answer in 2 s."""
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
