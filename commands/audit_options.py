"""Arguments and options of `pri audit`."""

import os
from typing import Annotated

import typer

from settings import Settings

audit = typer.Typer(no_args_is_help=True, help="Verification of the event log.")


@audit.command("verify")
def audit_verify(
    recovery_id: Annotated[str | None, typer.Argument(help="One recovery; all of them when left out.")] = None,
    anchors: Annotated[
        str | None, typer.Option(help="A place of `pri audit anchor` to check the log against.", metavar="PLACE")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; as many as there are cores by default.")] = None,
) -> None:
    """Check that no row of the event log was changed, lost or added by hand."""
    from commands import anchors as anchoring
    from commands import audit, console

    report = audit.verify_audit(Settings(), recovery_id, jobs or os.cpu_count() or 1)
    count, contradicted = anchoring.check_anchors(Settings(), anchors) if anchors else (0, [])
    for one in contradicted:
        console.print_result(f"anchor of {anchoring.describe_span(one.anchor)}: {one.what}")
    if anchors:
        console.print_result(f"{count} anchors, {len({one.anchor for one in contradicted})} contradicted")
    for problem in report.problems:
        console.print_result(f"{problem.recovery_id} row {problem.sequence or '-'}: {problem.what}")
    console.print_result(f"{report.recoveries} recoveries, {report.rows} rows, {len(report.problems)} problems")
    if contradicted or not report.is_clean:
        raise typer.Exit(1)


@audit.command("anchor")
def audit_anchor(
    place: Annotated[str, typer.Argument(help="A file, or s3://BUCKET/PREFIX, outside of the database's reach.")],
) -> None:
    """Append what the event log says now, in one line, to a place that the owner of the database can't change.

    In a bucket each anchor is an object in compliance mode, locked for ANCHOR_RETENTION_DAYS. With TIMESTAMP_URL each
    anchor is stamped by that authority (RFC 3161). Run it every hour; `pri audit verify --anchors PLACE` checks the log
    against it. docs/operations.md says what each place proves.
    """
    from commands import anchors, console

    anchor = anchors.append_anchor(Settings(), place)
    if anchor is None:
        return console.print_result("nothing to anchor: the last one is less than a minute old")
    span = anchors.describe_span(anchor)
    return console.print_result(f"anchored {anchor.recoveries} recoveries with rows of {span}: {anchor.root}")
