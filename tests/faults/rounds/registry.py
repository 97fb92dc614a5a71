"""All faults by name."""

from collections.abc import Mapping
from typing import Final

from tests.faults.rounds import gateway_faults, process_faults
from tests.faults.rounds.faults import Fault, ParallelRetries, Webhooks

KINDS: Final[tuple[type[Fault], ...]] = (
    process_faults.WorkerKilled,
    process_faults.WorkerZombie,
    process_faults.ApiKilled,
    process_faults.PostgresKilled,
    process_faults.PostgresRefuses,
    process_faults.TemporalKilled,
    process_faults.TemporalStopped,
    gateway_faults.GatewayErrors,
    gateway_faults.GatewayLimits,
    gateway_faults.GatewayTimeouts,
    gateway_faults.GatewayDrops,
    gateway_faults.GatewaySlow,
    Webhooks,
    ParallelRetries,
)
FAULTS: Final[Mapping[str, type[Fault]]] = {kind.name: kind for kind in KINDS}
