"""Error reports to Sentry, when a DSN is set: stack traces and ids, never inputs, bodies or personal data."""

from typing import Any, Final

import sentry_sdk
from pydantic import SecretStr

from observability.scrubbing import scrub_value

_DROPPED: Final = ("data", "cookies", "env", "headers", "query_string")


def init_error_reports(dsn: SecretStr, component: str, **options: Any) -> bool:
    """Starts sending unexpected errors of this process to Sentry; False, without effect, if there is no DSN."""
    if not dsn.get_secret_value():
        return False
    sentry_sdk.init(
        dsn=dsn.get_secret_value(),
        # No `send_default_pii=False`: that is the default, and the option is deprecated.
        include_local_variables=False,
        max_request_body_size="never",
        before_send=before_send,
        before_breadcrumb=before_breadcrumb,
        **options,
    )
    sentry_sdk.set_tag("component", component)
    return True


def before_send(event: Any, hint: dict[str, Any]) -> Any:  # noqa: ARG001 (Sentry's signature)
    """The report without user, request contents, local variables and activity inputs; the rest is scrubbed."""
    kept = {key: value for key, value in event.items() if key != "user"}
    kept["request"] = {key: value for key, value in event.get("request", {}).items() if key not in _DROPPED}
    kept["contexts"] = {key: _drop_inputs(value) for key, value in event.get("contexts", {}).items()}
    _drop_locals(kept)
    return scrub_value(kept)


def before_breadcrumb(crumb: Any, hint: dict[str, Any]) -> Any:  # noqa: ARG001 (Sentry's signature)
    """A breadcrumb, scrubbed."""
    return scrub_value(crumb)


def _drop_inputs(context: Any) -> Any:
    if not isinstance(context, dict):
        return context
    return {key: value for key, value in context.items() if key not in {"input", "inputs", "args", "arguments"}}


def _drop_locals(event: dict[str, Any]) -> None:
    for error in event.get("exception", {}).get("values", ()):
        for frame in (error.get("stacktrace") or {}).get("frames", ()):
            frame.pop("vars", None)
