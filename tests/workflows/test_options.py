"""How soon the death of a worker is noticed."""

from datetime import timedelta

import pytest
from temporalio.workflow import ActivityConfig

from workflows import options

HEALTHY_WITHIN = timedelta(seconds=15)
"""The limit after any fault."""


@pytest.mark.parametrize(
    "config",
    [
        options.RELAY,
        options.HAND_OVER,
        options.POST_WEBHOOK,
        options.message_options("tell the customer"),
        options.provider_call_options("stripe", "charge"),
    ],
)
def test_work_of_a_killed_worker_begins_elsewhere_within_fifteen_seconds(config: ActivityConfig) -> None:
    silence, policy = config["heartbeat_timeout"], config["retry_policy"]
    assert silence
    assert policy
    assert silence + policy.initial_interval < HEALTHY_WITHIN
