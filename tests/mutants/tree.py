"""A copy of the work tree in which bugs are planted, so that nobody's files change."""

import compileall
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

from tests.mutants.mutant import Edit

ROOT: Final = Path(__file__).resolve().parents[2]
_LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv", ".pri", "__pycache__", ".*_cache", ".hypothesis")


class EditError(Exception):
    """An edit that doesn't fit the code any more."""


def copy_tree(target: Path, source: Path = ROOT) -> None:
    """Copies the tree to a folder that doesn't exist yet."""
    shutil.copytree(source, target, ignore=_LEFT_OUT)
    # Bytecode is valid by the hash of its source: by time and size, a planted bug of equal length might not be seen.
    compileall.compile_dir(target, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def apply_edit(root: Path, edit: Edit) -> str:
    """The file's text with the edit. Raises EditError unless its old text is there exactly once."""
    path = root / edit.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = text.count(edit.old)
    if found != 1:
        raise EditError(f"{edit.file}: found {found} times, not once: {edit.old.strip().splitlines()[0]}")
    return text.replace(edit.old, edit.new)


@contextmanager
def planted(root: Path, edits: Sequence[Edit]) -> Iterator[None]:
    """The tree with these edits, as long as the block runs. Raises EditError; then nothing is changed."""
    paths = {root / edit.file for edit in edits}
    before = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    try:
        for edit in edits:
            (root / edit.file).write_text(apply_edit(root, edit), encoding="utf-8")
        yield
    finally:
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")
