"""The sandbox answers questions for a serialization context with none: right as long as nobody of ours takes one."""

import base64

import pytest
from pydantic import SecretStr
from temporalio.converter import WithSerializationContext, WorkflowSerializationContext
from temporalio.worker import WorkflowRunner

from observability.encryption import encryption_codec
from workflows.client import build_data_converter, temporal_plugin
from workflows.sandbox import ContextFreeSandbox

KEY = SecretStr("one:" + base64.b64encode(bytes(32)).decode())
CONTEXT = WorkflowSerializationContext(namespace="default", workflow_id="recovery-stripe-in_1")


@pytest.mark.parametrize("keys", [(), (KEY,)], ids=["plain", "encrypted"])
def test_neither_converters_nor_codec_take_a_context(keys: tuple[SecretStr, ...]) -> None:
    converter = build_data_converter(encryption_codec(keys))
    assert (converter.payload_codec is not None) == bool(keys)
    parts: list[object] = [converter.payload_converter, converter.failure_converter, converter.payload_codec]
    for part in parts:
        # A part that takes none gives itself.
        assert not isinstance(part, WithSerializationContext) or part.with_context(CONTEXT) is part
    assert converter.external_storage is None


def test_workflows_run_in_it() -> None:
    runner = temporal_plugin().workflow_runner
    assert callable(runner)
    found = runner(None)
    assert isinstance(found, WorkflowRunner)
    assert isinstance(found, ContextFreeSandbox)
