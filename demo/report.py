"""What the demo shows: lines while it runs, a table, a plot."""

import os
import subprocess
import sys
import time


def milliseconds(ns):
    return f"{ns / 1e6:.2f} ms"


def buckets_of(disk):
    """The disk's requests by response time: {upper limit in ns: requests}, over all tiers."""
    sums = {}
    for tier in disk["tiers"]:
        for limit, count in tier["latency_ns"]["buckets"]:
            sums[limit] = sums.get(limit, 0) + count
    return sums


def quantile(buckets, fraction):
    wanted, seen = fraction * sum(buckets.values()), 0
    for limit in sorted(buckets):
        seen += buckets[limit]
        if seen >= wanted and seen:
            return limit
    return 0


def promises(disk):
    """(met, missed) over the guaranteed tiers."""
    tiers = [tier for tier in disk["tiers"] if tier["is_guaranteed"]]
    return sum(tier["met"] for tier in tiers), sum(tier["missed"] for tier in tiers)


class Live:
    """A line that is rewritten every second; on anything but a terminal, one line every five seconds."""

    def __init__(self):
        self.is_terminal = sys.stdout.isatty()
        self.last, self.last_time, self.started = None, None, time.monotonic()
        print(f"{'':>6}  {'gold: reads/s':>13} {'p99':>10} {'met':>8} {'missed':>7}   {'noisy: MB/s':>11} {'p99':>10}")

    def show(self, gold, noisy):
        now = time.monotonic()
        current = (buckets_of(gold), buckets_of(noisy), noisy["statistics"]["read_bytes"])
        if self.last and (self.is_terminal or now - self.last_time >= 4.5):
            self._line(gold, current, now - self.last_time)
        if not self.last or self.is_terminal or now - self.last_time >= 4.5:
            self.last, self.last_time = current, now

    def _line(self, gold, current, elapsed):
        new = [{limit: count - old.get(limit, 0) for limit, count in buckets.items()}
               for buckets, old in zip(current[:2], self.last[:2])]
        met, missed = promises(gold)
        line = (f"{self.last_time - self.started + elapsed:5.0f}s  {sum(new[0].values()) / elapsed:13,.0f} "
                f"{milliseconds(quantile(new[0], 0.99)):>10} {met:8,} {missed:7,}   "
                f"{(current[2] - self.last[2]) / elapsed / 1e6:11,.0f} {milliseconds(quantile(new[1], 0.99)):>10}")
        print("\r" + line if self.is_terminal else line, end="" if self.is_terminal else "\n", flush=True)

    def end(self):
        if self.is_terminal:
            print()


class Result:
    def __init__(self, gold, noisy, pool_before, pool_after, seconds):
        self.disks = {"gold": gold, "noisy": noisy}
        self.seconds = seconds
        self.bytes_per_s = (pool_after["bytes"] - pool_before["bytes"]) / seconds


def table(title, result):
    print(f"\n{title}: the pool moved {result.bytes_per_s / 1e6:,.0f} MB/s")
    print(f"  {'disk':6} {'tier':22} {'requests':>9} {'met':>9} {'missed':>7} {'p50':>10} {'p99':>10} {'p99.9':>10} "
          f"{'share':>6}")
    for name, disk in result.disks.items():
        for number, tier in enumerate(disk["tiers"], 1):
            promised = f"{number}: within {milliseconds(tier['within_ns'])}" if tier["is_guaranteed"] else "best effort"
            met, missed = (f"{tier['met']:,}", f"{tier['missed']:,}") if tier["is_guaranteed"] else ("-", "-")
            times = [milliseconds(tier["latency_ns"][key]) if tier["requests"] else "-" for key in ("p50", "p99", "p99.9")]
            print(f"  {name:6} {promised:22} {tier['requests']:9,} {met:>9} {missed:>7} {times[0]:>10} {times[1]:>10} "
                  f"{times[2]:>10} {tier['share_of_pool']:6.1%}")


def verdict(off, on):
    print()
    for title, result in (("off", off), ("on", on)):
        met, missed = promises(result.disks["gold"])
        kept = met / (met + missed) if met + missed else 0
        print(f"SLOs {title + ':':4} {kept:7.2%} of gold's promises kept, "
              f"p99 {milliseconds(quantile(buckets_of(result.disks['gold']), 0.99))}")
    print(f"The pool moves {on.bytes_per_s / off.bytes_per_s:.0%} of what it moved without SLOs.")


PLOT = """set terminal svg size 900,520 font 'sans,13' background 'white'
set output '{output}'
set title 'Response times while a neighbour floods the device'
set xlabel 'response time (ms)'
set ylabel 'requests that waited longer (%)'
set logscale xy
set grid
set key outside below
set yrange [0.01:100]
{marks}
plot {curves}
"""


def plot(output, directory, off, on):
    """Of each disk and run, the share of requests that took longer than a time: tails stay visible."""
    curves = []
    styles = {("gold", "off"): "dt 2 lc rgb '#c79a00'", ("gold", "on"): "lc rgb '#c79a00'",
              ("noisy", "off"): "dt 2 lc rgb '#3f5f8f'", ("noisy", "on"): "lc rgb '#3f5f8f'"}
    for title, result in (("off", off), ("on", on)):
        for name, disk in result.disks.items():
            path = os.path.join(directory, f"{name}-{title}.dat")
            write_curve(path, buckets_of(disk))
            curves.append(f"'{path}' with lines lw 2 {styles[name, title]} title '{name}, SLOs {title}'")
    marks = []
    for number, tier in enumerate(on.disks["gold"]["tiers"], 1):
        if tier["is_guaranteed"]:
            within_ms = tier["within_ns"] / 1e6
            marks.append(f"set arrow from {within_ms},graph 0 to {within_ms},graph 1 nohead dt 3\n"
                         f"set label 'tier {number}' at {within_ms},graph 0.97 offset 0.4,0")
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    subprocess.run(["gnuplot"], input=PLOT.format(output=output, marks="\n".join(marks), curves=", ".join(curves)),
                   text=True, check=True, timeout=30)


def write_curve(path, buckets):
    total, seen = sum(buckets.values()), 0
    with open(path, "w") as file:
        for limit in sorted(buckets):
            seen += buckets[limit]
            file.write(f"{limit / 1e6} {100 * (total - seen) / total}\n")
