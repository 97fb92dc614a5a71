"""A browser without eyes: keeps cookies, reads the token of a form, sends it."""

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
    """LOCAL_USERS with these, all of one password."""
    return " ".join(f"{name}:{role.value}:{HASH}" for name, role in people.items())


@dataclass
class Visitor:
    """Somebody with a browser."""

    client: httpx.AsyncClient

    async def get_page(self, path: str, **query: str) -> httpx.Response:
        """A page."""
        return await self.client.get(path, params=query or None)

    async def read_form_token(self, path: str = "/admin/login") -> str:
        """What the forms of this session carry."""
        match = re.search(r'name="token" value="([^"]+)"', (await self.get_page(path)).text)
        assert match, path
        return match[1]

    async def post_form(self, path: str, **form: Any) -> httpx.Response:
        """A form with its token."""
        return await self.client.post(path, data={"token": await self.read_form_token(), **form})

    async def sign_in(self, name: str = "admin", password: str = BOOTSTRAP, **form: str) -> httpx.Response:
        """The answer to name and password."""
        return await self.post_form("/admin/login", username=name, password=password, **form)

    async def is_signed_in(self) -> bool:
        """Whether pages open."""
        return (await self.get_page("/admin/recoveries")).status_code == 200


@asynccontextmanager
async def open_visitor(
    app: FastAPI, base: str = "http://api.test", address: str = "127.0.0.1"
) -> AsyncIterator[Visitor]:
    """A browser that goes straight into the application, from this address."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        yield Visitor(client)
