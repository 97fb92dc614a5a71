"""What came from outside and waits until the workflow handles it, one after another."""

from collections import deque
from typing import Final

from core.operators import Action, Command
from core.payments import ProviderEvent
from workflows.commands import CommandIds, PendingCommand
from workflows.messages import MessageResult

InboxItem = ProviderEvent | PendingCommand | MessageResult
URGENT: Final = frozenset({Action.PAUSE, Action.RESUME, Action.CANCEL})
"""Commands that don't wait for a charge that is queued: what they write keeps it from being requested."""


class Inbox:
    """Items in the order in which they came. A command that came before, by its request id, is not taken again."""

    def __init__(self, first: ProviderEvent | None = None) -> None:
        self._items: deque[InboxItem] = deque([first] if first else [])
        self._requests: set[str] = set()
        self._ids = CommandIds()

    def __bool__(self) -> bool:
        return bool(self._items)

    def append(self, item: InboxItem) -> None:
        """One more item, behind all others."""
        self._items.append(item)

    def put_back(self, item: InboxItem) -> None:
        """The item is the next one again."""
        self._items.appendleft(item)

    def take_next(self) -> InboxItem:
        """The oldest item. Raises IndexError where there is none."""
        return self._items.popleft()

    @property
    def opening_event(self) -> ProviderEvent | None:
        """The oldest event that can open a recovery."""
        events = (item for item in self._items if isinstance(item, ProviderEvent))
        return next((event for event in events if event.opens_recovery), None)

    def submit_command(self, command: Command, *, awaited: bool = False) -> PendingCommand:
        """The command, queued; answered already where the same request came before."""
        command = self._ids.identify_update(command) if awaited else self._ids.identify_signal(command)
        pending = PendingCommand(command, awaited=awaited)
        if command.request_id in self._requests:
            pending.set_answer()
            return pending
        if command.request_id:
            self._requests.add(command.request_id)
        self._items.append(pending)
        return pending

    def submit_cancel_request(self) -> None:
        """Temporal's own cancel request is one more command."""
        request = Command(action=Action.CANCEL, reason="cancel request")
        self._items.append(PendingCommand(self._ids.identify_cancel_request(request)))

    @property
    def urgent_command(self) -> PendingCommand | None:
        """The oldest command, if it is urgent: none overtakes another, since signals are known by their order."""
        oldest = next((item for item in self._items if isinstance(item, PendingCommand)), None)
        return oldest if oldest and oldest.command.action in URGENT else None

    def take_urgent(self, pending: PendingCommand) -> None:
        """Removes this command, which is handled now."""
        self._items.remove(pending)
