"""Modules whose I/O is charged to a pool: what is counted, held back, promised and refused."""

import json
import os
import socket
import subprocess
import time
import urllib.request

import pytest
from daemon import SLUICED, eventually
from test_modules import TROUBLESOME, Host

TIER = {"burst": "64", "rate": "1000", "within": "60s"}


class GatedHost(Host):
    """One with a pool, and disks on it."""

    def __init__(self, directory, disks=(), metrics=None, **modules):
        self.disks, self.port = list(disks), metrics
        self.pools = [{"name": "pool", "backend": "null", "capacity": "10k"}]
        super().__init__(directory, **modules)

    def write(self, **modules):
        self.metrics = self.port
        super().write(**modules)
        with open(self.path("sluice.yaml")) as file:
            settings = json.load(file)
        settings.update(pools=self.pools, disks=self.disks)
        with open(self.path("sluice.yaml"), "w") as file:
            json.dump(settings, file)

    def objections(self):
        return subprocess.run([SLUICED, "--config", self.path("sluice.yaml"), "--check"], env=self.environment(),
                              capture_output=True, text=True).stderr

    def gate(self, name="db"):
        return self.module(name)["gate"]


@pytest.fixture
def directory(tmp_path):
    os.chmod(tmp_path, 0o755)
    return tmp_path


def counts(gate):
    return [gate["statistics"][kind] for kind in ("reads", "writes", "flushes")]


def test_what_a_module_reads_and_writes_is_counted(directory):
    with GatedHost(directory, db={"module": TROUBLESOME, "slo": {"tiers": [TIER]}}, free={"module": TROUBLESOME}) as host:
        assert host.client("db").ask("read 10") == "= read"
        gate = host.gate()
        assert counts(gate) == [10, 1, 1]
        assert gate["statistics"]["read_bytes"] == 10 * 4096 and gate["statistics"]["in_flight"] == 0
        assert gate["pool"] == "pool" and gate["guaranteed_requests"] == 12 and gate["guaranteed_missed"] == 0
        assert host.client("free").ask("read 10") == "= read"
        assert host.gate("free") is None
        shown = host.does("module", "show", "db")
        assert "pool pool; promise kept: yes, all 12 guaranteed requests in time" in shown
        assert "traffic  10 reads (40KiB), 1 writes, 1 flushes (4KiB written), 0 in flight, 0 overdue" in shown


def test_what_a_module_keeps_in_the_page_cache_is_paid_for_when_it_is_flushed(directory):
    with GatedHost(directory, db={"module": TROUBLESOME, "pool": "pool"}) as host:
        assert host.client("db").ask("keep this") == "= kept"
        assert counts(host.gate()) == [0, 0, 1]


def test_a_module_is_held_to_its_limit_which_changes_while_it_runs(directory):
    slow = {"module": TROUBLESOME, "slo": {"limit": {"iops": "20", "iops_burst": "2"}}}
    with GatedHost(directory, db=slow) as host:
        client = host.client("db")
        before, process = time.monotonic(), host.module("db")["pid"]
        assert client.ask("read 20") == "= read"
        # 22 operations, of which 2 go at once: the limit says that the rest cannot take less.
        assert time.monotonic() - before >= 1
        assert counts(host.gate()) == [20, 1, 1]
        host.write(db={"module": TROUBLESOME, "slo": {"weight": 200}})
        host.does("reload")
        assert host.gate()["limit"]["operations_per_s"] == 0 and host.gate()["weight"] == 200
        assert client.ask("read 1000") == "= read"
        assert host.module("db")["pid"] == process


def test_a_gate_outlives_its_modules_process(directory):
    with GatedHost(directory, db={"module": TROUBLESOME, "pool": "pool"}) as host:
        client = host.client("db")
        assert client.ask("read 5") == "= read"
        assert client.ask("crash").startswith("!")
        eventually(lambda: client.ask("read 5") == "= read")
        assert counts(host.gate()) == [10, 2, 2]


def test_promises_to_modules_and_disks_are_admitted_together(directory):
    most = {"tiers": [{"burst": "8", "rate": "6000", "within": "60s"}]}
    host = GatedHost(directory, disks=[{"name": "gold", "size": "1MiB", "slo": most}], db={"module": TROUBLESOME, "slo": most})
    assert "pools[0].capacity" in host.objections()
    host.write(db={"module": TROUBLESOME, "pool": "pool"})
    assert host.objections() == ""
    host.write(db={"module": TROUBLESOME, "pool": "pole"})
    assert "there is no pool 'pole'" in host.objections()


def disk(name, **settings):
    return {"name": name, "size": "1MiB", **settings}


def test_a_reload_moves_promises_between_modules_and_disks(directory):
    most = {"tiers": [{"burst": "8", "rate": "6000", "within": "60s"}]}
    with GatedHost(directory, disks=[disk("gold")], db={"module": TROUBLESOME, "slo": most}) as host:
        eventually(lambda: host.is_running("db"))
        process = host.module("db")["pid"]
        host.disks = [disk("gold", slo=most)]
        host.write(db={"module": TROUBLESOME, "slo": {"weight": 200}})
        host.does("reload")
        host.disks = [disk("gold")]
        host.write(db={"module": TROUBLESOME, "slo": most})
        host.does("reload")
        assert host.gate()["tier_count"] == 1 and host.module("db")["pid"] == process
        host.disks = [disk("gold"), disk("silver", slo=most)]
        host.write()
        host.does("reload")
        assert "silver" in host.does("disk", "list")


def test_a_promise_that_does_not_fit_ends_no_module(directory):
    most = {"tiers": [{"burst": "8", "rate": "6000", "within": "60s"}]}
    with GatedHost(directory, disks=[disk("gold")], db={"module": TROUBLESOME, "slo": most}) as host:
        host.does("disk", "add", "other", "--size", "1MiB", "--tier", "burst=8,rate=3000,within=60s")
        host.disks = [disk("gold", slo={"tiers": [{**most["tiers"][0], "rate": "8000"}]})]  # which that disk leaves no room for
        host.write(db={"module": TROUBLESOME, "pool": "pool", "connections": 3})
        assert "reload: " in host.sluice("reload").stderr
        eventually(lambda: host.is_running("db"))
        assert host.gate()["tier_count"] == 1 and host.module("db")["connections_max"] == 64


def test_a_pool_is_not_taken_away_from_modules(directory):
    with GatedHost(directory, db={"module": TROUBLESOME, "pool": "pool"}) as host:
        client = host.client("db")
        host.pools = []
        for modules in {"db": {"module": TROUBLESOME, "pool": "pool"}}, {}:
            host.write(**modules)
            assert "pool" in host.sluice("reload").stderr
            assert client.ask("read 3") == "= read"


def test_what_modules_do_is_in_the_metrics(directory):
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    with GatedHost(directory, metrics=port, db={"module": TROUBLESOME, "slo": {"tiers": [TIER]}}) as host:
        assert host.client("db").ask("read 3") == "= read"
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert 'sluice_module_reads_total{module="db",pool="pool"} 3' in text
    assert 'sluice_module_tier_met_total{module="db",pool="pool",tier="1"} 5' in text
