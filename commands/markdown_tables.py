"""Tables of the reference docs, in Markdown."""


def table_row(*cells: str) -> str:
    """One row; a bar within a cell doesn't end it."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
