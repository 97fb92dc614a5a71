"""What a machine can't have is said and skipped; the small disk is as small as it says."""

import errno
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.rounds import toxiproxy
from tests.faults.rounds.network_faults import KINDS
from tests.faults.rounds.report import format_report, is_clean
from tests.faults.rounds.small_disk import MEGABYTES, SmallDisk, find_disk_obstacle
from tests.faults.rounds.test_plan import WITHIN, a_result


def test_missing_toxiproxy_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toxiproxy, "bin_dir", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    assert all("isn't installed" in (kind.find_obstacle() or "") for kind in KINDS)
    (tmp_path / toxiproxy.PROGRAM).touch()
    assert not any(kind.find_obstacle() for kind in KINDS)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert all("loopback" in (kind.find_obstacle() or "") for kind in KINDS)


def test_report_names_what_was_skipped() -> None:
    result = replace(a_result(), skipped=("network-api-postgres: toxiproxy isn't installed",))
    assert is_clean([result], WITHIN)
    assert "seed 9: skipped network-api-postgres: toxiproxy isn't installed" in format_report([result], WITHIN)


@pytest.mark.skipif(find_disk_obstacle() is not None, reason=str(find_disk_obstacle()))
def test_small_disk_is_full_until_it_is_freed(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    disk, file = SmallDisk(tmp_path), tmp_path / "small-disk" / "tables" / "file"
    disk.mount()
    try:
        file.write_bytes(b"before")
        disk.fill()
        with pytest.raises(OSError, match="No space left") as refused:
            file.write_bytes(bytes(8192))
        assert refused.value.errno == errno.ENOSPC
        disk.free()
        file.write_bytes(bytes(MEGABYTES * 2**19))
    finally:
        disk.unmount()
    assert not file.exists()
