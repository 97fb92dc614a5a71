"""Has Temporal's SDK download one of its servers: `python -m devstack.sdk_download dev|test FOLDER`.

A process of its own, since a download that hangs can only be ended from outside. The server is left in FOLDER under
the SDK's name for it.
"""

import asyncio
import os
import sys

from temporalio.testing import WorkflowEnvironment


async def download_server(kind: str, folder: str) -> None:
    """Starts the server, for which the SDK downloads it into `folder`, and stops it at once."""
    if kind == "dev":
        env = await WorkflowEnvironment.start_local(download_dest_dir=folder)
    else:
        env = await WorkflowEnvironment.start_time_skipping(download_dest_dir=folder)
    await env.shutdown()


if __name__ == "__main__":
    asyncio.run(download_server(sys.argv[1], sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # the SDK may crash during interpreter shutdown, which would hide the success
