"""`pri dev` ends or is killed with its whole tree: started again on the same data, recoveries continue.

The provider runs elsewhere, as a real one would.
"""

from collections.abc import Iterator

import pytest

from devstack.ports import free_port
from tests.support import laws, stacks
from tests.support.dev_process import DevProcess, run_provider
from tests.support.service import OPENING_EVENTS, RunningService, open_service


@pytest.fixture
def dev() -> Iterator[DevProcess]:
    """`pri dev --no-sandbox` with a provider elsewhere, not started yet."""
    with stacks.short_folder() as folder, run_provider(free_port()) as provider_address:
        account = {"STRIPE_API_KEY": "sk_test_elsewhere", "STRIPE_WEBHOOK_SECRETS": "whsec_newer,whsec_older"}
        dev_process = DevProcess(folder, "--no-sandbox", STRIPE_API_BASE=provider_address, **account)
        try:
            yield dev_process
        finally:
            dev_process.close()


async def test_recoveries_survive_every_stop_of_pri_dev(dev: DevProcess) -> None:
    sleeping, ended = await prepare_invoices(dev)
    assert dev.terminate() == 0
    killed = await check_goes_on(dev, ended)
    dev.kill_tree()
    await check_goes_on(dev, killed)
    async with open_service(dev.endpoints) as service:
        asleep = service.recovery_of(sleeping)
        if (await asleep.fetch_view())["state"] == "waiting":
            await asleep.submit_command("retry")
        await asleep.wait_for_one_payment(timeout_seconds=60)
        assert (await asleep.fetch_event_types())[:5] == OPENING_EVENTS
        await laws.check_all_recoveries(service)
    assert dev.terminate() == 0


async def prepare_invoices(dev: DevProcess) -> tuple[str, str]:
    """An invoice that sleeps for long, and one that is due while the stack is down."""
    stack = dev.start_stack()
    assert "sandbox" not in dev.child_pids()
    async with open_service(stack) as service:
        await service.sandbox.set_webhook_endpoint(f"{stack.api}/webhooks/stripe", "whsec_older")
        sleeping = await service.create_failure("card_velocity_exceeded")
        await sleeping.wait_for_event("retry.planned")
        return sleeping.invoice, await create_due_invoice(service)


async def check_goes_on(dev: DevProcess, invoice: str) -> str:
    """Asserts that the restarted stack charges what was due. Returns the next invoice to be due."""
    async with open_service(dev.start_stack()) as service:
        recovery = service.recovery_of(invoice)
        await recovery.wait_for_one_payment(timeout_seconds=60)
        (call,) = await recovery.fetch_pay_calls()
        assert call.path == f"/v1/invoices/{invoice}/pay"
        return await create_due_invoice(service)


async def create_due_invoice(service: RunningService) -> str:
    """An invoice whose recovery sleeps for three more seconds."""
    recovery = await service.create_failure("insufficient_funds")
    await recovery.wait_for_event("retry.planned")
    return recovery.invoice
