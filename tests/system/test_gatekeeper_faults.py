"""Promises while datagrams are lost, and while somebody makes them up."""

import contextlib
import hashlib
import os
import re
import threading
import time

import agent_traffic
import pytest
import scenarios
from control import Gatekeeper
from daemon import eventually
from link import GUARANTEE, LINK
from noise import second_try
from scenarios import DROPPED, FLOW_S, SLACK
from stage import Stage

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


# ---- loss ----

@second_try
def test_half_of_all_datagrams_are_not_needed():
    with Stage(scenarios.FLOOD.vms, scenarios.FLOOD.promises, Gatekeeper) as stage:
        for host in stage.hosts:
            agent_traffic.lose_half(host)
        scenarios.flood(stage)
        stage.tcp("sender", "victim", FLOW_S)
        time.sleep(3)
        watch = stage.watch(4)
        lost, _ = agent_traffic.counted(stage.hosts[2], "loss")
        assert lost > 0
        assert watch.mbit("victim") >= SLACK * GUARANTEE
        assert watch.dropped < DROPPED


# ---- lies ----

CROWD_MAX = 3 * LINK // 10
LIED_TO = {**scenarios.GUARDED, "crowd": {"receive": {"max": f"{CROWD_MAX}Mbit"}}}


@contextlib.contextmanager
def limited():
    """The victim's flow beside the flood, which a maximum holds back, and the agents' datagrams from when one host had that
    maximum to itself."""
    with Stage(scenarios.FLOOD.vms, LIED_TO, Gatekeeper) as stage:
        stage.udp("other1", "crowd", FLOW_S)
        time.sleep(0.5)
        captured = agent_traffic.capture(stage.hosts[1], 0.5)
        assert captured
        for other in scenarios.OTHERS[1:]:
            stage.udp(other, "crowd", FLOW_S)
        stage.tcp("sender", "victim", FLOW_S)
        time.sleep(2)
        yield stage, captured


def limits(host):
    """What a host's VMs are held to, in Mbit/s: the ceilings of those classes of its uplink that are not a VM's own."""
    units = {"bit": 1e-6, "Kbit": 1e-3, "Mbit": 1, "Gbit": 1e3}
    classes = re.findall(r"class htb \w+:(\w+) .*ceil ([\d.]+)(\w*bit)", host.tc("class", "show", "dev", "up0"))
    return sorted(float(number) * units[unit] for minor, number, unit in classes if 0x1000 <= int(minor, 16) < 0xf000)


def held(stage):
    """Whether the flood's share of its maximum is what its hosts hold it to, and the victim's sender is free to have its
    guarantee."""
    first, *others = [limits(host) for host in stage.hosts[1:]]  # the first has the victim's sender, too
    part = 0.75 * CROWD_MAX  # a third is the share; all of it is what was said when there was one sender
    return min(first) < part and all(limit >= GUARANTEE for limit in first[1:]) and \
        all(len(limits) == 1 and limits[0] < part for limits in others)


def unaffected_by(stage, datagrams, seconds=2):
    """Sends them to the agents of the victim's and of the flood's senders, from a VM."""
    senders = [threading.Thread(target=agent_traffic.send, args=(stage.vms["other3"], host, datagrams, seconds))
               for host in stage.hosts[:3]]
    start = time.monotonic()
    for sender in senders:
        sender.start()
    eventually(lambda: held(stage), limit_s=seconds / 2)  # the lies come all the time
    watch = stage.watch(seconds / 2)
    for sender in senders:
        sender.join()
    assert stage.series.rate("victim", start, watch.end) >= SLACK * GUARANTEE
    assert stage.series.rate("crowd", start, watch.end) <= 1.05 * CROWD_MAX
    assert watch.dropped < DROPPED


def lies(stage):
    """The victim's sender is shut off, the flood let loose."""
    return agent_traffic.rates([
        (stage.vms["sender"].address, stage.vms["victim"].address, 1),
        (stage.vms["other1"].address, stage.vms["crowd"].address, agent_traffic.UNLIMITED),
        (stage.vms["other2"].address, stage.vms["crowd"].address, agent_traffic.UNLIMITED)])


@second_try
def test_what_is_not_sealed_with_the_key_is_not_believed():
    with limited() as (stage, captured):
        receiver = agent_traffic.host_id(captured[0])
        forged = [agent_traffic.seal(os.urandom(32), receiver, lies(stage), number) for number in range(1, 50)]
        noise = [os.urandom(size) for size in (0, 1, 79, 80, 1400)]
        damaged = [agent_traffic.flipped(datagram) for datagram in captured for _ in range(20)]
        unaffected_by(stage, forged + noise + damaged)


@second_try
def test_what_was_said_before_is_not_believed_again():
    with limited() as (stage, captured):
        unaffected_by(stage, captured)


@second_try
def test_a_host_is_not_believed_about_others_vms():
    with limited() as (stage, _):
        with open(stage.control.key) as file:
            key = bytes.fromhex(file.read())
        alien = int.from_bytes(hashlib.blake2b(stage.hosts[3].name.encode(), digest_size=8).digest(), "little")
        stranger = int.from_bytes(os.urandom(8), "big")
        unaffected_by(stage, [agent_traffic.seal(key, host, lies(stage), number)
                              for host in (alien, stranger) for number in range(1, 50)])


def test_who_has_the_key_is_not_believed_in_the_name_of_another_host():
    with limited() as (stage, captured):
        with open(stage.control.key) as file:
            key = bytes.fromhex(file.read())
        receiver = agent_traffic.host_id(captured[0])
        unaffected_by(stage, [agent_traffic.seal(key, receiver, lies(stage), number) for number in range(1, 50)])


@second_try
def test_who_sends_to_the_right_card_under_a_wrong_address_is_held_back_too():
    """A switch forwards by hardware addresses; what is in a packet's IP header gets nobody past a limit."""
    with Stage(scenarios.FLOOD.vms, scenarios.FLOOD.promises, Gatekeeper) as stage:
        nowhere = stage.vms["crowd"].address.rsplit(".", 1)[0] + ".250"
        for name in scenarios.OTHERS:
            stage.vms[name].ip("neigh", "replace", nowhere, "lladdr", stage.vms["crowd"].mac, "dev", "eth0", "nud", "permanent")
            stage.flood(name, nowhere, FLOW_S)
        stage.tcp("sender", "victim", FLOW_S)
        time.sleep(scenarios.SETTLE_S)
        watch = stage.watch(3)
        assert watch.mbit("victim") >= SLACK * GUARANTEE
        assert watch.dropped < DROPPED
