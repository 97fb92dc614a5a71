"""What `pri explain` prints, for people and for programs."""

from commands import console
from commands.explain import classify_code, rederive_stored_decision
from core.classifier.explain import summarize_classification
from core.payments import Failure
from settings import Settings


def print_classification(provider: str, failure: Failure, as_json: bool) -> None:
    """How a code is classified. Raises InvalidInput for a provider that isn't installed."""
    found = classify_code(provider, failure)
    if as_json:
        return console.print_json(summarize_classification(found))
    said = f"{found.category} / {found.cause}, by {found.decided_by} ({found.source})"
    return console.print_result(f"{said}\nnext: {found.cause.next_action.value.replace('_', ' ')}")


def print_rederivation(settings: Settings, recovery_id: str, sequence: int, as_json: bool) -> None:
    """Whether a recorded decision comes out the same. Raises NotFound, StoreUnavailable."""
    record, answer = rederive_stored_decision(settings, recovery_id, sequence)
    if as_json:
        return console.print_json({"type": record.type.value, **answer.model_dump(mode="json")})
    agrees = {True: "agrees", False: "DISAGREES", None: "can't be said"}[answer.agrees]
    lines = [f"{record.type.value}, row {sequence}: {agrees}: {answer.why}"]
    if answer.agrees is False:
        lines += [f"recorded: {dict(answer.recorded)}", f"derived:  {dict(answer.derived)}"]
    if answer.today:
        lines.append(f"today: {answer.today}")
    return console.print_result("\n".join(lines))
