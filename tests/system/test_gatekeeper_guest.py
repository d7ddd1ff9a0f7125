"""A guest in QEMU behind a tap is a vNIC like any other."""

import contextlib
import json
import os

import pytest
from agents import Agents
from fabric import Fabric
from guest import Guest, Nic
from noise import second_try

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

MAX = 20  # Mbit/s: an emulated guest must be able to receive much more
TCP_PAYLOAD = 1448 / 1514  # of a frame


@contextlib.contextmanager
def guest_and_sender(directory):
    with Fabric(hosts=2) as fabric:
        vm, sender = fabric.hosts[0].add_guest("guest"), fabric.hosts[1].add_vm("sender")
        with Guest([], str(directory), vm.label, nics=[Nic(**vm.nic)], namespace=vm.host.name) as guest:
            guest.run("iperf3 -s -D")
            yield fabric, vm, sender


def received_mbit(sender, vm, seconds, *options):
    report = json.loads(sender.run("iperf3", "-c", vm.address, "-t", seconds, "-J", *options))
    received = report["end"].get("sum_received")
    assert received, report
    return received["bits_per_second"] / 1e6


@second_try
def test_a_guests_maximum_is_respected_and_used(tmp_path):
    with guest_and_sender(tmp_path) as (fabric, vm, sender):
        assert received_mbit(sender, vm, 2) > 2 * MAX
        with Agents(fabric, tmp_path, {"guest": {"receive": {"max": f"{MAX}Mbit"}}}):
            received_mbit(sender, vm, 1)  # converges
            rate = received_mbit(sender, vm, 5)
    assert 0.85 * MAX * TCP_PAYLOAD <= rate <= 1.02 * MAX * TCP_PAYLOAD
