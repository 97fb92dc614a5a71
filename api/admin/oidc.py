"""OpenID Connect: people sign in at the configured issuer, from which we take name and groups only."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.integrations.starlette_client import OAuth, OAuthError
from fastapi import Request, Response
from joserfc.errors import JoseError

from api.admin.sessions import ROOT, Role
from core.base import Value
from core.errors import InvalidInput
from settings import Settings

CALLBACK: Final = f"{ROOT}/login/callback"
DISCOVERY: Final = "/.well-known/openid-configuration"
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Accepted signature algorithms of ID tokens: asymmetric ones only, no shared keys, no unsigned tokens."""
LEEWAY_SECONDS: Final = 60
"""Accepted difference between the issuer's clock and ours."""
LONGEST_NAME: Final = 200
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")


class LoginDenied(Exception):
    """A sign-in that failed. Its text is for the person; `status` is the HTTP status, `why` a word for the audit log.

    `name` is who it was, if the issuer confirmed it.
    """

    def __init__(self, status: int, why: str, sentence: str, name: str = "") -> None:
        super().__init__(sentence)
        self.status, self.why, self.name = status, why, name


class Identity(Value):
    """The person who signed in, with the highest role of their groups."""

    name: str
    role: Role


class OpenIdClient:
    """Client of one issuer. Its discovery document is read at the first sign-in and kept.

    Raises InvalidInput for an OIDC_ROLES that can't be parsed.
    """

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.oidc_issuer
        self._name_claim, self._roles_claim = settings.oidc_name_claim, settings.oidc_roles_claim
        self._groups = parse_role_groups(settings.oidc_roles)
        self._redirect = settings.public_url.rstrip("/") + CALLBACK
        secret = settings.oidc_client_secret.get_secret_value()
        self._client = OAuth().register(
            "oidc",
            client_id=settings.oidc_client_id,
            client_secret=secret or None,
            server_metadata_url=self._issuer.rstrip("/") + DISCOVERY,
            client_kwargs={
                "scope": "openid profile",
                "code_challenge_method": "S256",
                **({} if secret else {"token_endpoint_auth_method": "none"}),
            },
        )

    async def start_login(self, request: Request) -> Response:
        """A redirect to the issuer with state, nonce and a PKCE challenge, which are kept in the session.

        Raises LoginDenied if the issuer can't be used.
        """
        try:
            await self._discover_issuer()
            answer: Response = await self._client.authorize_redirect(request, self._redirect)
        except (httpx2.HTTPError, RuntimeError, ValueError) as error:
            raise _issuer_unavailable(error) from error
        return answer

    async def finish_login(self, request: Request) -> Identity:
        """The person who came back from the issuer.

        Raises LoginDenied if the issuer refused or can't be used, its token is not valid, or the person has no role.
        """
        claims = await self._fetch_claims(request)
        name = _claimed_name(claims, self._name_claim)
        theirs = set(_text_values(_find_claim(claims, self._roles_claim)))
        roles = [role for group, role in self._groups if group in theirs]
        if not roles:
            sentence = f"You are signed in as {name}, but have no role here. Ask whoever runs this service for one."
            raise LoginDenied(403, "no_role", sentence, name)
        return Identity(name=name, role=max(roles, key=lambda role: role.rank))

    async def _fetch_claims(self, request: Request) -> Mapping[str, Any]:
        try:
            issuer = await self._discover_issuer()
            wanted = {
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": self._client.client_id},
            }
            token = await self._client.authorize_access_token(request, claims_options=wanted, leeway=LEEWAY_SECONDS)
        except OAuthError as error:
            raise _issuer_refusal(str(error.error)) from error
        except JoseError as error:
            raise _untrusted_answer(error.error) from error
        except (httpx2.HTTPError, RuntimeError) as error:
            raise _issuer_unavailable(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise _untrusted_answer(type(error).__name__) from error
        if not token.get("userinfo"):
            raise _untrusted_answer("no_id_token")
        claims: Mapping[str, Any] = token["userinfo"]
        return claims

    async def _discover_issuer(self) -> str:
        """The issuer as its discovery document spells it. Raises ValueError if that is of another issuer."""
        known = await self._client.load_server_metadata()
        issuer = str(known.get("issuer", ""))
        if issuer.rstrip("/") != self._issuer.rstrip("/"):
            raise ValueError(f"the discovery document is of another issuer: {issuer[:200]!r}")
        offered = known.get("id_token_signing_alg_values_supported") or ["RS256"]
        known["id_token_signing_alg_values_supported"] = [name for name in offered if name in ALGORITHMS] or ["RS256"]
        return issuer


def parse_role_groups(text: str) -> tuple[tuple[str, Role], ...]:
    """OIDC_ROLES as pairs of group and role; a group may hold commas. Raises InvalidInput for any other shape."""
    found = []
    for one in re.split(r",\s*(?=(?:viewer|operator|admin)\s*=)", text.strip()):
        role, _, group = one.partition("=")
        if role.strip() not in set(Role) or not group.strip():
            raise InvalidInput("OIDC_ROLES is not like admin=GROUP,operator=GROUP,viewer=GROUP.")
        found.append((group.strip(), Role(role.strip())))
    return tuple(found)


def check_base_address(name: str, text: str) -> None:
    """Raises InvalidInput, naming the setting, unless `text` is an http(s) URL without query and fragment."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise InvalidInput(f"{name} must be an address like https://name.example.com.")


def _find_claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, which may contain dots, or by a path with dots; None if there is none."""
    if path in claims:
        return claims[path]
    here: Any = claims
    for step in path.split("."):
        here = here.get(step) if isinstance(here, Mapping) else None
    return here


def _text_values(value: Any) -> list[str]:
    given = value if isinstance(value, list) else [value]
    return [one for one in given if isinstance(one, str)]


def _claimed_name(claims: Mapping[str, Any], claim: str) -> str:
    """The text of the claim, or of `sub`, which every ID token has. Raises LoginDenied if neither can be used."""
    for given in (_find_claim(claims, claim), claims.get("sub")):
        if isinstance(given, str) and given.strip() and given.isprintable() and len(given) <= LONGEST_NAME:
            return given.strip()
    raise _untrusted_answer("no_name")


def _issuer_refusal(code: str) -> LoginDenied:
    """The error for a refusal by the issuer, or for an answer to a sign-in of another browser."""
    if code == "mismatching_state":
        return LoginDenied(400, code, "This sign-in was not begun in this browser, or took too long. Please try again.")
    word = code if _ERROR_CODE.fullmatch(code) else "an error"
    return LoginDenied(403, word, f"The sign-in service refused: {word}. Please try again.")


def _untrusted_answer(why: str) -> LoginDenied:
    structlog.get_logger("api.admin").warning("an ID token was refused", why=why)
    return LoginDenied(401, why, "What the sign-in service answered can't be trusted. Please try again.")


def _issuer_unavailable(error: Exception) -> LoginDenied:
    structlog.get_logger("api.admin").warning(
        "the OpenID provider can't be used", why=f"{type(error).__name__}: {error}"
    )
    return LoginDenied(503, "unavailable", "The sign-in service does not answer as it should. Please try again later.")
