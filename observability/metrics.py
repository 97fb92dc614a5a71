"""Prometheus metrics of the API in a registry of their own, which is passed around instead of a global one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from core.events import State

LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Metrics:
    """The metrics of an API process."""

    registry: CollectorRegistry
    webhooks: Counter
    """Answers to webhooks, by provider and status (accepted, duplicate, ignored, invalid, too_large, unavailable)."""
    latency: Histogram
    """Seconds until a request was answered, by method, route template and status code."""
    undelivered: Gauge
    """Webhooks that are stored and not delivered yet."""
    recoveries: Gauge
    """Recoveries by state."""

    def set_recoveries(self, counts: Mapping[str, int]) -> None:
        """Sets the gauge of every state, 0 for states without a recovery: a missing line would mean no data."""
        for state in State:
            self.recoveries.labels(state.value).set(counts.get(state.value, 0))

    def mark_unknown(self) -> None:
        """Sets the gauges from the tables to NaN, because they can't be read now and old values would be wrong."""
        self.undelivered.set(math.nan)
        for state in State:
            self.recoveries.labels(state.value).set(math.nan)

    def render_text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


def create_metrics() -> Metrics:
    """New metrics at zero, in a new registry."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return Metrics(
        registry=registry,
        webhooks=Counter("pri_webhooks", "Webhooks answered", ("provider", "status"), registry=registry),
        latency=Histogram(
            "pri_http_request_seconds",
            "Time until a request was answered",
            ("method", "route", "status"),
            buckets=LATENCIES,
            registry=registry,
        ),
        undelivered=Gauge("pri_inbox_undelivered", "Webhooks stored and not yet delivered", registry=registry),
        recoveries=Gauge("pri_recoveries", "Recoveries by state", ("state",), registry=registry),
    )
