"""Search attributes are written where a run rests, and as often as before in runs that began before that rule."""

from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.common import TypedSearchAttributes

from core.contracts import OpenedRecovery
from core.recovery.state import Recovery
from workflows import visibility
from workflows.visibility import SearchAttributes

RECOVERY = Recovery(provider="stripe", invoice_id="in_1", customer_id="cus_1")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The names of each upsert; the run has no attribute yet."""
    upserts: list[set[str]] = []

    class Run:
        def info(self) -> Any:
            return SimpleNamespace(typed_search_attributes=TypedSearchAttributes.empty)

        def upsert_search_attributes(self, updates: Any) -> None:
            upserts.append({update.key.name for update in updates})

    monkeypatch.setattr(visibility, "workflow", Run())
    return upserts


def opened_attributes(**opening: Any) -> SearchAttributes:
    attributes = SearchAttributes()
    attributes.note_opening(OpenedRecovery(search_attributes=("Provider", "CustomerId"), **opening))
    return attributes


def test_a_run_writes_its_attributes_where_it_rests(written: list[set[str]]) -> None:
    attributes = opened_attributes(upserts_at_rest=True)
    attributes.upsert(RECOVERY, at_rest=False)
    assert written == []
    attributes.upsert(RECOVERY, at_rest=True)
    assert written == [{"Provider", "CustomerId"}]


def test_an_older_run_writes_them_at_every_step(written: list[set[str]]) -> None:
    opened_attributes().upsert(RECOVERY, at_rest=False)
    assert written == [{"Provider", "CustomerId"}]


def test_nothing_is_written_that_the_namespace_does_not_know(written: list[set[str]]) -> None:
    attributes = SearchAttributes()
    attributes.note_opening(OpenedRecovery(search_attributes=(), upserts_at_rest=True))
    attributes.upsert(RECOVERY, at_rest=True)
    assert written == []
