"""What a guaranteed VM leaves is not wasted, and it is not missed for long when the VM wants it back."""

import os

import pytest
import scenarios
from control import Gatekeeper
from link import CAPACITY, GUARANTEE
from noise import second_try
from scenarios import SLACK
from stage import perform

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.mark.parametrize("scenario", [scenarios.RETURN_TO_TCP, scenarios.RETURN_TO_UDP], ids=["tcp", "udp"])
@second_try
def test_what_is_idle_goes_to_the_others_and_comes_back_at_once(scenario):
    seen = perform(scenario, Gatekeeper)
    assert seen["others"] >= SLACK * CAPACITY
    assert seen["victim"] >= SLACK * GUARANTEE
    assert seen["recovery_ms"] is not None  # docs/benchmarks.md says how soon
