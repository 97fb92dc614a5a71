"""OpenTelemetry traces over OTLP/HTTP, scrubbed, if an endpoint is set."""

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import TracingInterceptor

from observability.scrubbing import scrub_text, scrub_value


def tracer_provider(endpoint: str, service: str) -> TracerProvider | None:
    """The exporter of spans to `endpoint`, the OTLP base address in OTEL_EXPORTER_OTLP_ENDPOINT; None without one.

    The caller must call `shutdown()` at the end, or the last spans are lost.
    """
    if not endpoint:
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(ScrubbingExporter(exporter)))
    return provider


class ScrubbingExporter(SpanExporter):
    """Exports spans with attributes, events (an exception's text among them) and status scrubbed."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the SDK with a batch of finished spans."""
        return self._exporter.export([scrub_span(span) for span in spans])

    def shutdown(self) -> None:
        """Called by the SDK at the end."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Called by the SDK."""
        return self._exporter.force_flush(timeout_millis)


def scrub_span(span: ReadableSpan) -> ReadableSpan:
    """The span without card numbers, e-mail addresses and secrets."""
    return ReadableSpan(
        name=scrub_text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=scrub_value(dict(span.attributes or {})),
        events=[Event(one.name, scrub_value(dict(one.attributes or {})), one.timestamp) for one in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, scrub_text(span.status.description or "") or None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def temporal_interceptors(provider: TracerProvider | None) -> list[Interceptor]:
    """Tracing interceptors for the Temporal client; empty without a provider.

    For the client only: a worker inherits them, and passed to both they would run twice.
    """
    return [TracingInterceptor(provider.get_tracer("temporalio"))] if provider else []
