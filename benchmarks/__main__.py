"""`python -m benchmarks [NAME…]`: runs every benchmark in turn, or these; exit code 1 if one misses its mark."""

import sys

from benchmarks import (
    admin_queries,
    audit_speed,
    decisions,
    engine_parity,
    recovery_costs,
    replay,
    simulator_speed,
)

BENCHMARKS = {
    "decide": decisions.main,
    "costs": recovery_costs.main,
    "simulate": simulator_speed.main,
    "replay": replay.main,
    "admin": admin_queries.main,
    "audit": audit_speed.main,
    "fidelity": engine_parity.main,
}

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(BENCHMARKS)
    if unknown := [name for name in wanted if name not in BENCHMARKS]:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    sys.exit(0 if all([BENCHMARKS[name]() for name in wanted]) else 1)
