"""Writes the reference docs that are generated from the code: OpenAPI and its page, events, settings.

`make reference` runs it; a test compares its output with the committed files.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from api.app import openapi_description
from commands.api_reference import api_reference
from commands.settings_reference import settings_tables
from core.events.schema import event_schemas, event_table

DOCS: Final = Path(__file__).parents[1] / "docs"
END: Final = "<!-- end of what is made -->\n"
MADE_PARTS: Final[Mapping[str, tuple[str, Callable[[], str]]]] = {
    "events.md": ("core/events", event_table),
    "configuration.md": ("settings.py", settings_tables),
    "api.md": ("the routes in api/", lambda: api_reference(openapi_description())),
}
"""Pages with a part that is made: what to change instead of it, and what makes it."""


def reference_files(docs: Path = DOCS) -> dict[Path, str]:
    """Every reference file with its generated text. Raises ValueError if a page lacks the marks for it."""
    pages = {docs / name: _with_part(docs / name, source, make()) for name, (source, make) in MADE_PARTS.items()}
    return {
        docs / "openapi.json": _as_json(openapi_description()),
        docs / "events.schema.json": _as_json(event_schemas()),
        **pages,
    }


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _with_part(path: Path, source: str, part: str) -> str:
    """The page with the part between its marks made anew."""
    begin = f"<!-- made by `make reference`; change {source} instead -->\n"
    before, marked, rest = path.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(END)
    if not marked or not ended:
        raise ValueError(f"docs/{path.name} has lost the marks around what is made")
    return f"{before}{begin}\n{part}\n{END}{after}"


def main() -> None:
    """Writes the reference files."""
    for path, text in reference_files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
