"""What goes between a guest and its host, as the daemon counts it: by a disk, and by a module's channel."""

import dataclasses

DISK, MODULE = "data", "store"
SIDECORE = "io0"  # nothing but the disk is on it


@dataclasses.dataclass
class Way:
    requests: int = 0
    doorbells: int = 0  # each of them leaves the guest
    interrupts: int = 0
    bytes: int = 0

    def since(self, before):
        return Way(*(now - then for now, then in zip(dataclasses.astuple(self), dataclasses.astuple(before))))


def by_disk(server):
    statistics = server.disk(DISK)["statistics"]
    sidecore = next(core for core in server.ask("sidecore.list") if core["name"] == SIDECORE)
    return Way(sum(statistics[kind] for kind in ("reads", "writes", "flushes", "discards", "write_zeroes")),
               sidecore["kicks_received"], sidecore["calls_sent"], statistics["read_bytes"] + statistics["write_bytes"])


def by_module(server):
    counters = server.ask("module.show", name=MODULE)["counters"]
    return Way(counters["requests"], counters["doorbells"], counters["calls"],
               counters["received_bytes"] + counters["sent_bytes"])


@dataclasses.dataclass
class Crossings:
    disk: Way
    module: Way

    @classmethod
    def now(cls, server):
        return cls(by_disk(server), by_module(server))

    def since(self, before):
        return Crossings(self.disk.since(before.disk), self.module.since(before.module))

    @property
    def requests(self):
        return self.disk.requests + self.module.requests

    @property
    def doorbells(self):
        return self.disk.doorbells + self.module.doorbells

    @property
    def interrupts(self):
        return self.disk.interrupts + self.module.interrupts

    @property
    def bytes(self):
        return self.disk.bytes + self.module.bytes
