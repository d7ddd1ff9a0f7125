"""A network to test on: hosts behind a switch, in network namespaces.

    with Fabric(hosts=3) as fabric:
        victim = fabric.hosts[0].add_vm("victim")
        victim.popen(["iperf3", "-s"])

Every host has an uplink into the switch, of a given speed both ways; the switch's port towards the host has a queue of
finite size, and counts what it drops. A VM is a namespace on its host's bridge, behind a veth as it would be behind a tap.
Whatever happens, `close` leaves neither namespace nor process behind.
"""

import ctypes
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
import time

MTU = 1500
NIC_QUEUE_BYTES = 2 << 20
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
serial = itertools.count()


class FabricError(Exception):
    pass


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30, **options)
    if done.returncode:
        raise FabricError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    """A network namespace and the processes in it; the fabric closes it, however far it got."""

    def __init__(self, fabric, name):
        self.name, self.processes = f"{fabric.name}-{name}", []
        run("ip", "netns", "add", self.name)
        fabric.namespaces.append(self)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    def tc(self, *words):
        return run("tc", "-n", self.name, *words)

    def run(self, *command, **options):
        return run("ip", "netns", "exec", self.name, *command, **options)

    def popen(self, command, **options):
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], **options)
        self.processes.append(process)
        return process

    def enter(self):
        """Of the calling thread: what it opens from now on is this namespace's."""
        with open(f"/run/netns/{self.name}", "rb") as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), f"cannot enter {self.name}")

    def socket(self, *arguments):
        """A socket of this namespace, for use in any."""
        made = []

        def make():
            self.enter()
            made.append(socket.socket(*arguments))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def listen(self, port, *options):
        """An iperf3 server, ready for a client."""
        self.popen(["iperf3", "-s", "-p", port, *options], stdout=subprocess.DEVNULL)
        self.wait_for_port(port)

    def wait_for_port(self, port):
        deadline = time.monotonic() + 10
        while f":{port}" not in self.run("ss", "-ltn"):
            if time.monotonic() > deadline:
                raise FabricError(f"{self.name}: nothing listens on port {port}")
            time.sleep(0.02)

    def close(self):
        for pid in run("ip", "netns", "pids", self.name).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in self.processes:
            process.wait()
        run("ip", "netns", "del", self.name)


class Vm(Namespace):
    def __init__(self, host, name, index):
        super().__init__(host.fabric, f"h{host.index}-{name}")
        self.host, self.label, self.netdev = host, name, f"v-{name}"[:15]
        self.address = f"10.0.{host.index}.{index}"
        host.ip("link", "add", self.netdev, "mtu", MTU, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        host.ip("link", "set", self.netdev, "master", "br0", "up")
        self.ip("addr", "add", f"{self.address}/16", "dev", "eth0")
        self.ip("link", "set", "eth0", "mtu", MTU, "up")
        self.run("sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic")  # what guests have, whatever this machine has
        self.mac = json.loads(self.ip("-j", "link", "show", "eth0"))[0]["address"]


class GuestVm:
    """Where a guest in QEMU belongs: its NIC's tap is on the host's bridge. `nic` is what tests/guest wants to know of it."""

    def __init__(self, host, name, index):
        self.host, self.label, self.netdev = host, name, f"t-{name}"[:15]
        self.address = f"10.0.{host.index}.{index}"
        self.mac = f"52:54:00:00:{host.index:02x}:{index:02x}"
        self.nic = {"tap": self.netdev, "address": f"{self.address}/16", "mac": self.mac}
        host.ip("tuntap", "add", self.netdev, "mode", "tap")
        host.ip("link", "set", self.netdev, "mtu", MTU, "master", "br0", "up")


class Host(Namespace):
    def __init__(self, fabric, index):
        super().__init__(fabric, f"h{index}")
        self.fabric, self.index, self.vms = fabric, index, []
        self.address, self.port = f"10.0.{index}.254", f"p{index}"
        switch = fabric.switch
        self.ip("link", "add", "up0", "mtu", MTU, "type", "veth", "peer", "name", self.port, "netns", switch.name)
        self.ip("link", "add", "br0", "mtu", MTU, "type", "bridge")
        self.ip("link", "set", "up0", "master", "br0", "up")
        self.ip("addr", "add", f"{self.address}/16", "dev", "br0")
        self.ip("link", "set", "br0", "up")
        switch.ip("link", "set", self.port, "master", "br0", "up")
        self.shape(switch)

    def shape(self, switch):
        """Both directions of the link: out of the port, and into it by way of a device that only queues.

        The latter stands for the host's NIC, which loses nothing that its host sends at the link's speed: it takes frames when
        it is ready, and a veth cannot. So its queue is long and a little faster than the link, also when its timer is late (its
        burst). And it cuts into frames what is longer than a few, so that ports queue and drop frames."""
        link, queue = self.fabric.link_mbit, f"q{self.index}"
        port_rate = ("tbf", "rate", f"{link}mbit", "burst", "128k", "limit", self.fabric.queue_bytes)
        nic_rate = ("tbf", "rate", f"{round(1.05 * link)}mbit", "burst", "256k", "limit", NIC_QUEUE_BYTES)
        switch.tc("qdisc", "add", "dev", self.port, "root", "handle", "1:", *port_rate)
        switch.ip("link", "add", queue, "type", "ifb")
        switch.ip("link", "set", queue, "gso_max_size", 16384, "txqueuelen", 1000, "up")
        switch.tc("qdisc", "add", "dev", queue, "root", "handle", "1:", *nic_rate)
        switch.tc("qdisc", "add", "dev", self.port, "handle", "ffff:", "ingress")
        switch.tc("filter", "add", "dev", self.port, "parent", "ffff:", "protocol", "all", "u32", "match", "u32", "0", "0",
                  "action", "mirred", "egress", "redirect", "dev", queue)

    def add_vm(self, name):
        self.vms.append(Vm(self, name, len(self.vms) + 1))
        return self.vms[-1]

    def add_guest(self, name):
        """Of a guest in QEMU: Guest([], directory, name, nics=[Nic(**vm.nic)], namespace=vm.host.name)."""
        self.vms.append(GuestVm(self, name, len(self.vms) + 1))
        return self.vms[-1]

    def towards(self):
        """What the switch's port towards this host has sent and dropped so far."""
        port = json.loads(self.fabric.switch.tc("-s", "-j", "qdisc", "show", "dev", self.port, "root"))[0]
        return {key: port[key] for key in ("bytes", "packets", "drops", "backlog")}


class Fabric:
    def __init__(self, hosts=3, link_mbit=1000, queue_bytes=256 << 10):
        self.name, self.link_mbit, self.queue_bytes = f"slf{os.getpid()}-{next(serial)}", link_mbit, queue_bytes
        self.namespaces, self.hosts = [], []
        try:
            self.switch = Namespace(self, "sw")
            self.switch.ip("link", "add", "br0", "mtu", MTU, "type", "bridge")
            self.switch.ip("link", "set", "br0", "up")
            for index in range(1, hosts + 1):
                self.hosts.append(Host(self, index))
        except BaseException:
            self.close()
            raise

    def close(self):
        while self.namespaces:
            self.namespaces.pop().close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
