"""A disk of a few megabytes for PostgreSQL: a tmpfs in the stack's folder, which a file fills to the last byte."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

MEGABYTES: Final = 64


def find_disk_obstacle() -> str | None:
    """Why no such disk can be had here; None if it can."""
    return None if sys.platform == "linux" and os.geteuid() == 0 else "only root on Linux can mount a small disk"


class SmallDisk:
    """A tablespace of its own on a small disk. `data_dir` is the stack's."""

    tablespace = "small_disk"

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "small-disk"
        self._owner = (data_dir / "postgres").stat()
        self._filler = self._folder / "filler"

    @property
    def create_tablespace(self) -> str:
        """The statement that lets PostgreSQL use it."""
        return f"CREATE TABLESPACE {self.tablespace} LOCATION '{self._folder / 'tables'}'"

    @property
    def drop_tablespace(self) -> str:
        """The statement after which it may be unmounted."""
        return f"DROP TABLESPACE {self.tablespace}"

    def mount(self) -> None:
        """Makes the disk, with an empty folder of PostgreSQL's. Raises CalledProcessError where that isn't allowed."""
        self._folder.mkdir()
        options = f"size={MEGABYTES}m,mode=0711"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._folder)], check=True)
        tables = self._folder / "tables"
        tables.mkdir(mode=0o700)
        os.chown(tables, self._owner.st_uid, self._owner.st_gid)

    def fill(self) -> None:
        """Leaves no room."""
        with self._filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as full:
                if full.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """There is room again."""
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Gives the disk back."""
        subprocess.run(["umount", str(self._folder)], check=True)
        self._folder.rmdir()
