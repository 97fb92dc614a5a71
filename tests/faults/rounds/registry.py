"""All faults by name."""

from collections.abc import Mapping
from typing import Final

from tests.faults.rounds import crash_faults, dev_tree, gateway_faults, process_faults, rolling_deploy, sleepers
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
    Webhooks,
    ParallelRetries,
)
FAULTS: Final[Mapping[str, type[Fault]]] = {kind.name: kind for kind in KINDS}
ALONE: Final = frozenset(kind.name for kind in KINDS if kind.alone)
"""Those that take a round of their own."""
PAIRED: Final = tuple(name for name in FAULTS if name not in ALONE)
"""Those that come two in a round."""
