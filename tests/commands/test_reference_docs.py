"""Generated reference pages are committed in their current form."""

from pathlib import Path

import pytest

from commands.reference_docs import reference_files


@pytest.mark.parametrize("path", reference_files(), ids=lambda path: path.name)
def test_committed_reference_pages_are_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == reference_files()[path], "make reference writes it anew"


def test_missing_marks_are_reported(tmp_path: Path) -> None:
    (tmp_path / "events.md").write_text("# The event log\n")
    with pytest.raises(ValueError, match="lost the marks"):
        reference_files(tmp_path)
