"""The list of recoveries: filters, order, pages, CSV export and bulk commands."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from api.admin import bulk_commands
from api.admin.sessions import Role
from core.contracts import RecoveryStatus
from core.errors import CommandRefused, EngineUnavailable
from core.events import Event, EventType, State
from core.operators import Action
from tests.api.admin.console import AdminBrowser
from tests.api.admin.page_reader import Page
from tests.api.harness import app_now
from tests.intake.fakes import canceled_event, failure_event, store_recovery, unique_id

ACCEPTED_STATUS = RecoveryStatus(recovery_id="any", state=State.PAUSED, sequence=3)


async def open_recovery(console: AdminBrowser, customer: str, *more: Event, **changes: object) -> str:
    """The invoice of a running recovery; each call opens a newer one."""
    invoice = str(changes.pop("invoice", "")) or unique_id("in_list")
    failed = failure_event(invoice, **{"customer_id": customer, "occurred_at": app_now()} | changes)
    recovery = await store_recovery(console.harness.db, failed, *more, at=app_now())
    console.recoveries.running.add(recovery.recovery_id)
    return invoice


def invoices_on(page: Page) -> list[str]:
    """The invoices on the page, in its order."""
    return [text for text, address in page.links.items() if "/recoveries/" in address and "/live" not in address]


def classified_event(cause: str, **data: object) -> Event:
    """A classification event with this cause."""
    classification = {"category": "SOFT_DECLINE", "cause": cause}
    return Event(type=EventType.FAILURE_CLASSIFIED, occurred_at=app_now(), data=classification | data)


def segmented_event(name: str) -> Event:
    """A segmentation event with this segment."""
    return Event(type=EventType.CUSTOMER_SEGMENTED, occurred_at=app_now(), data={"segment": name})


def planned_event(hours: float, strategy: str = "ladder_x") -> Event:
    """A planned retry in so many hours."""
    data = {"at": (app_now() + timedelta(hours=hours)).isoformat(), "strategy": strategy, "policy_version": "v"}
    return Event(type=EventType.RETRY_PLANNED, occurred_at=app_now(), data=data)


async def test_filters_narrow_alone_and_combined(console: AdminBrowser) -> None:
    customer, browser = unique_id("cus_filters"), console.sign_in_as(Role.VIEWER)
    plain = await open_recovery(console, customer)
    rich = await open_recovery(
        console,
        customer,
        classified_event("INSUFFICIENT_FUNDS"),
        segmented_event("grp"),
        planned_event(5),
        amount=500_000,
        currency="USD",
    )
    large_recovery = await open_recovery(console, customer, canceled_event(), amount=90_000)
    for filters, expected in (
        ({}, [large_recovery, rich, plain]),
        ({"state": "waiting"}, [rich]),
        ({"state": "open"}, [rich, plain]),
        ({"cause": "INSUFFICIENT_FUNDS"}, [rich]),
        ({"segment": "grp"}, [rich]),
        ({"strategy": "ladder_x"}, [rich]),
        ({"provider": "stripe"}, [large_recovery, rich, plain]),
        ({"provider": "adyen"}, []),
        ({"currency": "usd"}, [rich]),
        ({"from": "900"}, [large_recovery, rich]),
        ({"from": "900.00", "to": "900"}, [large_recovery]),
        ({"to": "5,00"}, [plain]),
        ({"within": "6h"}, [rich]),
        ({"within": "1h"}, []),
        ({"state": "waiting", "from": "1", "currency": "USD", "within": "24h"}, [rich]),
    ):
        page = await browser.get_page("/recoveries", q=customer, **filters)
        assert (page.status, invoices_on(page)) == (200, expected), filters


async def test_unknown_filter_values_are_reported_and_ignored(console: AdminBrowser) -> None:
    customer, browser = unique_id("cus_odd"), console.sign_in_as(Role.VIEWER)
    invoice = await open_recovery(console, customer)
    for filters in ({"from": "many"}, {"state": "dancing"}, {"cause": "BAD_LUCK"}, {"to": "-5"}, {"to": "1e99"}):
        page = await browser.get_page("/recoveries", q=customer, **filters)
        assert invoices_on(page) == [invoice]
        assert any(message.endswith("It was left out.") for message in page.flash_messages)
    for harmless in ({"within": "x"}, {"sort": "x"}, {"way": "x"}, {"cursor": "x"}, {"currency": "€€"}):
        assert (await browser.get_page("/recoveries", q=customer, **harmless)).status == 200


async def test_column_heads_sort_in_both_directions(console: AdminBrowser) -> None:
    customer, browser = unique_id("cus_order"), console.sign_in_as(Role.VIEWER)
    cheap = await open_recovery(console, customer, planned_event(9), amount=100)
    dear = await open_recovery(console, customer, planned_event(2), amount=900)
    page = await browser.get_page("/recoveries", q=customer)
    assert invoices_on(page) == [dear, cheap]
    for column, orders in {
        "Amount": ([dear, cheap], [cheap, dear]),
        "Next attempt": ([dear, cheap], [cheap, dear]),
        "Opened": ([cheap, dear], [dear, cheap]),
        "Last change": ([dear, cheap], [cheap, dear]),
    }.items():
        sorted_page = page
        for expected in orders:
            address = next(link for text, link in sorted_page.links.items() if text.rstrip("↑↓ ") == column)
            sorted_page = await browser.get_page(address)
            assert invoices_on(sorted_page) == expected, column
        assert 'aria-sort="ascending"' in sorted_page.html or 'aria-sort="descending"' in sorted_page.html


async def test_pages_are_linked_forward_and_back(console: AdminBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.admin.recoveries.PAGE_SIZE", 2)
    customer, browser = unique_id("cus_pages"), console.sign_in_as(Role.VIEWER)
    invoices = [await open_recovery(console, customer) for _ in range(5)][::-1]
    first = await browser.get_page("/recoveries", q=customer)
    second = await browser.get_page(first.links["Next →"])
    third = await browser.get_page(second.links["Next →"])
    assert invoices_on(first) + invoices_on(second) + invoices_on(third) == invoices
    assert "Next →" not in third.links
    assert invoices_on(await browser.get_page(third.links["← Previous"])) == invoices[2:4]
    assert invoices_on(await browser.get_page(third.links["First page"])) == invoices[:2]
    assert "5 recoveries fit" in first.text


async def test_an_empty_list_says_what_to_do(console: AdminBrowser) -> None:
    page = await console.sign_in_as(Role.VIEWER).get_page("/recoveries", q=unique_id("nobody"))
    assert "No recovery fits" in page.text
    assert page.links["Clear the filter"] == "/admin/recoveries"


HOSTILE = ("=1+1", "+1", "-1", "@SUM(A1)", " =1", "<script>alert(1)</script>", 'a"b', "a,b", "ä\nö")


async def test_export_holds_matching_rows_and_no_formulas(console: AdminBrowser) -> None:
    customer, browser = unique_id("cus_csv"), console.sign_in_as(Role.VIEWER)
    for prefix in HOSTILE:
        await open_recovery(console, customer, invoice=f"{prefix}{unique_id('in')}", amount=123_456, currency="JPY")
    await open_recovery(console, unique_id("cus_other"))
    answer = (await browser.get_page("/recoveries.csv", q=customer, sort="opened")).response
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert {row["amount"] for row in rows} == {"123456"}
    assert {(row["paid"], row["paid_late"], row["returned"]) for row in rows} == {("0", "0", "0")}
    assert len(rows) == len(HOSTILE)
    assert not [row for row in rows for value in row.values() if value.lstrip(" ").startswith(("=", "+", "-", "@"))]
    assert rows[0]["invoice_id"].startswith("ä\nö")


async def preview_bulk_command(browser: AdminBrowser, command: str, *invoices: str) -> Page:
    """The preview of a bulk command on these invoices."""
    return await browser.submit_form(
        "/recoveries/bulk", command=command, chosen=[f"stripe/{invoice}" for invoice in invoices]
    )


async def confirm_bulk_command(browser: AdminBrowser, preview: Page, reason: str = "asked by the bank") -> Page:
    """The result page after the preview's form was submitted."""
    form = preview.form_to("/bulk/run")
    every = [part.partition('"')[0] for part in preview.html.split('name="chosen" value="')[1:]]
    form_data: dict[str, Any] = form.fields | {"chosen": every, "reason": reason}
    return await browser.submit_form(form.action, **form_data)


@pytest.mark.parametrize("action", ["retry", "pause", "resume", "cancel"])
async def test_bulk_command_is_previewed_and_submitted_one_by_one(action: str, console: AdminBrowser) -> None:
    console.recoveries.answer = ACCEPTED_STATUS
    browser, customer = console.sign_in_as(Role.OPERATOR, name="olga"), unique_id("cus_many")
    invoices = [await open_recovery(console, customer) for _ in range(3)]
    preview = await preview_bulk_command(browser, action, *invoices)
    assert (preview.status, console.recoveries.submitted_commands) == (200, [])
    assert f"{action.capitalize()} 3 recoveries?" in preview.text
    result_page = await confirm_bulk_command(browser, preview)
    assert sorted(row[1] for row in result_page.rows[1:]) == ["Done"] * 3
    commands = [(command.action, command.actor, command.reason) for _, command in console.recoveries.submitted_commands]
    assert commands == [(Action(action), "olga", "asked by the bank")] * 3


async def test_bulk_command_on_all_matches_is_limited(console: AdminBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_commands, "MOST_BULK_RECOVERIES", 2)
    console.recoveries.answer = ACCEPTED_STATUS
    browser, customer = console.sign_in_as(Role.OPERATOR), unique_id("cus_all")
    invoices = [await open_recovery(console, customer) for _ in range(3)]
    other = await open_recovery(console, unique_id("cus_else"))
    preview = await browser.submit_form("/recoveries/bulk", command="pause", every="1", narrowed=f"q={customer}")
    assert "Pause 2 recoveries?" in preview.text
    assert "More than 2 match" in preview.text
    words = preview.text.split()
    assert [invoice for invoice in (*invoices, other) if invoice in words] == invoices[1:]
    assert len((await confirm_bulk_command(browser, preview)).rows) == 1 + 2


async def test_bulk_command_reports_each_result(console: AdminBrowser) -> None:
    browser, customer = console.sign_in_as(Role.OPERATOR), unique_id("cus_each")
    ended_recovery = await open_recovery(console, customer, canceled_event())
    going = await open_recovery(console, customer)
    console.recoveries.running.discard(f"recovery-stripe-{ended_recovery}")
    results = {
        row[0]: row[1:]
        for row in (
            await confirm_bulk_command(browser, await preview_bulk_command(browser, "pause", ended_recovery, going))
        ).rows[1:]
    }
    assert results[f"{ended_recovery} Stripe"] == ["Refused", "This recovery has ended canceled: operator."]
    assert results[f"{going} Stripe"][0] == "Stored"
    console.recoveries.answer = CommandRefused("paused", "This recovery is paused; resume it first.")
    (row,) = (await confirm_bulk_command(browser, await preview_bulk_command(browser, "retry", going))).rows[1:]
    assert row[1:] == ["Refused", "This recovery is paused; resume it first."]


async def test_bulk_command_stops_when_temporal_is_unreachable(
    console: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_commands, "PARALLEL_COMMANDS", 1)
    browser, customer = console.sign_in_as(Role.OPERATOR), unique_id("cus_away")
    invoices = [await open_recovery(console, customer) for _ in range(6)]
    preview = await preview_bulk_command(browser, "cancel", *invoices)
    console.recoveries.error = EngineUnavailable("Temporal cannot be reached.")
    sentences = [row[2] for row in (await confirm_bulk_command(browser, preview)).rows[1:]]
    assert sentences == ["Temporal cannot be reached."] * 3 + ["Not tried: Temporal does not answer."] * 3


async def test_bulk_command_needs_reason_selection_token_and_role(console: AdminBrowser) -> None:
    browser, customer = console.sign_in_as(Role.OPERATOR), unique_id("cus_none")
    invoice = await open_recovery(console, customer)
    assert (await preview_bulk_command(browser, "pause")).status == 303
    assert "Choose at least one" in (await browser.get_page("/recoveries")).text
    preview = await preview_bulk_command(browser, "pause", invoice)
    assert (await confirm_bulk_command(browser, preview, reason=" ")).status == 303
    assert "Nothing was done" in (await browser.get_page("/recoveries")).text
    assert (await browser.submit_form("/recoveries/bulk/run", token=None, command="pause", reason="x")).status == 403
    viewer = console.sign_in_as(Role.VIEWER)
    assert (await preview_bulk_command(viewer, "pause", invoice)).status == 403
    assert (await confirm_bulk_command(viewer, preview)).status == 403
    assert "Pause…" not in (await viewer.get_page("/recoveries")).text
    assert console.recoveries.submitted_commands == []


async def test_hostile_ids_are_escaped_and_selectable(console: AdminBrowser) -> None:
    console.recoveries.answer = ACCEPTED_STATUS
    browser, customer = console.sign_in_as(Role.OPERATOR), unique_id("cus_odd")
    invoice = '"><script>alert(1)</script>/%2F' + unique_id("in")
    await open_recovery(console, customer, invoice=invoice)
    page = await browser.get_page("/recoveries", q=customer)
    assert "<script>alert" not in page.html
    box = page.html.partition('name="chosen" value="')[2].partition('"')[0]
    preview = await browser.submit_form("/recoveries/bulk", command="pause", chosen=[box])
    assert invoice in preview.text
    assert "<script>alert" not in preview.html
    assert [row[1] for row in (await confirm_bulk_command(browser, preview)).rows[1:]] == ["Done"]
    assert console.recoveries.submitted_commands[0][0] == f"recovery-stripe-{invoice}"
