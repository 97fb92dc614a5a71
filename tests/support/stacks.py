"""Real stacks for tests: free ports, a folder of their own, compressed time."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from api.admin.local_users import format_local_user
from api.admin.sessions import Role
from devstack.programs import Commands, Options
from devstack.stack import DevStack
from settings import Settings, read_environment

TIME_SCALE = 3600
"""An hour is a second: the first retry follows a failure after three."""
PASSWORD = "password-of-these-tests"
PEOPLE = {"vera": Role.VIEWER, "oscar": Role.OPERATOR, "ottilie": Role.OPERATOR}
"""Who may sign in at the admin console besides `admin`, all with PASSWORD."""
FAST_SETTINGS = {
    "TIME_SCALE": str(TIME_SCALE),
    "LOG_LEVEL": "WARNING",
    "LOCAL_USERS": " ".join(format_local_user(name, role, PASSWORD) for name, role in PEOPLE.items()),
}


@contextmanager
def short_folder() -> Iterator[Path]:
    """An empty folder with a path short enough for sockets, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pri-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def default_settings() -> Settings:
    """The settings where nothing is set."""
    return Settings.model_construct(**{name: field.get_default() for name, field in Settings.model_fields.items()})


def clean_environment() -> dict[str, str]:
    """The environment without any of our settings, for programs that a test starts itself."""
    setting_names = {name.upper() for name in Settings.model_fields}
    return {name: text for name, text in read_environment().items() if name not in setting_names}


@contextmanager
def running_stack(extra: Mapping[str, str] | None = None, commands: Commands | None = None) -> Iterator[DevStack]:
    """A stack for as long as the block runs; nothing of it is left afterwards."""
    with short_folder() as data:
        options = Options(
            data, 0, 0, 0, commands=commands or Commands(), environment={**FAST_SETTINGS, **(extra or {})}
        )
        with DevStack(options, default_settings()) as stack:
            yield stack


class SharedStack:
    """One stack for the whole session, however many use it."""

    def __init__(self) -> None:
        self.users = 0
        self._exit = ExitStack()
        self._stack: DevStack | None = None

    @contextmanager
    def enter_stack(self) -> Iterator[DevStack]:
        """The stack, started by its first user and stopped after its last."""
        self._stack = self._stack or self._exit.enter_context(running_stack())
        self.users += 1
        try:
            yield self._stack
        finally:
            self.users -= 1
            if not self.users:
                self._exit.close()

    @property
    def is_unused(self) -> bool:
        """Whether only one user is left."""
        return self.users == 1


SHARED_STACK = SharedStack()
