"""Requests that schemathesis draws from the OpenAPI description, sent over a socket to the running application."""

import asyncio
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import cycle, product
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from requests.auth import AuthBase
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import openapi_description
from tests.api.harness import sign_headers

AnyCase = Case[Any]
DOCUMENTED: Final[tuple[CheckFunction, ...]] = (
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
"""Status, media type, headers and body are as the description says."""

REJECTED: Final = ["400", "404", "413", "422"]
"""What may answer a request that doesn't match the description."""
CONFIG: Final = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REJECTED}}})


@dataclass(frozen=True)
class Known:
    """What was stored before: parts of requests that lead to something. Parts that are left out are drawn."""

    paths: Sequence[dict[str, str]] = ()
    queries: Sequence[dict[str, str]] = ()
    headers: Sequence[dict[str, str]] = ()
    bodies: Sequence[dict[str, Any]] = ()

    def fixed_parts(self) -> Iterator[dict[str, Any]]:
        """Every combination, as `as_strategy` takes it."""
        parts = {"path_parameters": self.paths, "query": self.queries, "headers": self.headers, "body": self.bodies}
        given = {name: values for name, values in parts.items() if values}
        return (dict(zip(given, chosen, strict=True)) for chosen in product(*given.values()))


class Caller(AuthBase):
    """Signs webhooks and sends one key after the other: what a key may do in a minute or an hour is limited."""

    def __init__(self, keys: Sequence[dict[str, str]]) -> None:
        self._keys = cycle(keys)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with the headers that its sender would add."""
        request.headers.update(next(self._keys))
        body = request.body or b""
        if request.path_url == "/webhooks/stripe":
            request.headers.update(sign_headers(body.encode() if isinstance(body, str) else body))
        return request


@dataclass
class Outcome:
    """What came of the cases of one operation."""

    statuses: Counter[int] = field(default_factory=Counter)
    problems: set[str] = field(default_factory=set)

    @property
    def share_of_success(self) -> float:
        """The share of answers with a 2xx."""
        return sum(count for status, count in self.statuses.items() if status < 300) / self.statuses.total()


@dataclass(frozen=True)
class SchemaCases:
    """The cases of one operation, against the service at this address."""

    address: str
    label: str
    """Method and path."""
    keys: Sequence[dict[str, str]]

    @cached_property
    def operation(self) -> schemathesis.APIOperation[Any, Any, Any, Any]:
        """The operation, without the keys that it asks for: the caller adds them."""
        method, path = self.label.split(" ")
        described = copy.deepcopy(openapi_description())
        described["components"].pop("securitySchemes", None)
        described["paths"][path][method.lower()].pop("security", None)
        return schemathesis.openapi.from_dict(described, config=CONFIG)[path][method]

    async def send(self, drawn: st.SearchStrategy[AnyCase], most: int, *checks: CheckFunction) -> Outcome:
        """Sends up to so many cases, the same ones in every run, and checks each answer."""
        return await asyncio.to_thread(self._send, drawn, most, [*DOCUMENTED, *checks])

    def _send(self, drawn: st.SearchStrategy[AnyCase], most: int, checks: list[CheckFunction]) -> Outcome:
        outcome, caller = Outcome(), Caller(self.keys)

        @settings(
            max_examples=most, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(drawn)
        def send_one(case: AnyCase) -> None:
            answer = case.call(self.address, session=session, auth=caller)
            outcome.statuses[answer.status_code] += 1
            outcome.problems |= problems_of(case, answer, checks)

        # An operation without any parameter has no invalid request.
        with requests.Session() as session, suppress(Unsatisfiable):
            send_one()
        return outcome

    def valid(self, known: Known) -> st.SearchStrategy[AnyCase]:
        """Requests that match the description and lead to something known."""
        return st.one_of([self.operation.as_strategy(**parts) for parts in known.fixed_parts()])

    def valid_beside(self, known: Known) -> st.SearchStrategy[AnyCase]:
        """Requests that match the description, with bodies, queries and at times ids that nobody knows."""
        return st.one_of(self._drawn_for_paths(known, GenerationMode.POSITIVE))

    def invalid(self, known: Known) -> st.SearchStrategy[AnyCase]:
        """Requests that don't match the description."""
        return st.one_of(self._drawn_for_paths(known, GenerationMode.NEGATIVE))

    def _drawn_for_paths(self, known: Known, mode: GenerationMode) -> list[st.SearchStrategy[AnyCase]]:
        return [self.operation.as_strategy(mode, path_parameters=path or None) for path in [*known.paths, {}]]


def problems_of(case: AnyCase, answer: Response, checks: list[CheckFunction]) -> set[str]:
    """What the checks say against the answer."""
    try:
        case.validate_response(answer, checks=checks)
    except FailureGroup as found:
        return {f"{one.title}: {one.message}\n{case.as_curl_command()[:600]}" for one in found.exceptions}
    return set()
