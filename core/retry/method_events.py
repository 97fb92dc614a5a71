"""Which news of payment methods are worth a try."""

from core.events import Event, EventType
from core.payments import MethodRole, ProviderEvent
from core.retry.late_events import event_source
from core.retry.recovery import Recovery


def method_update_events(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """A method that is worth a try of its own, as a row; nothing for old news and for what can't help here."""
    version = event.method_version or event.method_id
    # A default may be chosen once more after another one; of what is only stored, old news stays old.
    again = event.method_role is MethodRole.DEFAULT
    seen = recovery.methods_seen[-1:] if again else recovery.methods_seen
    if not event.method_id or version in seen or _is_irrelevant_method(recovery, event):
        return ()
    data = event_source(event) | {"method_id": event.method_id, "method_version": version}
    return (Event(type=EventType.METHOD_UPDATED, occurred_at=event.occurred_at, data=data),)


def _is_irrelevant_method(recovery: Recovery, event: ProviderEvent) -> bool:
    """New data of a card that is neither the one that failed, nor in use, nor a default, mends nothing here.

    Neither does the method that was refused for good, stored or chosen once more without new data.
    """
    if event.method_role is MethodRole.UPDATED:
        ours = {recovery.failure.method_id, recovery.method_in_use, *recovery.default_methods, *recovery.dead_methods}
        known = ours - {None}
        return bool(known) and event.method_id not in known
    return event.method_role is not None and event.method_id in recovery.dead_methods
