"""What a pool can promise on this machine's device, and an SLO that is worth showing: for the demo and the benchmarks."""

import os
import subprocess


def fill(path, mib):
    """Data, not a hole: reads must reach the device."""
    block = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(block)
        os.fsync(file.fileno())


def units(kib):
    """The price of a random read: 1 for 4 KiB."""
    return 0.8 + 0.05 * kib


def reads_per_s(image, kib, depth, prefix=()):
    """Random reads that the device delivers: fio on the host, past the page cache."""
    answer = subprocess.run(
        [*prefix, "fio", "--name=measure", f"--filename={image}", "--rw=randread", f"--bs={kib}k", f"--iodepth={depth}",
         "--ioengine=io_uring", "--direct=1", "--runtime=2", "--time_based", "--minimal", "--readonly"],
        check=True, capture_output=True, text=True, timeout=60).stdout
    return float(answer.split(";")[7])


def measure(image, kib, depth):
    """The same in cost units per second."""
    return reads_per_s(image, kib, depth) * units(kib)


def capacity_of(image, largest_kib):
    """What the device delivers in small and in large reads, and the capacity that a pool may promise from."""
    small, large = measure(image, 4, 32), measure(image, largest_kib, 64)
    # A margin, for what the front ends themselves take of this machine.
    return small, large, int(0.6 * min(small, large))


def tiers_for(capacity, largest_kib):
    """Two tiers. The tighter one: time to serve its burst behind one large request, with room for the device's latency."""
    tight_ms = max(10, round(4000 * (16 + units(largest_kib)) / capacity))
    return [{"burst": 16, "rate": max(1, capacity // 50), "within": f"{tight_ms}ms"},
            {"burst": 128, "rate": max(1, capacity // 20), "within": f"{4 * tight_ms}ms"}]
