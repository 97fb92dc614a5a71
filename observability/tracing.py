"""OpenTelemetry traces over OTLP/HTTP, when an endpoint is set."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import TracingInterceptor


def tracer_provider(endpoint: str, service: str) -> TracerProvider | None:
    """Where spans go: `endpoint` is the OTLP base address, as OTEL_EXPORTER_OTLP_ENDPOINT means it. None without one.

    Whoever builds it calls `shutdown()` at the end, or the last spans are lost.
    """
    if not endpoint:
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def temporal_interceptors(provider: TracerProvider | None) -> list[Interceptor]:
    """For the Temporal client only: a worker inherits them, and given to both they would run twice."""
    return [TracingInterceptor(provider.get_tracer("temporalio"))] if provider else []
