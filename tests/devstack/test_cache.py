"""Fetched programs appear completely or not at all, and a stalled download is aborted."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack import program_cache
from devstack.console import Progress
from devstack.errors import DevstackError
from tests.tools import go_programs, time_skipping_server


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Callable[[str, str], Path]:
    """A machine with an empty cache and only a shell and the test's programs on PATH."""
    bin_dir = folder / "bin"
    bin_dir.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("PATH", str(bin_dir))
    for name in ("sh", "mkdir", "touch", "dirname"):
        (bin_dir / name).symlink_to(next(p for d in ("/bin", "/usr/bin") if (p := Path(d) / name).exists()))

    def add_program(name: str, script: str) -> Path:
        (bin_dir / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_dir / name).chmod(0o755)
        return bin_dir / name

    return add_program


def test_a_tool_is_built_once_under_its_own_name(machine: Callable[[str, str], Path], folder: Path) -> None:
    machine("go", f'echo "$@" >> {folder}/builds; echo "#!/bin/sh" > $GOBIN/server; /bin/chmod 755 $GOBIN/server')
    assert (
        go_programs.ensure_go_tool("toxiproxy")
        == go_programs.ensure_go_tool("toxiproxy")
        == folder / "cache/pri/bin/toxiproxy-server"
    )
    assert (folder / "builds").read_text() == "install github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0\n"


def test_failed_build_leaves_nothing_and_gives_its_reason(machine: Callable[[str, str], Path], folder: Path) -> None:
    machine("go", "echo 'no space left on device' >&2; exit 1")
    with pytest.raises(DevstackError, match="no space left on device"):
        go_programs.ensure_go_tool("stripe-mock")
    assert [path for path in (folder / "cache" / "pri").iterdir() if path.is_dir()] == []


def test_missing_go_is_reported(machine: Callable[[str, str], Path]) -> None:
    assert callable(machine)
    with pytest.raises(DevstackError, match="no Go to build it"):
        go_programs.ensure_go_tool("stripe-mock")


def test_the_test_server_falls_back_to_maven(
    machine: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_download(_kind: str, _folder: Path) -> Path:
        raise DevstackError("offline")

    monkeypatch.setattr(program_cache, "fetch_sdk_server", fail_download)
    with pytest.raises(DevstackError, match="Maven and Java"):
        time_skipping_server.find_test_server("")
    machine("java", 'echo "$@"')
    machine("mvn", 'for word in "$@"; do case $word in -DoutputDirectory=*) mkdir -p "${word#*=}";; esac; done')
    path = time_skipping_server.find_test_server("")
    assert program_cache.is_program(path)
    assert (path.parent / "lib").is_dir()
    assert time_skipping_server.find_test_server(str(path)) == path
    with pytest.raises(DevstackError, match="TEMPORAL_TEST_SERVER"):
        time_skipping_server.find_test_server("/no/such/file")


def test_a_download_that_stalls_is_ended(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(program_cache, "STALL_SECONDS", 0.3)
    url_file = folder / "watched"
    url_file.mkdir()
    command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
    with pytest.raises(DevstackError):
        program_cache.run_helper(command, Progress("x", terminal=False), folder / "log", watched=url_file)
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "log").read_text()), 0)
