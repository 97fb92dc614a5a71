"""The connection to Temporal, as `TEMPORAL_*` describes it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.envconfig import ClientConfig
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxRestrictions

from core.errors import EngineUnavailable, RecoveryError
from workflows.failures import EncodedFailureConverter, RedactingFailureConverter
from workflows.maintenance import HandOverNotices, PostWebhook, Relay, Retention
from workflows.recovery import PaymentRecovery
from workflows.sandbox import ContextFreeSandbox
from workflows.simulation import Simulation

WORKFLOWS: Final = (PaymentRecovery, Relay, HandOverNotices, PostWebhook, Retention, Simulation)
PASSTHROUGH_MODULES: Final = (
    "activities",
    "core",
    "db",
    "intake",
    "notifications",
    "providers",
    "pydantic",
    "sqlalchemy",
    "workflows",
)
"""Modules that workflows share with the process instead of importing them anew for each run.

They hold no state and, as tests/architecture/test_purity.py checks, neither clock nor randomness nor I/O.
"""


def temporal_plugin(codec: PayloadCodec | None = None) -> SimplePlugin:
    """Converter, sandbox and failure types. Give it to the client only: its workers and replayers inherit it."""
    return SimplePlugin(
        "payments-risk-intelligence",
        data_converter=build_data_converter(codec),
        workflow_runner=_sandbox_runner,
        workflow_failure_exception_types=[RecoveryError],
    )


def build_data_converter(codec: PayloadCodec | None) -> DataConverter:
    """Pydantic payloads and redacted failures; with a codec, encrypted, messages and stack traces included."""
    failures = RedactingFailureConverter if codec is None else EncodedFailureConverter
    return dataclasses.replace(pydantic_data_converter, payload_codec=codec, failure_converter_class=failures)


def _sandbox_runner(_: WorkflowRunner | None) -> WorkflowRunner:
    """The sandbox, with everything passed through that workflow files import: it is pure or only referred to."""
    return ContextFreeSandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSTHROUGH_MODULES))


async def connect_temporal(
    environment: Mapping[str, str],
    *,
    codec: PayloadCodec | None = None,
    interceptors: Sequence[Interceptor] = (),
    lazy: bool = False,
    runtime: Runtime | None = None,
) -> Client:
    """A client with our plugin. With `lazy` it connects at its first call, so that Temporal may be away now.

    Reads TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS*, TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE.
    Raises EngineUnavailable where nobody answers.
    """
    # An empty variable counts as unset here too; envconfig would turn TLS on for an empty API key.
    given = {name: text for name, text in environment.items() if text}
    config = ClientConfig.load_client_connect_config(override_env_vars=given)
    config.setdefault("target_host", "127.0.0.1:7233")
    try:
        return await Client.connect(
            **config,
            plugins=[temporal_plugin(codec)],
            interceptors=list(interceptors),
            lazy=lazy,
            runtime=runtime,
        )
    except RuntimeError as away:
        raise EngineUnavailable(f"Temporal cannot be reached at {config['target_host']}: {away}") from away
