"""What `pri explain` prints, for people and for programs."""

from commands import console
from commands.explain import derived_again, explained
from core.classifier.explain import explain
from core.payments import Failure
from settings import Settings


def print_code(provider: str, failure: Failure, as_json: bool) -> None:
    """How a code is classified. Raises InvalidInput for a provider that isn't installed."""
    found = explained(provider, failure)
    if as_json:
        return console.as_json(explain(found))
    said = f"{found.category} / {found.cause}, by {found.decided_by} ({found.source})"
    return console.result(f"{said}\nnext: {found.cause.next.value.replace('_', ' ')}")


def print_row(settings: Settings, recovery_id: str, sequence: int, as_json: bool) -> None:
    """Whether a recorded decision comes out the same. Raises NotFound, StoreUnavailable."""
    record, answer = derived_again(settings, recovery_id, sequence)
    if as_json:
        return console.as_json({"type": record.type.value, **answer.model_dump(mode="json")})
    agrees = {True: "agrees", False: "DISAGREES", None: "can't be said"}[answer.agrees]
    lines = [f"{record.type.value}, row {sequence}: {agrees}: {answer.why}"]
    if answer.agrees is False:
        lines += [f"recorded: {dict(answer.recorded)}", f"derived:  {dict(answer.derived)}"]
    if answer.today:
        lines.append(f"today: {answer.today}")
    return console.result("\n".join(lines))
