"""The network that the others are tested on is what it says it is."""

import json
import os
import subprocess
import threading
import time

import pytest
from fabric import Fabric, FabricError, run
from series import Series

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


PAYLOAD_BYTES = 20 << 20


def namespaces():
    """Of this process's fabrics."""
    names = (line.split()[0] for line in run("ip", "netns", "list").splitlines() if line)
    return {name for name in names if name.startswith(f"slf{os.getpid()}-")}


def received_mbit(sender, receiver, *options, seconds=2):
    report = json.loads(sender.run("iperf3", "-c", receiver.address, "-t", seconds, "-J", *options))
    return report["end"]["sum_received"]["bits_per_second"] / 1e6


@pytest.fixture
def fabric():
    with Fabric(hosts=3, link_mbit=100) as built:
        yield built


def test_vms_reach_each_other_across_hosts_and_within(fabric):
    one, two = fabric.hosts[0].add_vm("one"), fabric.hosts[0].add_vm("two")
    far = fabric.hosts[1].add_vm("far")
    for peer in (two, far):
        one.run("ping", "-c", 1, "-W", 5, peer.address)
    one.run("ping", "-c", 1, "-W", 5, fabric.hosts[2].address)


def test_a_link_has_its_speed_in_both_directions(fabric):
    near, far = fabric.hosts[0].add_vm("near"), fabric.hosts[1].add_vm("far")
    far.listen(5201)
    for direction in ((), ("-R",)):
        assert 80 < received_mbit(near, far, *direction) <= 101


def transfer(sender, receiver):
    """Sends PAYLOAD_BYTES and waits until all have come."""
    with receiver.socket() as listener, sender.socket() as stream:
        listener.bind((receiver.address, 5000))
        listener.listen()
        stream.connect((receiver.address, 5000))
        with listener.accept()[0] as end:
            feeder = threading.Thread(target=stream.sendall, args=(bytes(PAYLOAD_BYTES),))
            feeder.start()
            left = PAYLOAD_BYTES
            while left:
                left -= len(end.recv(1 << 20))
            feeder.join()


@pytest.mark.parametrize("host", [0, 1], ids=["same host", "other host"])
def test_what_a_vm_receives_is_counted_as_on_a_wire(fabric, host):
    receiver, sender = fabric.hosts[0].add_vm("receiver"), fabric.hosts[host].add_vm("sender")
    with Series([receiver]) as series:
        transfer(sender, receiver)
        time.sleep(0.1)
    received = series.bytes["receiver"][-1] - series.bytes["receiver"][0]
    assert received == pytest.approx(PAYLOAD_BYTES / 1448 * 1514, rel=0.01)


def test_two_senders_overflow_the_ports_queue_and_the_port_counts_it(fabric):
    receiver, senders = fabric.hosts[0].add_vm("receiver"), [host.add_vm("sender") for host in fabric.hosts[1:]]
    before = fabric.hosts[0].towards()
    for port, sender in enumerate(senders, 6000):
        receiver.listen(port)
        sender.popen(["iperf3", "-u", "-b", "90M", "-c", receiver.address, "-t", 2, "-p", port], stdout=subprocess.DEVNULL)
    for sender in senders:
        sender.processes[-1].wait()
    assert fabric.hosts[0].towards()["drops"] > before["drops"]


def test_nothing_is_left_whatever_fails():
    before = namespaces()
    with pytest.raises(FabricError):
        with Fabric(hosts=2) as fabric:
            fabric.hosts[0].add_vm("vm").popen(["sleep", "1000"])
            fabric.hosts[0].ip("link", "add", "nonsense", "type", "nonsense")
    assert namespaces() == before


def test_nothing_is_left_of_a_fabric_that_cannot_be_built():
    before = namespaces()
    with pytest.raises(FabricError):
        Fabric(hosts=2, queue_bytes="nonsense")
    assert namespaces() == before
