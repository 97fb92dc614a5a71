"""OpenTelemetry traces over OTLP/HTTP, if an endpoint is set."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import TracingInterceptor


def tracer_provider(endpoint: str, service: str) -> TracerProvider | None:
    """The exporter of spans to `endpoint`, the OTLP base address in OTEL_EXPORTER_OTLP_ENDPOINT; None without one.

    The caller must call `shutdown()` at the end, or the last spans are lost.
    """
    if not endpoint:
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def temporal_interceptors(provider: TracerProvider | None) -> list[Interceptor]:
    """Tracing interceptors for the Temporal client; empty without a provider.

    For the client only: a worker inherits them, and passed to both they would run twice.
    """
    return [TracingInterceptor(provider.get_tracer("temporalio"))] if provider else []
