"""Promises while an agent is dead, and after its return."""

import contextlib
import os
import time

import pytest
import scenarios
from control import Gatekeeper
from link import LINK
from noise import second_try
from scenarios import FLOW_S, SLACK
from stage import Stage

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

WINDOW_S = 0.2  # guarantees are looked at in every interval of this width

DYING = {"victim": 0, "crowd": 0, "sender": 1, "near": 1, "other1": 1, "other2": 2, "other3": 3, "far": 2}
SENDS = 2 * LINK // 5


@contextlib.contextmanager
def busy():
    """The flood, and beside it a VM on the flood's host that is promised to send."""
    promises = {"victim": {"receive": {"min": f"{SENDS}Mbit"}}, "sender": {"send": {"min": f"{SENDS}Mbit"}},
                "near": {"send": {"min": f"{SENDS}Mbit"}}}
    with Stage(DYING, promises, Gatekeeper) as stage:
        scenarios.flood(stage)
        stage.tcp_all([("sender", "victim", 1), ("near", "far", 1)], FLOW_S)
        time.sleep(2)
        yield stage


def kill_for_a_second(stage, number):
    """Returns when the agent was killed, and when it was back."""
    killed = time.monotonic()
    stage.control.kill(stage.hosts[number])
    time.sleep(1)
    stage.control.start(stage.hosts[number])
    return killed, time.monotonic()


@second_try
def test_sending_guarantees_outlive_the_senders_agent():
    with busy() as stage:
        killed, back = kill_for_a_second(stage, 1)
        time.sleep(2)
        assert stage.series.lowest("far", killed, back + 1.5, WINDOW_S) >= SLACK * SENDS
        assert stage.series.rate("victim", back + 1, back + 2) >= SLACK * SENDS


@second_try
def test_receiving_guarantees_return_within_a_second_of_the_receivers_agent():
    with busy() as stage:
        killed, back = kill_for_a_second(stage, 0)
        time.sleep(2)
        assert stage.series.lowest("far", killed, back + 1.5, WINDOW_S) >= SLACK * SENDS
        assert stage.series.rate("victim", back + 1, back + 2) >= SLACK * SENDS
