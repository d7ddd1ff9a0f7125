"""Whatever is killed while transactions run, what was committed is there, and nothing else is.

SLUICE_SOAK is how many kills (`make soak-db` asks for many), SLUICE_SEED the seed of a run that is to be repeated.
"""

import collections
import os
import random
import signal
import time

import pytest
import server as mariadb
from server import Module, Server
from workload import Workload

KILLS = int(os.environ.get("SLUICE_SOAK", "6"))
SEED = os.environ.get("SLUICE_SEED") or str(random.randrange(2 ** 32))
SECONDS_MAX = 1.5  # of work before a kill
VICTIMS = ["mariadbd", "module", "sluiced", "mariadbd and module", "mariadbd and sluiced", "all"]


def kill(module, server, victim):
    """At once, as far as that can be; then wait for what is nobody's child here."""
    processes = module.processes()
    names = ("mariadbd", "module", "sluiced") if victim == "all" else victim.split(" and ")
    if "sluiced" in names:
        module.process.kill()
    if "module" in names:
        for process in processes:
            os.kill(process, signal.SIGKILL)
    if "mariadbd" in names or "guest" in names:
        server.process.kill()
        server.process.wait()
    if "sluiced" in names:
        module.process.wait()
        module.log.close()
    return names


def restart(module, server, names):
    if "sluiced" in names:
        module.start()
    elif "module" in names:
        time.sleep(0.1)
        module.wait()
    if "mariadbd" in names or "guest" in names:
        server.start()
    else:
        time.sleep(0.5)  # sessions that have lost the module find it again


def check_kills(machine, chosen, victims, work_s):
    """Each victim in turn, at a moment of the work that is chosen between the two of `work_s`."""
    module, server = machine
    done = collections.Counter()
    workload = Workload(server, SEED)
    workload.create()
    print(f"\nSLUICE_SEED={SEED}")
    for number, victim in enumerate(victims, 1):
        workload.start()
        time.sleep(chosen.uniform(*work_s))
        names = kill(module, server, victim)
        restart(module, server, names)
        workload.stop()
        done[victim] += 1
        workload.verify()
        print(f"kill {number}: {victim}; {workload.counts}", flush=True)
    print(f"SLUICE_SEED={SEED}: {sum(done.values())} kills ({dict(done)}), transactions: {workload.counts}, {dict(workload.kinds)}")
    workload.see_that_kinds_were_mixed()


def each_and_then_any(chosen, count):
    for number in range(count):
        yield VICTIMS[number] if number < len(VICTIMS) else chosen.choice(VICTIMS)


@pytest.fixture(params=["binary log", "no binary log"])
def machine(engine, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("kills")
    mariadb.let_others_in(folder, tmp_path_factory)
    options = ("--log-bin", "--binlog-format=ROW") if request.param == "binary log" else ()
    # With little memory the log is short: it is used several times over.
    module = Module(folder / "module", "    memory_limit: 64MiB\n").start()
    server = Server(folder / "server", module.channel, *options)
    try:
        server.install().start()
        server.ask("CREATE DATABASE IF NOT EXISTS test", database="mysql")
        yield module, server
    finally:
        if server.process:
            server.stop(signal.SIGKILL)
        module.stop(signal.SIGKILL)


def test_a_kill_at_any_moment_costs_only_what_was_not_committed(machine):
    chosen = random.Random(SEED)
    check_kills(machine, chosen, each_and_then_any(chosen, -(-KILLS // 2)), (0.2, SECONDS_MAX))
