"""All faults by name."""

from collections.abc import Mapping
from typing import Final

from tests.faults.rounds import (
    crash_faults,
    dev_tree,
    gateway_faults,
    key_faults,
    network_faults,
    postgres_faults,
    process_faults,
    rolling_deploy,
    sleepers,
    temporal_faults,
    webhook_faults,
)
from tests.faults.rounds.faults import Fault, ParallelRetries, Webhooks

KINDS: Final[tuple[type[Fault], ...]] = (
    process_faults.WorkerKilled,
    process_faults.WorkerZombie,
    *crash_faults.CRASHES,
    dev_tree.DevTreeKilled,
    sleepers.SleepersWithoutWorkers,
    rolling_deploy.RollingDeploy,
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
    postgres_faults.PostgresRestarted,
    postgres_faults.PostgresReadOnly,
    postgres_faults.PostgresDiskFull,
    postgres_faults.PostgresDeadlocks,
    temporal_faults.TemporalForgets,
    gateway_faults.GatewayGarbage,
    key_faults.KeysExpired,
    key_faults.ErrorsKept,
    webhook_faults.WebhooksLate,
    Webhooks,
    ParallelRetries,
    *network_faults.KINDS,
)
FAULTS: Final[Mapping[str, type[Fault]]] = {kind.name: kind for kind in KINDS}
ALONE: Final = frozenset(kind.name for kind in KINDS if kind.alone)
"""Those that take a round of their own."""
PAIRED: Final = tuple(name for name in FAULTS if name not in ALONE)
"""Those that come two in a round."""
