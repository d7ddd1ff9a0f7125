"""NICs that sluiced serves, in guests in QEMU: what goes through them, what is promised to them, what they cost others."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time

import pytest
from agents import Agents
from daemon import SLUICE, SLUICED, eventually, sidecore_cpu
from fabric import Fabric
from guest import Guest, ServedNic
from noise import second_try

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

HERE = os.path.dirname(os.path.abspath(__file__))
FLOOD = os.path.join(os.path.dirname(HERE), "fabric", "flood.py")
HOST, GUEST, MAC = "10.7.0.1", "10.7.0.2", "52:54:00:00:00:07"
PORT = 4000
FILE_MB = 8
serial = itertools.count(1)

SERVE = """
import socket, sys
listener = socket.create_server(("", int(sys.argv[1])))
print("listens", flush=True)
stream, _ = listener.accept()
if sys.argv[2] == "send":
    stream.sendall(open(sys.argv[3], "rb").read())
else:
    with open(sys.argv[3], "wb") as file:
        while part := stream.recv(1 << 16):
            file.write(part)
stream.close()
"""


class Host:
    """A network namespace with a daemon that serves one NIC, on tap0, and the disks given (name -> settings in YAML)."""

    def __init__(self, directory, pairs=1, disks=None, pool=""):
        self.directory, self.name = str(directory), f"slnic{os.getpid()}-{next(serial)}"
        lines = ["sidecores:", f"  - {{name: io0, cpu: {sidecore_cpu()}}}", "pools:",
                 f"  - {{name: pool, backend: ram, {pool}}}",
                 "nics:", f"  - {{name: nic, netdev: tap0, device: {{queues: {pairs}, socket: {self.path('nic.sock')}}}}}"]
        if disks:
            lines += ["disks:"] + [f"  - {{name: {name}, socket: {self.path(name)}, {settings}}}" for name, settings in
                                   disks.items()]
        with open(self.path("sluice.yaml"), "w") as file:
            file.write("\n".join(lines) + "\n")

    def path(self, name):
        return os.path.join(self.directory, name)

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            self.start()
            subprocess.run(["ip", "-n", self.name, "addr", "add", f"{HOST}/24", "dev", "tap0"], check=True)
        except BaseException:
            subprocess.run(["ip", "netns", "del", self.name], check=True)
            raise
        return self

    def __exit__(self, *unused):
        self.kill()
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def popen(self, *command, **settings):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], **settings)

    def start(self):
        environment = {**os.environ, "XDG_RUNTIME_DIR": self.directory}
        with open(self.path("sluiced.log"), "ab") as log:
            self.daemon = self.popen(SLUICED, "--config", self.path("sluice.yaml"), "--control", self.path("control"),
                                     stdout=log, stderr=log, env=environment)
        eventually(lambda: subprocess.run([SLUICE, "--control", self.path("control"), "nic", "list"],
                                          capture_output=True, check=False).returncode == 0)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def show(self, kind, name):
        return json.loads(subprocess.run([SLUICE, "--json", "--control", self.path("control"), kind, "show", name],
                                         check=True, capture_output=True, text=True).stdout)

    def device(self):
        shown = self.show("nic", "nic")["device"]
        return {**shown, **shown["statistics"]}

    def serve(self, direction, file):
        """One connection at PORT: sends the file, or receives it. Returns the process."""
        server = self.popen(sys.executable, "-c", SERVE, PORT, direction, file, stdout=subprocess.PIPE)
        server.stdout.readline()
        return server


def digest(path):
    with open(path, "rb") as file:
        return hashlib.md5(file.read()).hexdigest()


def from_guest(host, guest, meanwhile=lambda: None):
    """A file goes from the guest to the host; are they the same?"""
    server = host.serve("receive", host.path("received"))
    sending = guest.begin(f"nc {HOST} {PORT} < /tmp/file")
    meanwhile()
    guest.finish(sending)
    assert server.wait(timeout=60) == 0
    assert digest(host.path("received")) == guest.run("md5sum /tmp/file").split()[0]


def to_guest(host, guest):
    with open(host.path("file"), "wb") as file:
        file.write(os.urandom(FILE_MB << 20))
    server = host.serve("send", host.path("file"))
    guest.run(f"nc {HOST} {PORT} > /tmp/received < /dev/null")
    assert server.wait(timeout=60) == 0
    assert digest(host.path("file")) == guest.run("md5sum /tmp/received").split()[0]


def kill_and_restart(host):
    before = host.device()["transmit_packets"]
    eventually(lambda: host.device()["transmit_packets"] > before + 100)
    host.kill()
    time.sleep(0.3)
    host.start()


SHAPES = [(False, 1, True), (False, 2, False), (True, 1, False), (True, 2, True)]


@pytest.mark.parametrize("packed,pairs,mergeable", SHAPES,
                         ids=[f"{'packed' if k else 'split'}{n}{'-mergeable' if m else ''}" for k, n, m in SHAPES])
def test_what_goes_through_arrives_whole_and_a_killed_daemon_costs_packets_only(tmp_path, packed, pairs, mergeable):
    nic = ServedNic(str(tmp_path / "nic.sock"), f"{GUEST}/24", MAC, pairs, packed, mergeable)
    with Host(tmp_path, pairs) as host, Guest([], str(tmp_path), nics=[nic], cpus=pairs) as guest:
        assert " 0% packet loss" in guest.run(f"ping -c 3 {HOST}")
        guest.run(f"head -c {FILE_MB << 20} /dev/urandom > /tmp/file")
        from_guest(host, guest)
        to_guest(host, guest)
        iperf3 = host.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        report = json.loads(guest.run(f"iperf3 -c {HOST} -t 1 -J"))
        assert report["end"]["sum_received"]["bytes"] > 0
        assert iperf3.wait(timeout=30) == 0
        assert not any(value for key, value in host.device().items() if "drops" in key)
        guest.run("cat /tmp/file /tmp/file /tmp/file /tmp/file > /tmp/more && mv /tmp/more /tmp/file")
        from_guest(host, guest, lambda: kill_and_restart(host))
        eventually(lambda: host.device()["is_connected"])
        to_guest(host, guest)
        assert not host.device()["is_broken"]


MAX = 20  # Mbit/s: an emulated guest must be able to receive much more


def received_bytes(vm):
    """What the tap has passed on to whoever reads it."""
    return json.loads(vm.host.ip("-s", "-j", "link", "show", vm.netdev))[0]["stats64"]["tx"]["bytes"]


def test_a_served_guests_maximum_is_respected_and_used(tmp_path):
    with Fabric(hosts=2) as fabric:
        vm, sender = fabric.hosts[0].add_guest("guest"), fabric.hosts[1].add_vm("sender")
        served = str(tmp_path / "nic.sock")
        promises = {"guest": {"receive": {"max": f"{MAX}Mbit"}, "device": {"socket": served}}}
        nic = ServedNic(served, vm.nic["address"], vm.nic["mac"])
        with Agents(fabric, tmp_path, promises), Guest([], str(tmp_path), nics=[nic]) as guest:
            guest.run("iperf3 -s -D")
            client = sender.popen(["iperf3", "-c", vm.address, "-t", "9"], stdout=subprocess.DEVNULL)
            time.sleep(3)  # converges
            before, started = received_bytes(vm), time.monotonic()
            time.sleep(4)
            rate = (received_bytes(vm) - before) * 8e-6 / (time.monotonic() - started)
            client.wait(timeout=30)
    assert 0.85 * MAX <= rate <= 1.02 * MAX


def moved(host, count, begin, end):
    """Drives the disk while a flood is under way; returns how many packets that moved."""
    flood = begin()
    before = host.device()[count]
    eventually(lambda: host.device()[count] > before + 100)
    before = host.device()[count]
    subprocess.run([SLUICE, "bench", "disk", host.path("gold"), "--rate=500", "--duration=3s"], check=True,
                   stdout=subprocess.DEVNULL)
    packets = host.device()[count] - before
    end(flood)
    return packets


@second_try
def test_a_flood_costs_a_neighbours_disk_no_deadlines(tmp_path):
    """As fast as they can, first out of the guest, then into it, on the sidecore that serves the disk."""
    slo = "slo: {tiers: [{burst: 8, rate: 1000, within: 20ms}]}"
    nic = ServedNic(str(tmp_path / "nic.sock"), f"{GUEST}/24", MAC)
    with Host(tmp_path, 1, {"gold": f"size: 64MiB, {slo}"}, "capacity: 100k") as host, \
            Guest([], str(tmp_path), nics=[nic]) as guest:
        server = host.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        out = moved(host, "transmit_packets",
                    lambda: guest.begin(f"iperf3 -c {HOST} -u -b 0 -l 1400 -t 5 > /dev/null 2>&1; true"), guest.finish)
        server.kill()
        server.wait()
        into = moved(host, "receive_packets", lambda: host.popen(sys.executable, FLOOD, GUEST, 20000, 5),
                     lambda flood: flood.wait(timeout=30))
        tier = host.show("disk", "gold")["tiers"][0]
    assert out > 3000 and into > 3000
    assert tier["met"] + tier["missed"] > 2000
    assert tier["met"] >= 0.999 * (tier["met"] + tier["missed"]), tier
