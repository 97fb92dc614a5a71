"""Folders short enough for sockets and open to the service account that PostgreSQL runs as under root."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="pri-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)
