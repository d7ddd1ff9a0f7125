"""What VMs receive, over time: frames' bytes as they would be on a wire, every 10 ms.

The kernel hands large TCP segments through virtual netdevs in one piece, whose bytes it counts with one header; on a wire there
are many. So what counts here is bytes of the netdev, and a header more for every further segment, of which IP keeps count.
Both counters are in /proc/net of the namespace that the thread is in when it opens them, and stay that namespace's.
A piece is up to 64 KiB, half a millisecond of 1 Gbit/s: finer than a sample, but not by much.
"""

import bisect
import os
import threading
import time

PERIOD_S = 0.010
HEADER = 14 + 20 + 32  # Ethernet, IPv4, TCP with timestamps; of UDP, the switch has cut everything before


class Counter:
    """The bytes that a VM has received. To be made in a thread that may leave its namespace."""

    def __init__(self, vm):
        vm.enter()
        self.devices, self.protocols = (os.open(f"/proc/thread-self/net/{name}", os.O_RDONLY) for name in ("dev", "netstat"))

    def read(self):
        line = next(line for line in os.pread(self.devices, 4096, 0).splitlines() if line.lstrip().startswith(b"eth0:"))
        received_bytes, received = map(int, line.split(b":")[1].split()[:2])
        text = os.pread(self.protocols, 16384, 0)
        start = text.index(b"IpExt: ")
        names, values = (line.split() for line in text[start:].split(b"\n", 2)[:2])
        of = dict(zip(names, values))
        segments = sum(int(of[name]) for name in (b"InNoECTPkts", b"InECT1Pkts", b"InECT0Pkts", b"InCEPkts"))
        return received_bytes + max(0, segments - received) * HEADER

    def close(self):
        os.close(self.devices)
        os.close(self.protocols)


class Series:
    """Samples of several VMs, taken by a thread from `with` on. Rates are in Mbit/s, times as of time.monotonic()."""

    def __init__(self, vms):
        self.vms, self.times, self.bytes = list(vms), [], {vm.label: [] for vm in vms}
        self.is_ended, self.has_begun = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.has_begun.wait(5)
        return self

    def __exit__(self, *unused):
        self.is_ended.set()
        self.thread.join()

    def sample(self):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # of this thread: samples are in time on a busy machine
        counters = [(self.bytes[vm.label], Counter(vm)) for vm in self.vms]
        while not self.is_ended.is_set():
            now = time.monotonic()
            for samples, counter in counters:
                samples.append(counter.read())
            self.times.append(now)
            self.has_begun.set()
            self.is_ended.wait(max(0, PERIOD_S - (time.monotonic() - now)))
        for _, counter in counters:
            counter.close()

    def at(self, label, moment):
        """Bytes received until then, between samples in proportion."""
        times, samples = self.times, self.bytes[label]
        after = min(max(bisect.bisect_left(times, moment, 0, len(times)), 1), len(times) - 1)
        before = after - 1
        part = (moment - times[before]) / (times[after] - times[before])
        return samples[before] + min(max(part, 0), 1) * (samples[after] - samples[before])

    def rate(self, label, start, end):
        return (self.at(label, end) - self.at(label, start)) * 8e-6 / (end - start)

    def rates(self, label, start=None, end=None, width_s=PERIOD_S):
        """[(time since start, rate)] of the intervals of that width."""
        start = self.times[0] if start is None else start
        count = int(((self.times[-1] if end is None else end) - start) / width_s)
        edges = [start + width_s * number for number in range(count + 1)]
        return [(edge - start, self.rate(label, edge, following)) for edge, following in zip(edges, edges[1:])]

    def lowest(self, label, start, end, width_s):
        """The least that was received in any interval of that width."""
        steps = int((end - start - width_s) / PERIOD_S)
        return min(self.rate(label, start + PERIOD_S * step, start + PERIOD_S * step + width_s) for step in range(steps + 1))

    def time_to(self, label, wanted, since, lasting_s=0.2):
        """Seconds from the first sample with traffic after `since` to the first one at `wanted` that introduces an
        interval with that much on average; None if it never comes to that."""
        moments = [moment for moment in self.times[:-1] if moment >= since]
        began = next((moment for moment in moments if self.rate(label, moment, moment + PERIOD_S) > wanted / 100), None)
        for moment in moments:
            if began is not None and began <= moment <= self.times[-1] - lasting_s and \
                    self.rate(label, moment, moment + PERIOD_S) >= wanted and \
                    self.rate(label, moment, moment + lasting_s) >= wanted:
                return moment - began
        return None
