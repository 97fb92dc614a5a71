"""The worker's composition root: builds everything once, polls until it is told to stop."""

import asyncio
import contextlib
import gc
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from pydantic import ValidationError
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import PollerBehaviorAutoscaling, Worker

import catalog
from activities.approvals import Approvals, granted_in
from activities.charging import Charging
from activities.contacts import Contacts, StoredAddresses
from activities.decisions import Decisions, Knowledge, history_in
from activities.log import StoredLog
from activities.lookups import Learnt, Lookups, counted_in
from activities.maintenance import Maintenance
from activities.messaging import Messaging, StoredOutbox
from activities.observed import ObservedActivities, activity_seconds
from activities.recording import Recording, remembered_in
from activities.scope import Scope
from activities.shadow import Shadow
from activities.simulating import Simulating
from activities.suppressions import StoredSuppressions
from activities.suspicion import Suspicion
from activities.suspicion import counted_in as suspicion_counted_in
from activities.telling import Telling
from core.errors import InvalidPolicy, RecoveryError
from core.messages.notices import Audience
from core.retry.pace import Pace
from db.session import Database
from notifications import channels
from notifications.apprise_urls import Operators
from notifications.letters import letters_of
from notifications.unsubscribe import UnsubscribeLinks
from notifications.webhooks import Webhooks
from observability import errors, logging, tracing
from observability.encryption import encryption_codec
from providers.base import Gateway, Provider, installed
from settings import Settings, addresses, environment, unsubscribe_keys, unusable
from workflows.client import connect
from workflows.handles import TemporalRecoveries, poster
from workflows.names import QUEUE, SIMULATIONS, charges
from workflows.options import GRACE
from workflows.registry import WORKFLOWS
from workflows.schedules import ensure_relay, ensure_telling
from workflows.search import SearchableNames

SIMULATION_GRACE = timedelta(seconds=2)
"""A dry run is not waited for: it begins anew elsewhere."""
log = structlog.get_logger("worker")


class Parts:
    """What the workers of one process share."""

    def __init__(
        self, settings: Settings, client: Client, providers: Mapping[str, Provider], registry: CollectorRegistry
    ) -> None:
        self.settings = settings
        self.client = client
        self.providers = providers
        self.database = Database(settings.database_url.get_secret_value())
        self.gateways: dict[str, Gateway] = {
            name: gateway for name, provider in providers.items() if (gateway := provider.gateway())
        }
        urls = addresses(settings.outgoing_webhook_urls)
        self.webhooks = Webhooks(urls, settings.outgoing_webhook_secret.get_secret_value())
        told = addresses(settings.operator_notify_urls)
        self.operators = Operators(told) if told else None
        self.channels = channels.installed(_given(settings))
        self.log = StoredLog(self.database, self.audiences)
        self.observed = (ObservedActivities(activity_seconds(registry)),)

    @property
    def audiences(self) -> frozenset[Audience]:
        """Who wants to hear of recoveries."""
        wanted = {Audience.OPERATORS: self.operators, Audience.WEBHOOK: self.webhooks.addresses}
        return frozenset(audience for audience, listening in wanted.items() if listening)

    def messaging(self) -> Messaging:
        """What sends messages to customers. Raises InvalidInput for words that can't be used."""
        known = self.settings
        letters = letters_of(known.mail_from, known.message_dir, known.customer_page_url)
        links = UnsubscribeLinks(known.unsubscribe_url, known.public_url)
        wishes = StoredSuppressions(self.database, links, unsubscribe_keys(known))
        book = StoredAddresses(self.database)
        return Messaging(self.channels, letters, book, StoredOutbox(self.database), wishes)

    def knowledge(self) -> Knowledge:
        """Tables, policy and strategies as installed here. Raises InvalidInput naming file and line."""
        strategies = catalog.strategies()
        policy = catalog.PolicyFile(self.settings.policy_file, strategies)
        policy.current()
        codes = {name: provider.decline_codes for name, provider in self.providers.items()}
        pace = Pace(time_scale=self.settings.time_scale)
        return Knowledge(catalog.tables(codes), policy, strategies, pace)

    def shadow(self, lookups: Lookups) -> Shadow | None:
        """The policy that runs beside, where there is one; a mistake in it is told and stops nothing."""
        if self.settings.shadow_policy_file is None:
            return None
        strategies = catalog.strategies()
        policy = catalog.PolicyFile(self.settings.shadow_policy_file, strategies)
        try:
            log.info("a shadow policy runs beside", version=policy.current().version)
        except InvalidPolicy as error:
            log.warning("the shadow policy can't be used as it is", problem=str(error))
        return Shadow(policy, strategies, Pace(time_scale=self.settings.time_scale), lookups)

    async def close(self) -> None:
        """Let go of every connection."""
        for gateway in self.gateways.values():
            await gateway.close()
        await self.database.close()


def recovery_worker(parts: Parts) -> Worker:
    """Workflows, decisions, rows and the relay."""
    lookups = Lookups(Learnt(counted_in(parts.database)))
    suspicion = Suspicion(suspicion_counted_in(parts.database), catalog.fraud_scorers())
    knowledge, shadow, channels = parts.knowledge(), parts.shadow(lookups), frozenset(parts.channels)
    decisions = Decisions(knowledge, history_in(parts.database), parts.log, lookups, suspicion, shadow, channels)
    approvals = Approvals(lambda: knowledge.policy.current().operators, granted_in(parts.database))
    scope = scope_of(knowledge.policy, knowledge.pace)
    recording = Recording(parts.log, SearchableNames(parts.client), remembered_in(parts.database, scope), approvals)
    simulating = Simulating(parts.database, parts.settings.database_url.get_secret_value())
    telling = Telling(parts.database, parts.operators, parts.webhooks, poster(parts.client))
    maintenance = Maintenance(parts.database, TemporalRecoveries(parts.client), parts.gateways, scope)
    return Worker(
        parts.client,
        task_queue=QUEUE,
        workflows=WORKFLOWS,
        activities=[
            recording.open_recovery,
            recording.record_events,
            decisions.classify_failure,
            decisions.segment_customer,
            decisions.plan_retry,
            maintenance.relay_inbox,
            simulating.end_simulation,
            parts.messaging().notify,
            telling.hand_over,
            telling.post_webhook,
            telling.give_up_webhook,
        ],
        # Few at a time: on two cores more of them only wait for each other (facts: 10 in flight beat 50).
        max_concurrent_workflow_tasks=10,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        graceful_shutdown_timeout=GRACE,
        interceptors=parts.observed,
    )


def scope_of(policy: catalog.PolicyFile, pace: Pace) -> Scope:
    """The scope by the policy as it is at each look."""
    return Scope(lambda: policy.current().scope, pace)


def simulations_worker(parts: Parts) -> Worker:
    """Dry runs, one at a time: they may take every processor there is."""
    simulating = Simulating(parts.database, parts.settings.database_url.get_secret_value())
    return Worker(
        parts.client,
        task_queue=SIMULATIONS,
        activities=[simulating.run_simulation],
        max_concurrent_activities=1,
        # A cancel is told in the answer to a heartbeat; the SDK would hold them back for most of their time-out.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        graceful_shutdown_timeout=SIMULATION_GRACE,
        interceptors=parts.observed,
    )


def charges_worker(parts: Parts, provider: str) -> Worker:
    """Everything that calls one provider, paced for all workers together by the server."""
    policy = catalog.PolicyFile(parts.settings.policy_file)
    scope = scope_of(policy, Pace(time_scale=parts.settings.time_scale))
    charging = Charging(parts.gateways, parts.log, catalog.NetworkLimits(policy).current, scope)
    contacts = Contacts(parts.gateways, StoredAddresses(parts.database), scope)
    return Worker(
        parts.client,
        task_queue=charges(provider),
        activities=[charging.read_failure, charging.charge_invoice, charging.settle_charge, contacts.refresh_contact],
        max_task_queue_activities_per_second=parts.settings.charges_per_second,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        graceful_shutdown_timeout=GRACE,
        interceptors=parts.observed,
    )


def _given(settings: Settings) -> dict[str, str]:
    """The environment for channels, with what `.env` and the settings say of ours."""
    known = {"SMTP_URL": settings.smtp_url, "CUSTOMER_NOTIFY_URLS": settings.customer_notify_urls}
    ours = {name: secret.get_secret_value() for name, secret in known.items()}
    return {**environment(), **ours, "MAIL_FROM": settings.mail_from}


@contextlib.asynccontextmanager
async def running(settings: Settings, client: Client, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Workers on every queue for as long as the block runs."""
    providers = installed(environment())
    for note in (note for provider in providers.values() for note in provider.notes()):
        log.info(note)
    parts = Parts(settings, client, providers, registry)
    try:
        await ensure_relay(client)
        if parts.audiences:
            await ensure_telling(client)
        charging = (charges_worker(parts, name) for name in providers)
        async with polling(recovery_worker(parts), simulations_worker(parts), *charging):
            yield
    finally:
        await parts.close()


@contextlib.asynccontextmanager
async def polling(*workers: Worker) -> AsyncIterator[None]:
    """All of them work for as long as the block runs, and stop together.

    From the same moment none takes new work, and each has its whole grace: one after the other, the last would still
    begin charges while the first waits, and be killed over them.
    """
    async with contextlib.AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        try:
            yield
        finally:
            await asyncio.gather(*(worker.shutdown() for worker in workers))


async def serve(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM. Raises RecoveryError, RPCError or OSError where it can't begin."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registry = CollectorRegistry()
    tracer = tracing.tracer_provider(settings.otel_exporter_otlp_endpoint, "pri-worker")
    client = await connect(
        environment(),
        codec=encryption_codec(settings.payload_encryption_keys),
        interceptors=tracing.temporal_interceptors(tracer),
        runtime=_runtime(settings, registry),
    )
    async with running(settings, client, registry):
        log.info("worker ready", namespace=client.namespace)
        await stop.wait()
    if tracer:
        tracer.shutdown()


def _runtime(settings: Settings, registry: CollectorRegistry) -> Runtime | None:
    """With a metrics port: ours there, Temporal's own on the next one."""
    if not settings.metrics_port:
        return None
    start_http_server(settings.metrics_port, registry=registry)
    address = f"0.0.0.0:{settings.metrics_port + 1}"
    return Runtime(telemetry=TelemetryConfig(metrics=PrometheusConfig(bind_address=address)))


def main() -> None:
    """Run the worker; exit code 1 with one line where it can't begin."""
    try:
        settings = Settings()
        logging.configure(settings.log_level)
        errors.initialise(settings.sentry_dsn, "worker")
        asyncio.run(serve(settings))
    except ValidationError as error:
        sys.exit(f"pri: {unusable(error)}")
    except RecoveryError as error:
        sys.exit(f"pri: {error}")
    # temporalio 1.33 to 1.35 may crash when the interpreter ends with its threads alive (sdk-python issue 300).
    gc.collect()
    time.sleep(0.5)


if __name__ == "__main__":
    main()
