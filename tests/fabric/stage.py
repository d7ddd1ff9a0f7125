"""A scenario on its fabric, under a control: its VMs, flows between them, and what is seen meanwhile."""

import contextlib
import json
import os
import subprocess
import sys
import time

from fabric import Fabric
from link import LINK
from series import Series

FLOOD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flood.py")


def overruns():
    """Packets that this machine has lost between namespaces, because its CPUs were busy elsewhere: no network does that."""
    with open("/proc/net/softnet_stat") as file:
        return sum(int(line.split()[1], 16) for line in file)


class Watch:
    """What was received from `start` to `end`, and the part of packets that the switch dropped on the way to the first host."""

    def __init__(self, series, start, end, before, after):
        self.series, self.start, self.end = series, start, end
        self.drops, self.packets = (after[what] - before[what] for what in ("drops", "packets"))

    def mbit(self, *labels):
        return sum(self.series.rate(label, self.start, self.end) for label in labels)

    @property
    def dropped(self):
        return self.drops / max(1, self.packets + self.drops)


class Stage(contextlib.ExitStack):
    """`vms` is name -> number of the host, counted from 0. The first host is the one that everybody sends to."""

    def __init__(self, vms, promises, control, link_mbit=LINK):
        super().__init__()
        self.next_port, self.overruns_before = 6000, overruns()
        try:
            self.fabric = self.enter_context(Fabric(hosts=1 + max(vms.values()), link_mbit=link_mbit))
            self.hosts = self.fabric.hosts
            self.vms = {name: self.hosts[host].add_vm(name) for name, host in vms.items()}
            self.control = self.enter_context(control(self.fabric, promises))
            self.series = self.enter_context(Series(self.vms.values()))
        except BaseException:
            self.close()
            raise

    def tcp_all(self, flows, seconds):
        """(sender, receiver, number of flows) each: iperf3 from now on, with servers of their own."""
        ports = range(self.next_port, self.next_port + len(flows))
        self.next_port += len(flows)
        for (_, receiver, _), port in zip(flows, ports):
            self.vms[receiver].popen(["iperf3", "-s", "-1", "-p", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for (_, receiver, _), port in zip(flows, ports):
            self.vms[receiver].wait_for_port(port)
        for (sender, receiver, number), port in zip(flows, ports):
            self.vms[sender].popen(["iperf3", "-c", self.vms[receiver].address, "-p", port, "-t", seconds, "-P", number],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def tcp(self, sender, receiver, seconds, flows=1):
        self.tcp_all([(sender, receiver, flows)], seconds)

    def udp(self, sender, receiver, seconds, mbit=LINK):
        """Greedy UDP; what is not received is not sent less."""
        return self.flood(sender, self.vms[receiver].address, seconds, mbit)

    def flood(self, sender, address, seconds, mbit=LINK):
        return self.vms[sender].popen([sys.executable, FLOOD, address, mbit, seconds], stderr=subprocess.DEVNULL)

    def watch(self, seconds):
        before, start = self.hosts[0].towards(), time.monotonic()
        time.sleep(seconds)
        after, end = self.hosts[0].towards(), time.monotonic()
        time.sleep(0.03)  # so that there are samples of the end
        return Watch(self.series, start, end, before, after)

    def overruns(self):
        return overruns() - self.overruns_before

    def sent(self, name):
        """(when, bytes) by the netdev's count: for rates to compare with others' of the same kind."""
        return time.monotonic(), json.loads(self.vms[name].ip("-s", "-j", "link", "show", "eth0"))[0]["stats64"]["tx"]["bytes"]

    def round_trips_ms(self, sender, receiver, count, every_s=0.01):
        """Of pings: sorted round trip times."""
        output = self.vms[sender].run("ping", "-i", every_s, "-c", count, "-W", 1, self.vms[receiver].address)
        return sorted(float(line.split("time=")[1].split()[0]) for line in output.splitlines() if "time=" in line)


def perform(scenario, control):
    """What is seen of a scenario under a control, and what the machine has lost meanwhile."""
    with Stage(scenario.vms, scenario.promises, control) as stage:
        return {**scenario.play(stage), "overruns": stage.overruns()}
