"""Bandwidth promises over a real network: TCP and UDP between namespaces, an agent on every host."""

import os

import agent_traffic
import pytest
import scenarios
from control import Gatekeeper, Uncontrolled
from link import CAPACITY, GUARANTEE, LINK
from noise import second_try
from scenarios import DROPPED, FLOW_S, SLACK
from stage import Stage, perform

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

CONTROL_TRAFFIC = 0.001  # of the link


@second_try
def test_one_flow_has_its_guarantee_against_ninety_nine():
    seen = perform(scenarios.NINETY_NINE, Gatekeeper)
    assert seen["victim"] >= SLACK * GUARANTEE
    assert seen["total"] >= SLACK * CAPACITY
    assert seen["dropped"] < DROPPED


@second_try
def test_without_agents_the_same_flow_starves():
    assert perform(scenarios.NINETY_NINE, Uncontrolled)["victim"] < SLACK * GUARANTEE


@second_try
def test_one_flow_has_its_guarantee_against_udp_from_three_hosts():
    seen = perform(scenarios.FLOOD, Gatekeeper)
    assert seen["victim"] >= SLACK * GUARANTEE
    assert seen["total"] - seen["victim"] >= SLACK * (CAPACITY - GUARANTEE)  # weights are equal: who floods is not starved
    assert seen["total"] >= SLACK * CAPACITY
    assert seen["dropped"] < DROPPED  # the choke is at the source


@second_try
def test_agents_take_next_to_nothing_of_the_link_to_talk():
    with Stage(scenarios.FLOOD.vms, scenarios.FLOOD.promises, Gatekeeper) as stage:
        for host in stage.hosts:
            agent_traffic.count(host)
        scenarios.flood(stage)
        stage.tcp("sender", "victim", FLOW_S)
        stage.watch(4)
        counts = [agent_traffic.counted(host, "agents") for host in stage.hosts]
    assert sum(packets for packets, _ in counts) > 0
    assert max(size for _, size in counts) * 8e-6 / 4 < CONTROL_TRAFFIC * LINK
