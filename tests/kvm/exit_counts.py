"""What leaves a guest, counted by KVM of the machine that it runs in: its statistics, and histograms of its trace points. The codes
of exits are SVM's (AMD64 Architecture Programmer's Manual 2, appendix C), which is what the emulated machine has.

What I/O causes are kicks, which are accesses of device registers, and device interrupts, each of which takes the guest out of guest mode
where the CPU cannot post it. The rest is the guest's and the host's timers and whatever else runs.
"""

import dataclasses
import re
import time

from io_guests import DISK, TAP

TRACE_POINTS = {"kvm_exit": "exit_reason", "kvm_mmio": "type", "kvm_pio": "rw", "kvm_apic_accept_irq": "vec"}
EVENTS = "/sys/kernel/tracing/events/kvm"
REASONS = {"external interrupt": 0x60, "interrupt window": 0x64, "HLT": 0x78, "MSR": 0x7c}
DEVICE_VECTORS = range(0x20, 0xec)  # Linux's own are above
POLL_S = 0.2

SNAPSHOT = f"""
awk '{{ print "seconds", $1 }}' /proc/uptime
echo exits $(cat /sys/kernel/debug/kvm/*-*/exits)
awk '{{ print "reads", $1 }}' /sys/block/{DISK.rpartition("/")[2]}/stat
echo packets $(cat /sys/class/net/{TAP}/statistics/rx_packets)
for event in {" ".join(TRACE_POINTS)}; do
	sed -n "s/^{{ [a-z_]*: *\\([0-9]*\\).*hitcount: *\\([0-9]*\\).*/$event:\\1 \\2/p" {EVENTS}/$event/hist
done
"""


def start(machine):
    for event, key in TRACE_POINTS.items():
        machine.run(f"grep -q ^hist {EVENTS}/{event}/trigger || echo 'hist:keys={key}' >{EVENTS}/{event}/trigger")


def snapshot(machine):
    return {name: float(number) for name, number in (line.split() for line in machine.run(SNAPSHOT).splitlines())}


@dataclasses.dataclass
class Counts:
    """Of a while."""

    requests: int
    seconds: float
    exits: int
    kicks: int
    device_interrupts: int
    reasons: dict  # exits by the names of REASONS

    @property
    def caused(self):
        """By I/O."""
        return self.kicks + self.device_interrupts

    def per_request(self, number):
        return number / max(self.requests, 1)


def between(before, after, request):
    grown = {name: int(number - before.get(name, 0)) for name, number in after.items()}

    def total(event, values=None):
        found = (re.fullmatch(rf"{event}:(\d+)", name) for name in grown)
        return sum(grown[match[0]] for match in found if match and (values is None or int(match[1]) in values))
    return Counts(grown.get(request, 0), after["seconds"] - before["seconds"], grown["exits"], total("kvm_mmio") + total("kvm_pio"),
                  total("kvm_apic_accept_irq", DEVICE_VECTORS),
                  {name: total("kvm_exit", (code,)) for name, code in REASONS.items()})


def count(guest, program, request, requests_wanted, limit_s, settle_s=3):
    """While the guest runs `program`, until so many requests ("reads", "packets") are done or time is up."""
    guest.start(program)
    time.sleep(settle_s)
    before = after = snapshot(guest.machine)
    deadline = time.monotonic() + limit_s
    while after.get(request, 0) - before.get(request, 0) < requests_wanted and time.monotonic() < deadline:
        time.sleep(POLL_S)
        after = snapshot(guest.machine)
    guest.stop()
    return between(before, after, request)
