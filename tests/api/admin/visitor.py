"""A browser in memory: it keeps cookies, reads form tokens and submits forms."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from api.admin.sessions import Role
from tests.api.harness import BOOTSTRAP

PASSWORD = "correct horse battery"
HASH = "$argon2id$v=19$m=8,t=1,p=1$H7SUa5ubc9F3Jp86SyrifQ$4aUV9EKPu9IQaE9exvc1eitoLEHOtfyxRdYRIhOj34I"
"""Of PASSWORD, with the least effort that argon2 takes: these tests sign in often."""


def local_users(**people: Role) -> str:
    """The LOCAL_USERS setting with these people, all with one password."""
    return " ".join(f"{name}:{role.value}:{HASH}" for name, role in people.items())


@dataclass
class Visitor:
    """A browser of one person."""

    client: httpx.AsyncClient

    async def get_page(self, path: str, **query: str) -> httpx.Response:
        """The response of a page."""
        return await self.client.get(path, params=query or None)

    async def read_form_token(self, path: str = "/admin/login") -> str:
        """The form token of this session."""
        match = re.search(r'name="token" value="([^"]+)"', (await self.get_page(path)).text)
        assert match, path
        return match[1]

    async def post_form(self, path: str, **form: Any) -> httpx.Response:
        """The response to a form with its token."""
        return await self.client.post(path, data={"token": await self.read_form_token(), **form})

    async def sign_in(self, name: str = "admin", password: str = BOOTSTRAP, **form: str) -> httpx.Response:
        """The response to name and password."""
        return await self.post_form("/admin/login", username=name, password=password, **form)

    async def is_signed_in(self) -> bool:
        """Whether the session may open pages."""
        return (await self.get_page("/admin/recoveries")).status_code == 200


@asynccontextmanager
async def open_visitor(
    app: FastAPI, base: str = "http://api.test", address: str = "127.0.0.1"
) -> AsyncIterator[Visitor]:
    """A browser at this client address, connected to the application without a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        yield Visitor(client)
