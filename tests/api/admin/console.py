"""The admin console over a real PostgreSQL, used as a browser uses it: cookies, forms with their tokens, redirects."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from itsdangerous import TimestampSigner
from starlette.routing import Mount

from api.admin.sessions import ROOT, Role
from api.admin.stored_sessions import OPENID, SECRET_KEY
from db.repositories import admin_sessions
from tests.api.admin.page_reader import Page
from tests.api.harness import ApiHarness, app_now
from tests.intake.fakes import FakeRecoveries

TOKEN = "token-of-these-tests"
SESSION_LENGTH = timedelta(hours=1)


@dataclass
class AdminBrowser:
    """One browser. Call `sign_in_as(role)` first; pages and forms are addressed below /admin."""

    harness: ApiHarness
    cookies: dict[str, str] = field(default_factory=dict)
    person: tuple[str, Role, timedelta] | None = None
    """Who signs in with the first request, and for how long."""

    @property
    def recoveries(self) -> FakeRecoveries:
        """The running recoveries, in memory."""
        return self.harness.recoveries

    def sign_in_as(
        self, role: Role = Role.ADMIN, name: str = "ann", session_length: timedelta = SESSION_LENGTH
    ) -> "AdminBrowser":
        """A browser in which this person has signed in; a negative `session_length` has expired."""
        return AdminBrowser(self.harness, person=(name, role, session_length))

    async def cookie_header(self) -> dict[str, str]:
        """The browser's cookies as a header, once its person has signed in."""
        if self.person:
            (name, role, length), self.person, now = self.person, None, app_now()
            async with self.harness.db.begin() as session:
                secret = await admin_sessions.insert_session(
                    session, name=name, role=role.value, how=OPENID, now=now, expires_at=now + length
                )
            self.cookies |= self._session_cookie({SECRET_KEY: secret, "token": TOKEN})
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def _session_cookie(self, session: Mapping[str, Any]) -> dict[str, str]:
        options = self._session_settings()
        signer = TimestampSigner(str(options["secret_key"]))
        return {options["session_cookie"]: signer.sign(encode_session(session)).decode()}

    def _session_settings(self) -> dict[str, Any]:
        """The settings of the session middleware: a cookie signed with its secret is genuine."""
        mount = next(route for route in self.harness.app.routes if isinstance(route, Mount) and route.path == ROOT)
        middlewares = [dict(middleware.kwargs) for middleware in mount.app.user_middleware]  # type: ignore[attr-defined]
        return next(middleware for middleware in middlewares if "secret_key" in middleware)

    async def get_page(self, path: str, **query: Any) -> Page:
        """The page at this address, or the redirect that answers it."""
        return await self._request_page("GET", path, params=query)

    async def submit_form(self, path: str, token: str | None = TOKEN, **fields: Any) -> Page:
        """The response to a form. `token=None` sends one that no page of this session holds."""
        form = fields | ({"token": token} if token is not None else {})
        return await self._request_page("POST", path, data=form)

    async def submit_and_follow(self, path: str, **fields: Any) -> Page:
        """The page that a submitted form redirects to."""
        answer = await self.submit_form(path, **fields)
        assert answer.status == 303, (answer.status, answer.text)
        return await self.get_page(answer.response.headers["location"])

    async def _request_page(self, method: str, path: str, **form: Any) -> Page:
        if path.startswith(ROOT + "/") or path == ROOT:
            path = path.removeprefix(ROOT)
        headers = await self.cookie_header()
        options = {name: value for name, value in form.items() if value}
        response = await self.harness.client.request(method, f"{ROOT}{path}", headers=headers, **options)
        self.harness.client.cookies.clear()
        self.cookies |= {name: value for name, value in response.cookies.items() if value not in {"", "null"}}
        return Page(response)


def encode_session(session: Mapping[str, Any]) -> bytes:
    """A session as the session middleware encodes it."""
    return base64.b64encode(json.dumps(session).encode())
