"""The options of `pri simulate`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from settings import Settings


def simulate_policy(
    policy: Annotated[Path, typer.Option(help="The candidate: a policy file.")],
    baseline: Annotated[Path | None, typer.Option(help="What it is compared with; POLICY_FILE when left out.")] = None,
    recoveries: Annotated[int | None, typer.Option(min=1, help="How many; 100000, or all of a history.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another luck.")] = 1,
    source: Annotated[str, typer.Option(help="synthetic, history (the event log), or a history file.")] = "synthetic",
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; as many as there are cores.")] = None,
    out: Annotated[Path, typer.Option(help="Where result.json and report.html go.")] = Path("simulation"),
    assumptions: Annotated[Path | None, typer.Option(help="A TOML file with numbers of your own.")] = None,
    sweep: Annotated[bool, typer.Option(help="Also at other shares of customers who pay by themselves.")] = True,
) -> None:
    """Try a policy on failures that cost nothing, beside the one it would replace.

    Decides with the code that runs live. Prints a comparison and writes result.json and report.html. The same seed
    and inputs give the same result, whatever --jobs says.
    """
    from commands import simulate as dry_run

    wanted = dry_run.SimulationRequest(
        policy, baseline, recoveries, seed, source, jobs or os.cpu_count() or 1, out, assumptions, sweep
    )
    dry_run.run_simulation(Settings(), wanted)
