"""What demo/net shows: a line per second, a summary, a plot over time."""

import os
import subprocess
import tempfile

WIDTH_S = 0.1  # of an interval in the plot
NAMES = ("victim", "aggressor")


class Live:
    def __init__(self):
        self.seconds = 0
        print(f"{'':>6} {'victim':>14} {'aggressor':>14} {'drops at the port':>18}")

    def show(self, watch):
        self.seconds += 1
        victim, aggressor = (f"{watch.mbit(name):,.0f} Mbit/s" for name in NAMES)
        print(f"{self.seconds:5}s {victim:>14} {aggressor:>14} {watch.drops:18,}", flush=True)


class Result:
    """What the watches of a run have seen. The first `idle`, when the victim wants nothing, and the second in which it starts
    are drawn but not counted."""

    def __init__(self, series, watches, idle):
        start, settled, end = watches[0].start, watches[idle].end, watches[-1].end
        self.drops = sum(watch.drops for watch in watches)
        self.curves = {name: series.rates(name, start, end, WIDTH_S) for name in NAMES}
        self.mbit = {name: series.rate(name, settled, end) for name in NAMES}
        self.worst = series.lowest("victim", settled, end, 1)


def verdict(off, on, guarantee, link):
    print(f"\n{'':12} {'victim':>14} {'of ' + str(guarantee):>8} {'worst second':>14} {'both, of link':>14} {'drops':>10}")
    for title, result in (("no control", off), ("Gatekeeper", on)):
        print(f"{title:12} {result.mbit['victim']:7,.0f} Mbit/s {result.mbit['victim'] / guarantee:8.0%} "
              f"{result.worst:7,.0f} Mbit/s {sum(result.mbit.values()) / link:14.0%} {result.drops:10,}")


PLOT = """set terminal svg size 900,620 font 'sans,13' background 'white'
set output '{output}'
set multiplot layout 2,1 title 'One TCP flow that was promised {guarantee} Mbit/s, beside a crowd'
set ylabel 'received (Mbit/s)'
set yrange [0:1050]
set xrange [0:{seconds}]
set grid
set key outside right
{plots}
unset multiplot
"""
COLOURS = {"victim": "#c79a00", "aggressor": "#3f5f8f"}


def plot(output, off, on, guarantee):
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        plots = []
        for number, (title, result) in enumerate((("no control", off), ("Gatekeeper", on))):
            curves = [f"{guarantee} dt 3 lc rgb 'black' title 'promised'"]
            for name, curve in result.curves.items():
                path = os.path.join(directory, f"{name}-{number}.dat")
                with open(path, "w") as file:
                    file.writelines(f"{moment + WIDTH_S / 2} {rate}\n" for moment, rate in curve)
                curves.append(f"'{path}' with lines lw 2 lc rgb '{COLOURS[name]}' title '{name}'")
            plots.append(f"set title '{title}'\n{'set xlabel ' + repr('s') if number else ''}\nplot {', '.join(curves)}")
        seconds = off.curves["victim"][-1][0] + WIDTH_S
        subprocess.run(["gnuplot"], input=PLOT.format(output=output, guarantee=guarantee, seconds=seconds, plots="\n".join(plots)),
                       text=True, check=True, timeout=30)
