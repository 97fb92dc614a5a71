"""Each key of `event_log.data` that SQL names is a field of the model of its event type."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel

from core.events import EventType
from core.events.registry import MODELS
from tests.architecture.source import ROOT, source_files

KeyPath = tuple[str, ...]
PATH: Final = re.compile(r"\bdata((?:\s*(?:->>?|\?)\s*'\w+')+)")
"""`data->'card'->>'fingerprint'` and `data->'inputs' ? 'kept_at'`."""
REMOVAL: Final = re.compile(r"\(data->'(\w+)'\)((?:\s*-\s*'\w+')+)")
"""`(data->'card') - 'last4'`: keys that must not leave the database."""
COLUMN: Final = re.compile(r"\.c\.data\[\"(\w+)\"\]")
BRANCH: Final = re.compile(r"WHEN '([a-z_.]+)' THEN (.*?)(?=\bWHEN\b|\bEND\b|\bELSE\b)", re.DOTALL)
"""One branch of `CASE type WHEN …`."""


def key_paths(sql: str) -> Iterator[KeyPath]:
    """The keys that this text reads or removes, outermost first."""
    yield from (tuple(re.findall(r"'(\w+)'", found)) for found in PATH.findall(sql))
    yield from ((outer, inner) for outer, more in REMOVAL.findall(sql) for inner in re.findall(r"'(\w+)'", more))
    yield from ((name,) for name in COLUMN.findall(sql))


def has_path(model: type[BaseModel], path: KeyPath) -> bool:
    name, *rest = path
    if name not in model.model_fields:
        return False
    return not rest or any(has_path(one, tuple(rest)) for one in models_in(model.model_fields[name].annotation))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's type names, within unions and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


NAMED: Final = [(path, key) for path in source_files() for key in key_paths(path.read_text(encoding="utf-8"))]
"""File and keys of each place in the source where SQL reads `data`."""


@pytest.mark.parametrize(("file", "keys"), NAMED, ids=lambda one: "/".join(one) if isinstance(one, tuple) else one.stem)
def test_key_exists_in_a_model(file: Path, keys: KeyPath) -> None:
    assert any(has_path(model, keys) for model in MODELS.values()), f"{file.relative_to(ROOT)} reads {keys}"


def test_keys_by_event_type_exist_in_the_model_of_that_type() -> None:
    sql = (ROOT / "db/queries/recorded_events.py").read_text(encoding="utf-8")
    found = [(EventType(kind), keys) for kind, branch in BRANCH.findall(sql) for keys in key_paths(branch)]
    assert len(found) > 25
    assert not [(kind, keys) for kind, keys in found if not has_path(MODELS[kind], keys)]


def test_search_finds_every_spelling() -> None:
    found = {keys for _, keys in NAMED}
    assert {("card", "fingerprint"), ("card", "last4"), ("inputs", "kept_at"), ("actor",), ("policy_version",)} <= found
    assert not has_path(MODELS[EventType.CHARGE_DECLINED], ("card", "number"))
    assert not has_path(MODELS[EventType.RETRY_PLANNED], ("action",))
