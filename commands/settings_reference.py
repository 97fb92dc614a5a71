"""The tables of all settings for docs/configuration.md, made from settings.py."""

import types
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from commands.markdown_tables import table_row
from settings import SHIPPED_POLICY, Settings

GROUPS: Final = {
    "database_url": "Database and Temporal",
    "stripe_api_key": "Stripe",
    "adyen_api_key": "Adyen",
    "braintree_merchant_id": "Braintree",
    "policy_file": "Policy",
    "bootstrap_api_key": "Sign-in and access",
    "api_host": "API, metrics and rates",
    "smtp_url": "Messages, notices and outgoing webhooks",
    "anchor_s3_endpoint": "Anchors and personal data",
    "sentry_dsn": "Error reports, traces and encryption",
}
"""Headings, by the field that begins each."""
HEAD: Final = ("| Variable | Value | Default | Meaning |", "|---|---|---|---|")


def settings_tables() -> str:
    """Every setting as a row, under a heading for each group."""
    lines: list[str] = []
    for name, field in Settings.model_fields.items():
        if heading := GROUPS.get(name):
            lines += [*([""] if lines else []), f"### {heading}", "", *HEAD]
        lines.append(_row(name, field))
    return "\n".join([*lines, ""])


def _row(name: str, field: FieldInfo) -> str:
    default = _describe_default(field.get_default())
    return table_row(f"`{name.upper()}`", _describe_type(field), default, field.description or "")


def _describe_type(field: FieldInfo) -> str:
    kinds = tuple(_leaf_types(field.annotation))
    many = get_origin(field.annotation) is tuple
    if SecretStr in kinds:
        return "list of secrets" if many else "secret"
    if int in kinds:
        return f"whole number{_describe_range(field)}"
    if Path in kinds:
        return "path"
    return "list of networks" if IPv4Network in kinds else "text"


def _describe_range(field: FieldInfo) -> str:
    lowest = next((str(one.ge) for one in field.metadata if isinstance(one, Ge)), None)
    highest = next((f"{one.le:,}" for one in field.metadata if isinstance(one, Le)), None)
    return f", {lowest} to {highest}" if highest else f", {lowest} or more" if lowest else ""


def _describe_default(default: Any) -> str:
    if default == SHIPPED_POLICY:
        return "the shipped policy"
    text = (
        default.get_secret_value() if isinstance(default, SecretStr) else "" if default in (None, ()) else str(default)
    )
    return f"`{text}`" if text else ""


def _leaf_types(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of."""
    if get_origin(annotation) in {tuple, Union, types.UnionType}:
        for part in get_args(annotation):
            yield from _leaf_types(part)
    else:
        yield annotation
