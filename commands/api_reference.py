"""The HTTP API and the outgoing webhooks as Markdown for docs/api.md, made from the OpenAPI description."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from commands.markdown_tables import table_row

Json = Mapping[str, Any]
_FORMATS: Final = {"date-time": "time", "binary": "bytes"}


def api_reference(description: Json) -> str:
    """Routes by tag, then outgoing webhooks, then every schema that they name."""
    routes = (f"{_operation(method, path, found)}" for path, method, found in _operations(description["paths"]))
    outgoing = (_outgoing(name, item["post"]) for name, item in description["webhooks"].items())
    schemas = (_schema(name, found) for name, found in sorted(description["components"]["schemas"].items()))
    parts = ("## Routes", *routes, "## Outgoing webhooks", *outgoing, "## Schemas", *schemas)
    return "\n\n".join(parts) + "\n"


def _operations(paths: Json) -> Iterator[tuple[str, str, Json]]:
    return ((path, method, found) for path, methods in paths.items() for method, found in methods.items())


def _operation(method: str, path: str, found: Json) -> str:
    access = "An API key." if found.get("security") else "No API key."
    lines = [f"### {found['summary']}", f"`{method.upper()} {path}` · {access}", _prose(found)]
    return "\n\n".join([*lines, *_parameters(found), *_body(found), _answers(found["responses"])])


def _outgoing(name: str, found: Json) -> str:
    (media,) = found["requestBody"]["content"].values()
    return f"### {name}\n\n{found['summary']}. The body is {_type_of(media['schema'])}. {_prose(found)}"


def _prose(found: Json) -> str:
    return " ".join(found.get("description", "").split())


def _parameters(found: Json) -> Iterator[str]:
    if rows := [_parameter(one) for one in found.get("parameters", ())]:
        yield "\n".join(["| Parameter | In | Type | Meaning |", "|---|---|---|---|", *rows])


def _parameter(one: Json) -> str:
    name = f"`{one['name']}`" + ("" if one.get("required") else " (optional)")
    return table_row(name, one["in"], _type_of(one["schema"]), _prose(one))


def _body(found: Json) -> Iterator[str]:
    if content := found.get("requestBody", {}).get("content"):
        yield "Body: " + ", ".join(f"`{media}`, {_type_of(one.get('schema', {}))}" for media, one in content.items())


def _answers(responses: Json) -> str:
    good = [f"{status}: {_answer(one)}" for status, one in sorted(responses.items()) if status < "300"]
    bad = [f"`{status}`" for status in sorted(responses) if status >= "300"]
    refusals = f" · Errors: {' '.join(bad)}" if bad else ""
    return f"Answers {'; '.join(good)}{refusals}"


def _answer(one: Json) -> str:
    kinds = [f"`{media}`, {_type_of(found.get('schema', {}))}" for media, found in one.get("content", {}).items()]
    said = "" if one["description"] == "Successful Response" else f" ({one['description']})"
    return (" or ".join(kinds) or "no body") + said


def _schema(name: str, found: Json) -> str:
    lines = [f"### {name}", *([_prose(found)] if found.get("description") else [])]
    if values := found.get("enum"):
        lines.append("One of " + ", ".join(f"`{value}`" for value in values) + ".")
    if fields := found.get("properties"):
        needed = found.get("required", ())
        rows = [_field(field, one, optional=field not in needed) for field, one in fields.items()]
        lines.append("\n".join(["| Field | Type | Meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(lines)


def _field(name: str, one: Json, *, optional: bool) -> str:
    return table_row(f"`{name}`" + (" (optional)" if optional else ""), _type_of(one), _prose(one))


def _type_of(schema: Json) -> str:
    """The type in words, with links to the schemas that it names."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return f"[{name}](#{name.lower()})"
    if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(_type_of(option) for option in options)
    if values := schema.get("enum"):
        return " or ".join(f"`{value}`" for value in values)
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type_of(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type_of(schema['additionalProperties'])}"
    return _FORMATS.get(schema.get("format", "")) or str(schema.get("type", "anything"))
