"""A page as people read it: text, links, forms and rows, independent of the markup."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

HIDDEN_TAGS = {"script", "style", "head", "template"}
BLOCK_TAGS = {"p", "div", "section", "li", "tr", "td", "th", "dt", "dd", "h1", "h2", "h3", "small", "option", "summary"}


@dataclass
class Form:
    """One form: its action, fields and button labels."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    """What it would send as it stands. Of choices, the one that is chosen."""
    names: set[str] = field(default_factory=set)
    """All that can be filled in."""
    choices: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


class PageParser(HTMLParser):
    """Parses one page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self.rows: list[list[str]] = []
        self.ids: set[str] = set()
        self.messages: list[str] = []
        self._open: list[tuple[str, int]] = []
        self._silent = 0
        self._form: Form | None = None
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Starts links, forms, rows and other elements with text."""
        attributes = {name: value or "" for name, value in attrs}
        self._silent += tag in HIDDEN_TAGS
        self.ids.add(attributes.get("id", ""))
        if tag in BLOCK_TAGS:
            self.words.append("\n")
        if tag == "tr":
            self.rows.append([])
        if tag in {"a", "button", "td", "th"} or "saying" in attributes.get("class", "").split():
            self._open.append((tag, len(self.words)))
        if tag == "a":
            self._href = attributes.get("href", "")
        self._read_form_field(tag, attributes)

    def _read_form_field(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "form":
            self._form = Form(attributes.get("action", ""), attributes.get("method", "get").lower())
            self.forms.append(self._form)
        if self._form is None:
            return
        name = attributes.get("name", "")
        if tag in {"input", "select", "textarea", "button"} and name:
            self._form.names.add(name)
        if tag == "input" and name and (attributes.get("type") not in {"checkbox", "radio"} or "checked" in attributes):
            self._form.fields[name] = attributes.get("value", "")
        if tag == "select":
            self._select = name
            self._form.choices[name] = []
        if tag == "option" and self._select:
            self._form.choices[self._select].append(attributes.get("value", ""))
            if "selected" in attributes or self._select not in self._form.fields:
                self._form.fields[self._select] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Ends the innermost open element of this name."""
        self._silent -= tag in HIDDEN_TAGS
        if tag in BLOCK_TAGS:
            self.words.append("\n")
        if tag == "form":
            self._form = None
        if self._open and self._open[-1][0] == tag:
            _, start = self._open.pop()
            self._end_element(tag, collapse_spaces("".join(self.words[start:])))

    def _end_element(self, tag: str, text: str) -> None:
        if tag == "a":
            self.links[text] = self._href
        elif tag == "button" and self._form:
            self._form.buttons.append(text)
        elif tag in {"td", "th"} and self.rows:
            self.rows[-1].append(text)
        elif tag not in {"td", "th", "button"}:
            self.messages.append(text)

    def handle_data(self, data: str) -> None:
        """Collects visible text."""
        if not self._silent:
            self.words.append(data)


def collapse_spaces(text: str) -> str:
    """The text with single spaces between words."""
    return " ".join(text.split())


@dataclass(frozen=True)
class Page:
    """A parsed response."""

    response: httpx.Response

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self.response.status_code

    @property
    def html(self) -> str:
        """The body as sent."""
        return self.response.text

    @property
    def text(self) -> str:
        """The visible text, with single spaces between words."""
        return collapse_spaces("".join(self.parsed.words))

    @property
    def parsed(self) -> PageParser:
        """The parsed page."""
        return PageParser(self.html)

    @property
    def links(self) -> dict[str, str]:
        """The addresses of the links by their text."""
        return self.parsed.links

    @property
    def flash_messages(self) -> list[str]:
        """The messages at the top of the page."""
        return self.parsed.messages

    @property
    def rows(self) -> list[list[str]]:
        """The rows of all tables, heads included."""
        return self.parsed.rows

    @property
    def buttons(self) -> list[str]:
        """The button labels of all forms except the sign-out form."""
        return [label for form in self.parsed.forms for label in form.buttons if label != "Sign out"]

    def form_to(self, ending: str) -> Form:
        """The form whose action has this ending. Fails where there is none."""
        forms = [form for form in self.parsed.forms if form.action.endswith(ending)]
        assert forms, f"no form for …{ending} in {[form.action for form in self.parsed.forms]}"
        return forms[0]
