"""Sentry, traces and metrics: off without an address, scrubbed with one."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sentry_sdk
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode
from pydantic import SecretStr
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from core.events import State
from observability import error_reports, tracing
from observability.metrics import create_metrics

SECRETS = ("jenny@example.com", "4242424242424242", "51HabcDEF")
"""Up here, since a report shows the lines of code around its error."""
DSN = SecretStr("https://key@errors.test/1")


class RecordingTransport(Transport):
    """A Sentry transport that keeps reports instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keeps the envelope's reports."""
        self.events += [event for item in envelope.items if (event := item.get_event())]


@pytest.fixture
def sentry_transport() -> Iterator[RecordingTransport]:
    """Sentry with a recording transport, switched off afterwards."""
    transport = RecordingTransport()
    assert error_reports.init_error_reports(DSN, "test", transport=transport, auto_enabling_integrations=False)
    yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.init()


def test_a_report_holds_no_secret_and_no_input(sentry_transport: RecordingTransport) -> None:
    inputs = {"email": "jenny@example.com"}
    with sentry_sdk.new_scope() as scope:
        scope.set_context("temporal.activity", {"input": inputs, "workflow_id": "recovery-stripe-in_1"})
        scope.set_user({"email": "jenny@example.com"})
        scope.add_breadcrumb(message="called with sk_live_51HabcDEF")
        try:
            number = "4242424242424242"
            raise ValueError(f"declined {number} of jenny@example.com")
        except ValueError as error:
            sentry_sdk.capture_exception(error)
    (report,) = sentry_transport.events
    text = str(report)
    assert not [secret for secret in SECRETS if secret in text]
    assert report["contexts"]["temporal.activity"] == {"workflow_id": "recovery-stripe-in_1"}
    assert report["exception"]["values"][0]["type"] == "ValueError"
    assert report["tags"]["component"] == "test"
    assert "user" not in report


def test_report_of_a_request_keeps_only_its_route() -> None:
    event = {
        "request": {
            "url": "https://api.test/webhooks/stripe",
            "method": "POST",
            "data": {"x": 1},
            "headers": {"Stripe-Signature": "t=1"},
            "cookies": "a=b",
            "query_string": "q=jenny",
        }
    }
    assert error_reports.before_send(event, {})["request"] == {
        "url": "https://api.test/webhooks/stripe",
        "method": "POST",
    }


def test_no_reports_without_a_dsn() -> None:
    assert not error_reports.init_error_reports(SecretStr(""), "test")


def test_traces_are_sent_to_the_configured_endpoint() -> None:
    assert tracing.tracer_provider("", "pri-test") is None
    assert tracing.temporal_interceptors(None) == []
    provider = tracing.tracer_provider("http://collector.test:4318/", "pri-test")
    assert provider
    assert provider.resource.attributes["service.name"] == "pri-test"
    assert len(tracing.temporal_interceptors(provider)) == 1
    provider.shutdown()


def test_every_state_has_a_metric() -> None:
    metrics = create_metrics()
    metrics.set_recoveries({"waiting": 3})
    text = metrics.render_text().decode()
    assert 'pri_recoveries{state="waiting"} 3.0' in text
    assert all(f'state="{state.value}"' in text for state in State)


def test_registries_are_independent() -> None:
    first, second = create_metrics(), create_metrics()
    first.webhooks.labels("stripe", "accepted").inc()
    assert b'status="accepted"' not in second.render_text()


class RecordingExporter(SpanExporter):
    """Keeps spans instead of sending them."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keeps them."""
        self.spans += spans
        return SpanExportResult.SUCCESS


def test_spans_hold_no_secret_and_keep_their_ids() -> None:
    exporter, provider = RecordingExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(tracing.ScrubbingExporter(exporter)))
    tracer = provider.get_tracer("test")
    ids: dict[str, str | int] = {"temporalWorkflowID": "recovery-adyen-4242424242424242", "tries": 3}
    number = "4242424242424242"
    with tracer.start_as_current_span(f"read {SECRETS[0]}") as span:
        span.set_attributes(ids | {"note": f"key sk_live_{SECRETS[2]}", "number": int(number)})
        span.record_exception(ValueError(f"declined {number} of {SECRETS[0]}"))
        span.set_status(StatusCode.ERROR, f"ValueError: declined {number}")
    assert provider.force_flush()
    (sent,) = exporter.spans
    told = f"{sent.name} {sent.status.description} {[one.attributes for one in sent.events]}"
    assert not [secret for secret in SECRETS if secret in told]
    assert sent.attributes == ids | {"note": "key [redacted]", "number": "[redacted]"}
    assert (sent.context, sent.status.status_code) == (span.get_span_context(), StatusCode.ERROR)
    assert encode_spans([sent]).resource_spans
    provider.shutdown()
