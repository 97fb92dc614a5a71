"""Whether the log shows a delivered event. Only then is its webhook delivered: what Temporal holds can be lost."""

from datetime import datetime

from core.errors import RunClosed
from core.ids import recovery_id
from core.payments import EventKind, ProviderEvent
from core.recovery.reactions import react_to_event
from intake.recovery_runs import RecoveryRuns
from intake.recovery_store import RecoveryStore
from intake.targets import list_targets


async def is_recorded(event: ProviderEvent, store: RecoveryStore, now: datetime) -> bool:
    """Whether every recovery that the event concerns has it in its log, or has nothing to write about it.

    Raises StoreUnavailable.
    """
    if event.kind is EventKind.WAKE:
        return False  # it only has the invoice read; `is_heard` says whether a run is there to do so
    shown = [await _shows_event(event, invoice_id, store) for invoice_id in await list_targets(event, store, now)]
    return True in shown and False not in shown


async def _shows_event(event: ProviderEvent, invoice_id: str, store: RecoveryStore) -> bool | None:
    """Whether the invoice's recovery has it; None if the invoice has no recovery, and nothing stored will open one.

    A dispute of an invoice that never failed concerns the customer's other recoveries all the same.
    """
    stored = await store.load_recovery(recovery_id(event.provider, invoice_id))
    if stored is None:
        return False if await store.find_opening_failure(event.provider, invoice_id) else None
    # The machine is asked, not the list of ids: a failure that is known from another event needs no row of its own.
    return not react_to_event(stored, event)


async def is_heard(event: ProviderEvent, store: RecoveryStore, recoveries: RecoveryRuns, now: datetime) -> bool:
    """Whether the runs that took a WAKE are still there, so that each reads its invoice. A lost one gets a new run.

    Raises EngineUnavailable, StoreUnavailable.
    """
    targets = await list_targets(event, store, now)
    return bool(targets) and not any(
        [await _began_anew(event.provider, invoice_id, recoveries) for invoice_id in targets]
    )


async def _began_anew(provider: str, invoice_id: str, recoveries: RecoveryRuns) -> bool:
    try:
        return await recoveries.ensure_running(provider, invoice_id)
    except RunClosed:
        return False
