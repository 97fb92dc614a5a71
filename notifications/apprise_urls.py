"""Everything that Apprise can reach: text messages to customers, and the operators' own tools."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Final
from urllib.parse import quote

import apprise

from core.errors import InvalidInput, NotDelivered
from notifications.channels import CustomerMessage

CALL_SECONDS: Final = 25.0
PLACEHOLDERS: Final = frozenset({"phone", "email"})


class AppriseChannel:
    """The channel `sms`: an Apprise address in which `{phone}` or `{email}` is filled in for each customer."""

    def __init__(self, templates: Sequence[str]) -> None:
        for template in templates:
            _check_template(template)
        self._templates = tuple(templates)

    async def send(self, message: CustomerMessage) -> None:
        """Raises NotDelivered without a number, or with one that can't be one.

        Apprise doesn't say how far a failed call came: that is maybe sent.
        """
        try:
            sender = _create_apprise([_fill_template(template, message) for template in self._templates])
        except InvalidInput:  # by Apprise's own rules, before any call
            raise NotDelivered("address_unfit", permanent=True) from None
        async with asyncio.timeout(CALL_SECONDS):
            if not await sender.async_notify(body=message.short):
                raise RuntimeError("not every address answered that it was sent")


class AppriseOperators:
    """Slack, Teams, PagerDuty, e-mail and the like, as Apprise addresses."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._sender = _create_apprise(addresses)

    async def send_notice(self, title: str, body: str) -> bool:
        """Whether everybody was told, within 25 seconds."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return bool(await self._sender.async_notify(title=title, body=body))
        except TimeoutError:
            return False


def _create_apprise(addresses: Sequence[str]) -> apprise.Apprise:
    """Raises InvalidInput for an address that Apprise doesn't know, without showing it."""
    # Its log lines name addresses, and these are secrets.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    made = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Payments Risk Intelligence"))
    for number, address in enumerate(addresses, start=1):
        if not made.add(address):
            raise InvalidInput(f"Address {number} for notifications is none that Apprise knows.")
    return made


def _check_template(template: str) -> None:
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError:
        names = set()
    if not names or not names <= PLACEHOLDERS:
        raise InvalidInput("CUSTOMER_NOTIFY_URLS needs addresses with {phone} or {email} in them.")


def _fill_template(template: str, message: CustomerMessage) -> str:
    known = {"phone": message.to.phone, "email": message.to.email}
    wanted = {name for _, name, _, _ in Formatter().parse(template) if name}
    values = {name: quote(known[name] or "", safe="") for name in wanted}
    if not all(values.values()):
        raise NotDelivered("no_address", permanent=True)
    return template.format(**values)


def create(environment: Mapping[str, str]) -> AppriseChannel | None:
    """The plug-in. Raises InvalidInput for an address without a place for the customer's."""
    templates = environment.get("CUSTOMER_NOTIFY_URLS", "").split()
    return AppriseChannel(templates) if templates else None
