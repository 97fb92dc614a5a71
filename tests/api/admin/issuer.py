"""A small OpenID provider: discovery, keys, an authorize page that redirects at once, and RS256 tokens."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from tests.api.harness import run_server

CLIENT, SECRET = "console", "the-console's-secret"


@cache
def default_key() -> RSAKey:
    """An RSA key, made once since that is slow."""
    return RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class Issuer:
    """An OpenID provider. `claims` overrides the claims of its next tokens; None leaves a claim out."""

    address: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    """What the authorize page answers instead of a code."""
    signing_key: RSAKey | None = None
    """A key of somebody else, under our key's name."""
    algorithm: str = "RS256"
    """HS256 signs with the client's secret, none not at all."""
    with_token: bool = True
    authorize_query: dict[str, str] = field(default_factory=dict)
    """The query of the last visit to the authorize page."""
    metadata: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=default_key)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def build_app(self) -> FastAPI:
        """An application with the provider's four routes."""
        app = FastAPI()
        app.add_api_route("/.well-known/openid-configuration", self.get_discovery)
        app.add_api_route("/jwks", self.get_jwks)
        app.add_api_route("/authorize", self.authorize_user, response_model=None)
        app.add_api_route("/token", self.issue_token, methods=["POST"], response_model=None)
        return app

    def get_discovery(self) -> dict[str, Any]:
        """The discovery document."""
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        return {
            "issuer": self.address,
            "id_token_signing_alg_values_supported": ["RS256"],
            **{name: f"{self.address}/{path}" for name, path in ends.items()},
            **self.metadata,
        }

    def get_jwks(self) -> dict[str, Any]:
        """The public keys."""
        return dict(KeySet([self.key]).as_dict(private=False))

    def authorize_user(self, request: Request) -> Response:
        """A redirect back with a code for the user of `claims`."""
        query = dict(request.query_params)
        self.authorize_query = query
        if self.error:
            return RedirectResponse(
                f"{query['redirect_uri']}?{urlencode({'error': self.error, 'state': query['state']})}"
            )
        code = secrets.token_hex(8)
        self._codes[code] = query
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}")

    async def issue_token(self, request: Request) -> Response:
        """The tokens for a code, once, for the client secret and the PKCE verifier."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        query = self._codes.pop(form.get("code", ""), None)
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"error": "invalid_client"}, 401)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if (
            query is None
            or query.get("code_challenge") != proof.decode()
            or query["redirect_uri"] != form["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        answer = {"access_token": secrets.token_hex(8), "token_type": "Bearer", "expires_in": 60}
        return JSONResponse(answer | ({"id_token": self._id_token(query["nonce"])} if self.with_token else {}))

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        usual = {
            "iss": self.address, "aud": CLIENT, "sub": "248289761001", "iat": now, "exp": now + 300, "nonce": nonce,
            "preferred_username": "ann", "roles": ["payments"],
        }  # fmt: skip
        claims = {name: value for name, value in (usual | self.claims).items() if value is not None}
        key: RSAKey | OctKey = OctKey.import_key(SECRET) if self.algorithm == "HS256" else self.signing_key or self.key
        if self.algorithm == "none":
            parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
            return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])
        return jwt.encode({"alg": self.algorithm, "kid": self.key.kid}, claims, key, algorithms=[self.algorithm])


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """An OpenID provider on a free port of this machine."""
    issuer = Issuer()
    async with run_server(issuer.build_app()) as address:
        issuer.address = address
        yield issuer
