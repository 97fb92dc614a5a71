"""Writes the reference docs that are generated from the code: OpenAPI, the schema of events, and their table.

`make reference` runs it; a test compares its output with the committed files.
"""

import json
from pathlib import Path
from typing import Any, Final

from api.app import openapi_description
from core.events.schema import event_schemas, event_table

DOCS: Final = Path(__file__).parents[1] / "docs"
BEGIN: Final = "<!-- made by `make reference`; change core/events instead -->\n"
END: Final = "<!-- end of what is made -->\n"


def reference_files(docs: Path = DOCS) -> dict[Path, str]:
    """Every reference file with its generated text. Raises ValueError if events.md lacks the marks around its table."""
    events = docs / "events.md"
    return {
        docs / "openapi.json": _as_json(openapi_description()),
        docs / "events.schema.json": _as_json(event_schemas()),
        events: _with_table(events.read_text(encoding="utf-8")),
    }


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _with_table(page: str) -> str:
    before, marked, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not marked or not ended:
        raise ValueError("docs/events.md has lost the marks around its table")
    return f"{before}{BEGIN}\n{event_table()}\n{END}{after}"


def main() -> None:
    """Writes the reference files."""
    for path, text in reference_files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
