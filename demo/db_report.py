"""What demo/db shows: a line that grows while it runs, a table, or JSON."""

import dataclasses
import json

from db_crossings import Crossings
from sysbench import Outcome

NAMES = {"innodb": "InnoDB", "sluice": "SLUICE"}
LINE_S = 5  # between two lines where none can be rewritten


class Live:
    """One line per run; on a terminal it is rewritten as it grows."""

    def __init__(self, stream):
        self.stream, self.is_terminal, self.title = stream, stream.isatty(), ""

    def say(self, text):
        print(text, file=self.stream, flush=True)

    def begin(self, workload, engine):
        self.title = f"{workload:18} {NAMES[engine]:7}"

    def show(self, crossings):
        if self.is_terminal:
            print("\r" + self._line(crossings), end="", file=self.stream, flush=True)

    def end(self, result):
        print(("\r" if self.is_terminal else "") + self._line(result.crossings) + f"  {result.outcome.transactions:5,} transactions",
              file=self.stream, flush=True)

    def _line(self, crossings):
        return (f"{self.title} {crossings.disk.requests:6,} disk requests {crossings.module.requests:6,} round trips to the module "
                f"{crossings.doorbells:6,} doorbells {crossings.interrupts:6,} interrupts")


@dataclasses.dataclass
class Result:
    """Of one workload on one engine."""
    outcome: Outcome
    crossings: Crossings
    naps: int  # of clients that wait for the module, until a timer of the guest's

    def per_transaction(self, count):
        return count / max(self.outcome.transactions, 1)


def number(value):
    return "0" if value == 0 else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


@dataclasses.dataclass
class Report:
    results: dict  # by workload, then by engine
    is_emulated: bool
    threads: int
    rows: int
    is_equal: bool  # whether both engines' rows are in the end; None: not to be known

    def json(self):
        return json.dumps({"emulated": self.is_emulated, "threads": self.threads, "rows": self.rows, "rows_equal": self.is_equal,
                           "workloads": {workload: {engine: dataclasses.asdict(result) for engine, result in engines.items()}
                                         for workload, engines in self.results.items()}}, indent=2)

    def text(self):
        lines = ["", f"Per transaction, {self.threads} client{'s'[:self.threads > 1]}:",
                 f"{'':18} {'':7} {'disk':>9} {'round trips':>13} {'doorbells':>10} {'interrupts':>11} {'naps':>7} {'KiB':>8} {'speed':>7}",
                 f"{'':18} {'':7} {'requests':>9} {'to the module':>13}"]
        for workload, engines in self.results.items():
            for engine, result in engines.items():
                lines.append(self._row(workload if engine == "innodb" else "", engine, result, engines["innodb"]))
        return "\n".join(lines + self._remarks())

    def _row(self, title, engine, result, innodb):
        crossings = result.crossings
        counts = [number(result.per_transaction(count)) for count in
                  (crossings.disk.requests, crossings.module.requests, crossings.doorbells, crossings.interrupts, result.naps,
                   crossings.bytes / 1024)]
        speed = f"{result.outcome.transactions_per_s / innodb.outcome.transactions_per_s:.2f}"
        return (f"{title:18} {NAMES[engine]:7} {counts[0]:>9} {counts[1]:>13} {counts[2]:>10} {counts[3]:>11} {counts[4]:>7} "
                f"{counts[5]:>8} {speed:>7}")

    def _remarks(self):
        lines = ["", "A doorbell leaves the guest; an interrupt comes into it. A nap is the guest's own: no answer has come while it polled.",
                 "Speed: transactions per second, InnoDB's are 1."]
        if self.is_emulated:
            lines.append("This guest is emulated, as there is no KVM: speeds in it mean nothing, counts do.")
        if self.is_equal is not None:
            lines.append("Both engines' rows are the same in the end." if self.is_equal else "The engines' rows differ in the end!")
        return lines
