"""A PostgreSQL server for one benchmark."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.postgres import Cluster, running_cluster


@contextmanager
def temporary_cluster() -> Iterator[Cluster]:
    """An empty server, not migrated; its folder is removed afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="pri-bench-", ignore_cleanup_errors=True) as folder,
        running_cluster(Path(folder)) as server,
    ):
        yield server
