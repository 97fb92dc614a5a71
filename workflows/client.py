"""The connection to Temporal, as `TEMPORAL_*` describes it."""

from collections.abc import Mapping, Sequence

from temporalio.client import Client, Interceptor
from temporalio.converter import PayloadCodec
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime

from core.errors import EngineUnavailable
from workflows.registry import temporal_plugin


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
    # An empty variable is an unset one here too; envconfig would take an empty API key as a wish for TLS.
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
