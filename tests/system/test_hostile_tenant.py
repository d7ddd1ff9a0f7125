"""Two tenants on one host, each with a storage module of its own, on one pool and its sidecore: one works, one attacks. What the first has
is right, what it was promised is kept, and it goes on at a rate that it could have had beside a tenant that only works hard."""

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time

import pytest
from daemon import BUILD, eventually, sidecore_cpu
from test_modules import Host

PROGRAMS = os.path.join(BUILD, "tests", "modules")
STORE = os.path.join(BUILD, "src", "offload", "modules", "store", "store.so")
ATTACKS = ["flood", "take_nothing", "leave_unfinished", "send_nonsense", "scribble", "reconnect", "scan_all", "fight_for_locks",
           "fill_transaction", "write_through"]
CONNECTIONS = 60  # of 64: some are left for whoever wants to look
ROUNDS, ROUND_S = 3, 1
BEGIN_LIMIT_S = 60
# Of two that want all of a machine's processors and of a pool's device, each gets a half. The other factor, of four, is for what else this
# machine does: on two processors that others want, too, each of the three processes that a transaction passes waits longer for its
# turn if there is one more. A tenant whose share depended on how many threads or requests another has would keep a sixtieth.
RATE_KEPT_MIN = 1 / 8
# Of requests within the rate that was promised. What the device itself does to them without an attack comes on top.
MISSED_MAX = 0.01
PROMISE = {"tiers": [{"burst": "64", "rate": "600", "within": "250ms"}]}


def guest_cpus():
    return ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0) - {sidecore_cpu()} or {sidecore_cpu()}))


class TwoTenants(Host):
    def write(self, **modules):
        super().write(**modules)
        with open(self.path("sluice.yaml")) as file:
            settings = json.load(file)
        settings["sidecores"] = [{"name": "io0", "cpu": sidecore_cpu()}]
        settings["pools"] = [{"name": "pool", "path": self.directory, "capacity": "2k", "sidecore": "io0"}]
        with open(self.path("sluice.yaml"), "w") as file:
            json.dump(settings, file)


class Ledger:
    """The tenant that works, and knows what its tables must hold."""

    def __init__(self, where):
        self.process = subprocess.Popen([os.path.join(PROGRAMS, "tenant_ledger"), "unix:" + where], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, order, number=0):
        self.process.stdin.write(f"{order} {number}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def rate_per_s(self, seconds):
        before = time.monotonic()
        answer = self.ask("run", seconds)
        assert answer.isdigit(), answer
        return int(answer) / (time.monotonic() - before)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


class Attack:
    """The other one's clients. A guest has processors of its own, and none of the hypervisor's; here they are the ledger's clients', which
    come first. The priority of threads alone would not do: sixty of the least weigh as much as one of the usual, and each may have a
    whole slice of time before one that has just run. A session counts as one."""

    def __init__(self, host, name, connections=CONNECTIONS):
        apart = ["taskset", "-c", guest_cpus(), "chrt", "--idle", "0"]
        where = "unix:" + host.path("hostile.module.sock")
        self.process = subprocess.Popen([*apart, os.path.join(PROGRAMS, "tenant_attacks"), where, name, str(connections)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        with contextlib.suppress(FileNotFoundError):  # a kernel that groups no sessions
            eventually(self.is_least)

    def is_least(self):
        """Others than root may set it ten times a second."""
        try:
            with open(f"/proc/{self.process.pid}/autogroup", "w") as group:
                group.write("19")
        except BlockingIOError:
            return False
        return True

    def begin(self):
        """Wait for its first step, which may take longer than the seconds that it has beside the ledger."""
        assert select.select([self.process.stdout], [], [], BEGIN_LIMIT_S)[0]
        assert self.process.stdout.readline() == "attacking\n"

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        """It has attacked until now."""
        self.go_on()
        assert int(self.process.communicate(timeout=60)[0].split()[-1]) > 0


class Crashes:
    """The attacker has found a fault in the module, which ends its process as soon as it runs."""

    def __init__(self, host):
        self.host, self.steps, self.last = host, 0, None
        self.is_on, self.is_over = threading.Event(), threading.Event()
        self.go_on, self.pause = self.is_on.set, self.is_on.clear
        self.thread = threading.Thread(target=self.crash, daemon=True)
        self.thread.start()

    def begin(self):
        """Until it has crashed again after its first restart: how soon that comes is sluiced's to say."""
        self.go_on()
        eventually(lambda: self.steps > 1, limit_s=BEGIN_LIMIT_S)

    def crash(self):
        while not self.is_over.wait(0.02):
            self.is_on.wait()
            module = self.host.module("hostile")
            if module["state"] in ("running", "starting") and module["pid"] not in (0, self.last):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(module["pid"], signal.SIGKILL)
                self.last = module["pid"]
                self.steps += 1

    def end(self):
        self.is_over.set()
        self.go_on()
        self.thread.join()


@pytest.fixture(name="host", scope="module")
def host_with_two_tenants(tmp_path_factory):
    if not os.path.exists(STORE):
        pytest.skip("the storage module is not built: there is no RocksDB")
    directory = tmp_path_factory.mktemp("tenants")
    os.chmod(directory, 0o755)
    with TwoTenants(directory, working={"module": "store", "slo": PROMISE}, hostile={"module": "store", "pool": "pool"}) as host:
        for name in ("working", "hostile"):
            eventually(lambda name=name: host.is_running(name))
        yield host


@pytest.fixture(name="ledger", scope="module")
def working_tenant(host):
    ledger = Ledger(host.path("working.module.sock"))
    ledger.rate_per_s(1)  # until caches are warm
    yield ledger
    ledger.close()


class Rounds:
    """Of the ledger's work, of one kind: with attacks or without."""

    def __init__(self):
        self.rates_per_s, self.guaranteed, self.missed = [], 0, 0

    def add(self, host, ledger):
        before = host.module("working")["gate"]
        self.rates_per_s.append(ledger.rate_per_s(ROUND_S))
        gate = host.module("working")["gate"]
        self.guaranteed += gate["guaranteed_requests"] - before["guaranteed_requests"]
        self.missed += gate["guaranteed_missed"] - before["guaranteed_missed"]

    def missed_share(self):
        assert self.guaranteed > 0
        return self.missed / self.guaranteed

    def __str__(self):
        return f"{' '.join(f'{rate:.0f}' for rate in self.rates_per_s)} per second, {self.missed_share():.1%} of {self.guaranteed} I/Os too late"


def expect_unharmed(host, ledger, attacks):
    """In turns with and without them: what else the machine does then is the same for both."""
    process = host.module("working")["pid"]
    alone, together = Rounds(), Rounds()
    eventually(lambda: host.is_running("hostile"), limit_s=60)
    with contextlib.ExitStack() as ends:
        for attack in attacks:
            ends.callback(attack.end)
        for attack in attacks:
            attack.begin()
        for rounds, change in [(alone, "pause"), (together, "go_on")] * ROUNDS:
            for attack in attacks:
                getattr(attack, change)()
            rounds.add(host, ledger)
    print(f"alone: {alone}; together: {together}")
    assert ledger.ask("check") == "right"
    assert host.module("working")["pid"] == process and host.module("working")["restarts"] == 0
    assert together.missed_share() <= alone.missed_share() + MISSED_MAX
    assert sum(together.rates_per_s) >= RATE_KEPT_MIN * sum(alone.rates_per_s)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_tenant_that_attacks_harms_no_other(host, ledger, name):
    expect_unharmed(host, ledger, [Attack(host, name)])


def test_a_tenant_whose_module_crashes_for_ever_harms_no_other(host, ledger):
    expect_unharmed(host, ledger, [Crashes(host)])


def test_all_attacks_at_the_same_time_harm_no_other(host, ledger):
    attacks = [Attack(host, name, CONNECTIONS // len(ATTACKS)) for name in ATTACKS]
    expect_unharmed(host, ledger, [*attacks, Crashes(host)])
