"""Messages kind by kind as golden files for proof-reading: `python -m tests.notifications.golden`."""

from datetime import UTC, datetime
from pathlib import Path

from core.messages.kinds import MessageKind
from notifications.composer import MessageComposer
from notifications.locales import LANGUAGES
from notifications.preview import MessageExample, preview_message

FOLDER = Path(__file__).with_name("golden")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def composed_messages(language: str) -> str:
    """All kinds in this language, subject and text, one after another."""
    composer = MessageComposer("Acme")
    examples = [MessageExample(kind=kind, language=language) for kind in MessageKind]
    messages = [(example.kind, preview_message(composer, example, NOW)) for example in examples]
    return "\n".join(
        f"===== {kind.value} =====\n{message.subject}\n\n{message.text.strip()}\n" for kind, message in messages
    )


def golden_file(language: str) -> Path:
    """The golden file of this language."""
    return FOLDER / f"{language}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in LANGUAGES:
        golden_file(name).write_text(composed_messages(name), encoding="utf-8")
