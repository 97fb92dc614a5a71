"""The one plugin that client, worker and replayer share, so that they can't drift apart."""

import dataclasses
from typing import Final

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from core.errors import RecoveryError
from workflows.maintenance import Relay
from workflows.recovery import PaymentRecovery
from workflows.simulation import Simulation
from workflows.telling import HandOverNotices, PostWebhook

WORKFLOWS: Final = (PaymentRecovery, Relay, HandOverNotices, PostWebhook, Simulation)
PASSTHROUGH_MODULES: Final = (
    "activities",
    "core",
    "db",
    "intake",
    "notifications",
    "providers",
    "pydantic",
    "sqlalchemy",
    "workflows.messages",
    "workflows.names",
    "workflows.options",
    "workflows.presence",
    "workflows.steps",
    "workflows.wish",
)


def temporal_plugin(codec: PayloadCodec | None = None) -> SimplePlugin:
    """Converter, sandbox and failure types. Give it to the client only: its workers and replayers inherit it."""
    return SimplePlugin(
        "payments-risk-intelligence",
        data_converter=build_data_converter(codec),
        workflow_runner=_sandbox_runner,
        workflow_failure_exception_types=[RecoveryError],
    )


def build_data_converter(codec: PayloadCodec | None) -> DataConverter:
    """Pydantic payloads; with a codec, encrypted, failure messages and stack traces included."""
    if codec is None:
        return pydantic_data_converter
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def _sandbox_runner(_: WorkflowRunner | None) -> WorkflowRunner:
    """The sandbox, with everything passed through that workflow files import: it is pure or only referred to."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSTHROUGH_MODULES)
    )
