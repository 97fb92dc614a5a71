"""The worker's composition root: builds its parts once and polls all queues until SIGINT or SIGTERM."""

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import PollerBehaviorAutoscaling, Worker
from uvicorn.loops.auto import auto_loop_factory

import catalog
from activities.charging import Charging
from activities.contacts import Contacts, StoredContacts
from activities.decisions import Decisions
from activities.dry_runs import DryRuns
from activities.maintenance import Maintenance
from activities.messaging import Messaging, StoredOutbox, StoredSuppressions
from activities.notices import NoticeDelivery
from activities.recording import ApprovalCheck, Recording, stored_approval_lookup
from catalog import DecisionSources
from core.durations import TimeScale
from core.errors import InvalidPolicy
from core.notices import Audience
from core.policy.scope import InvoiceScope
from db.recovery_log import StoredRecoveryLog
from db.retention import KeptFor
from db.session import Database
from intake.customer_ids import create_gateways
from lookups.customer_history import stored_history_lookup
from lookups.fraud_signals import FraudSignalLookup, stored_velocity_count
from lookups.planning import PlanLookups, StatisticsCache, stored_retry_count
from lookups.shadow_plan import ShadowPlanner
from notifications import channels
from notifications.apprise_urls import AppriseOperators
from notifications.composer import UnsubscribeLinks, create_composer
from notifications.webhook_sender import WebhookSender
from observability import error_reports, logging, tracing
from observability.activity_observer import ActivityObserver, activity_seconds
from observability.encryption import encryption_codec
from providers.base import Provider, load_providers
from settings import Settings, exit_on_known_errors, read_environment, secret_keys, split_addresses
from workflows.client import WORKFLOWS, connect_temporal
from workflows.handles import TemporalRecoveryRuns, webhook_poster
from workflows.namespace import SearchableNames, kept_schedules
from workflows.options import GRACE, HEARTBEAT_THROTTLE, MOST_CACHED, RECOVERY_QUEUE, SIMULATION_QUEUE, charge_queue

SIMULATION_GRACE = timedelta(seconds=2)
"""Grace for dry runs at shutdown: an interrupted one starts again on another worker."""
log = structlog.get_logger("worker")


class WorkerParts:
    """Objects shared by the workers of one process.

    Raises InvalidInput for a database address, channel or webhook setting that can't be used.
    """

    def __init__(
        self, settings: Settings, client: Client, providers: Mapping[str, Provider], registry: CollectorRegistry
    ) -> None:
        self.settings, self.client, self.providers = settings, client, providers
        self.database = Database(settings.database_url.get_secret_value(), generic_plans=True)
        self.gateways = create_gateways(providers, self.database, secret_keys(settings.customer_id_keys))
        urls = split_addresses(settings.outgoing_webhook_urls)
        self.webhooks = WebhookSender(urls, settings.outgoing_webhook_secret.get_secret_value())
        operator_urls = split_addresses(settings.operator_notify_urls)
        self.operators = AppriseOperators(operator_urls) if operator_urls else None
        self.channels = channels.installed_channels(_channel_environment(settings))
        self.log = StoredRecoveryLog(self.database, self.audiences)
        self.interceptors = (ActivityObserver(activity_seconds(registry)),)

    @property
    def audiences(self) -> frozenset[Audience]:
        """Audiences of notices that are configured here."""
        wanted = {Audience.OPERATORS: self.operators, Audience.WEBHOOK: self.webhooks.addresses}
        return frozenset(audience for audience, listening in wanted.items() if listening)

    def build_messaging(self) -> Messaging:
        """The activities that send messages to customers. Raises InvalidInput for message texts that can't be used."""
        known = self.settings
        composer = create_composer(known.mail_from, known.message_dir, known.customer_page_url)
        links = UnsubscribeLinks(known.unsubscribe_url, known.public_url)
        suppressions = StoredSuppressions(self.database, links, secret_keys(known.unsubscribe_secrets))
        book = StoredContacts(self.database)
        return Messaging(self.channels, composer, book, StoredOutbox(self.database), suppressions)

    def decision_sources(self) -> DecisionSources:
        """Tables, policy and strategies of this installation. Raises InvalidInput, naming file and line."""
        sources = self._read_sources(self.settings.policy_file, frozenset(self.channels))
        sources.policy.current_policy()  # raises now rather than at the first decision
        return sources

    def _read_sources(self, policy_file: Path, channels: frozenset[str] = frozenset()) -> DecisionSources:
        strategies = catalog.installed_strategies()
        tables = catalog.load_decline_tables({name: one.decline_codes for name, one in self.providers.items()})
        time_scale = TimeScale(factor=self.settings.time_scale)
        return DecisionSources(tables, catalog.PolicyFile(policy_file, strategies), strategies, time_scale, channels)

    def shadow_planner(self, lookups: PlanLookups) -> ShadowPlanner | None:
        """The planner of the shadow policy, if one is configured; an error in its file is logged and stops nothing."""
        if self.settings.shadow_policy_file is None:
            return None
        sources = self._read_sources(self.settings.shadow_policy_file)
        try:
            log.info("shadow policy active", version=sources.policy.current_policy().version)
        except InvalidPolicy as error:
            log.warning("the shadow policy is invalid", problem=str(error))
        return ShadowPlanner(sources, lookups)

    async def close(self) -> None:
        """Closes the connections to providers and database."""
        for gateway in self.gateways.values():
            await gateway.close()
        await self.database.close()


def recovery_worker(parts: WorkerParts) -> Worker:
    """The worker for workflows, decisions, rows of the log, messages, notices and the relay. Raises InvalidInput."""
    lookups = PlanLookups(StatisticsCache(stored_retry_count(parts.database)))
    fraud_signals = FraudSignalLookup(stored_velocity_count(parts.database), catalog.installed_fraud_scorers())
    sources, shadow = parts.decision_sources(), parts.shadow_planner(lookups)
    decisions = Decisions(sources, stored_history_lookup(parts.database), parts.log, lookups, fraud_signals, shadow)
    approvals = ApprovalCheck(lambda: sources.policy.current_policy().operators, stored_approval_lookup(parts.database))
    scope = scope_from_policy(sources.policy, sources.time_scale)
    recording = Recording(parts.log, SearchableNames(parts.client), approvals, scope)
    simulating = DryRuns(parts.database, parts.settings.database_url.get_secret_value())
    notices = NoticeDelivery(parts.database, parts.operators, parts.webhooks, webhook_poster(parts.client))
    kept_for = KeptFor.from_days(parts.settings.webhook_body_days, parts.settings.contact_days)
    maintenance = Maintenance(parts.database, TemporalRecoveryRuns(parts.client), parts.gateways, scope, kept_for)
    return Worker(
        parts.client,
        task_queue=RECOVERY_QUEUE,
        workflows=WORKFLOWS,
        activities=[
            recording.open_recovery,
            recording.record_events,
            decisions.classify_failure,
            decisions.segment_customer,
            decisions.plan_retry,
            maintenance.relay_inbox,
            maintenance.apply_retention,
            simulating.end_simulation,
            parts.build_messaging().send_message,
            notices.hand_over,
            notices.post_webhook,
            notices.give_up_webhook,
        ],
        # Few at a time: on two cores more of them only wait for each other (measured: 10 in flight beat 50).
        max_concurrent_workflow_tasks=10,
        max_cached_workflows=MOST_CACHED,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACE,
        interceptors=parts.interceptors,
    )


def scope_from_policy(policy: catalog.PolicyFile, pace: TimeScale) -> InvoiceScope:
    """The scope rules, read from the policy file again at each check."""
    return InvoiceScope(lambda: policy.current_policy().scope, pace)


def simulations_worker(parts: WorkerParts) -> Worker:
    """The worker for dry runs, one at a time, since each may use every processor."""
    simulating = DryRuns(parts.database, parts.settings.database_url.get_secret_value())
    return Worker(
        parts.client,
        task_queue=SIMULATION_QUEUE,
        activities=[simulating.run_simulation],
        max_concurrent_activities=1,
        # A cancellation arrives with the answer to a heartbeat; by default the SDK throttles these to most of the
        # time-out.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        graceful_shutdown_timeout=SIMULATION_GRACE,
        interceptors=parts.interceptors,
    )


def charges_worker(parts: WorkerParts, provider: str) -> Worker:
    """The worker for calls to one provider; the server limits their rate over all workers together."""
    policy = catalog.PolicyFile(parts.settings.policy_file)
    time_scale = TimeScale(factor=parts.settings.time_scale)
    scope = scope_from_policy(policy, time_scale)
    charging = Charging(parts.gateways, parts.log, catalog.NetworkLimits(policy).current_rules, scope, time_scale)
    contacts = Contacts(parts.gateways, StoredContacts(parts.database), scope)
    return Worker(
        parts.client,
        task_queue=charge_queue(provider),
        activities=[
            charging.read_failure,
            charging.charge_invoice,
            charging.reconcile_charge,
            contacts.refresh_contact,
        ],
        max_task_queue_activities_per_second=parts.settings.charges_per_second,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACE,
        interceptors=parts.interceptors,
    )


def _channel_environment(settings: Settings) -> dict[str, str]:
    """The environment for channel plug-ins, with our own settings in it."""
    known = {"SMTP_URL": settings.smtp_url, "CUSTOMER_NOTIFY_URLS": settings.customer_notify_urls}
    ours = {name: secret.get_secret_value() for name, secret in known.items()}
    return {**read_environment(), **ours, "MAIL_FROM": settings.mail_from}


@contextlib.asynccontextmanager
async def run_workers(settings: Settings, client: Client, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Runs workers on every queue during the block. Raises RecoveryError for settings that can't be used."""
    providers = load_providers(read_environment())
    for note in (note for provider in providers.values() for note in provider.startup_notes()):
        log.info(note)
    parts = WorkerParts(settings, client, providers, registry)
    try:
        charging = (charges_worker(parts, name) for name in providers)
        workers = poll_together(recovery_worker(parts), simulations_worker(parts), *charging)
        async with kept_schedules(client, notices=bool(parts.audiences)), workers:
            yield
    finally:
        await parts.close()


@contextlib.asynccontextmanager
async def poll_together(*workers: Worker) -> AsyncIterator[None]:
    """Runs all workers during the block, and stops them together."""
    async with contextlib.AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        try:
            yield
        finally:
            # At the same moment: one after the other, the last worker would still begin charges while the first one
            # waits, and be killed in the middle of them.
            await asyncio.gather(*(worker.shutdown() for worker in workers))


async def serve_worker(settings: Settings) -> None:
    """Runs the workers until SIGINT or SIGTERM. Raises RecoveryError, RPCError or OSError if they can't start."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registry = CollectorRegistry()
    tracer = tracing.tracer_provider(settings.otel_exporter_otlp_endpoint, "pri-worker")
    client = await connect_temporal(
        read_environment(),
        codec=encryption_codec(settings.payload_encryption_keys),
        interceptors=tracing.temporal_interceptors(tracer),
        runtime=_metrics_runtime(settings, registry),
    )
    async with run_workers(settings, client, registry):
        gc.freeze()  # A full collection over all that was loaded would hold everything up for a tenth of a second.
        log.info("worker ready", namespace=client.namespace)
        await stop.wait()
    if tracer:
        tracer.shutdown()


def _metrics_runtime(settings: Settings, registry: CollectorRegistry) -> Runtime | None:
    """Serves our metrics on METRICS_HOST and METRICS_PORT, Temporal's own on the next port; None if the port is 0."""
    if not settings.metrics_port:
        return None
    start_http_server(settings.metrics_port, settings.metrics_host, registry)
    host = f"[{settings.metrics_host}]" if ":" in settings.metrics_host else settings.metrics_host
    address = f"{host}:{settings.metrics_port + 1}"
    return Runtime(telemetry=TelemetryConfig(metrics=PrometheusConfig(bind_address=address)))


def main() -> None:
    """Runs the worker; exits with code 1 and one line of text if it can't start."""
    with exit_on_known_errors():
        settings = Settings()
        logging.configure_logging(settings.log_level)
        error_reports.init_error_reports(settings.sentry_dsn, "worker")
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(serve_worker(settings))
    # temporalio 1.33 to 1.35 may crash when the interpreter ends with its threads alive (sdk-python issue 300).
    gc.collect()
    time.sleep(0.5)


if __name__ == "__main__":
    main()
