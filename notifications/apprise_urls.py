"""Channels by Apprise: text messages to customers, and notices to operators (Slack, Teams, PagerDuty, e-mail)."""

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
    """The channel `sms`: Apprise addresses in which `{phone}` or `{email}` is filled in for each customer.

    Raises InvalidInput for an address without one of these placeholders.
    """

    def __init__(self, templates: Sequence[str]) -> None:
        for template in templates:
            _check_template(template)
        self._templates = tuple(templates)

    async def send(self, message: CustomerMessage) -> None:
        """Sends the message's short text. Raises NotDelivered if the customer has no number or an invalid one.

        Other errors (RuntimeError, TimeoutError) mean that it may have been sent: Apprise doesn't say how far a failed
        call came.
        """
        try:
            sender = _create_apprise([_fill_template(template, message) for template in self._templates])
        except InvalidInput:  # raised by Apprise's rules for addresses, before any call
            raise NotDelivered("address_unfit", permanent=True) from None
        async with asyncio.timeout(CALL_SECONDS):
            if not await sender.async_notify(body=message.short):
                raise RuntimeError("not every address answered that it was sent")


class AppriseOperators:
    """Sends notices to operators over Apprise addresses. Raises InvalidInput for one that Apprise doesn't know."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._sender = _create_apprise(addresses)

    async def send_notice(self, title: str, body: str) -> bool:
        """Sends a notice to every address; whether all of them accepted it within 25 seconds."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return bool(await self._sender.async_notify(title=title, body=body))
        except TimeoutError:
            return False


def _create_apprise(addresses: Sequence[str]) -> apprise.Apprise:
    """An Apprise object for these addresses. Raises InvalidInput for an unknown one, by its number only."""
    # Apprise's log lines contain addresses, and addresses contain secrets.
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
    """The channel plug-in; None without CUSTOMER_NOTIFY_URLS. Raises InvalidInput as `AppriseChannel` does."""
    templates = environment.get("CUSTOMER_NOTIFY_URLS", "").split()
    return AppriseChannel(templates) if templates else None
