"""A guest whose MariaDB has its tables in a module is killed while transactions run, alone or with what serves it: what was committed is
there, and nothing else is.

SLUICE_SOAK and SLUICE_SEED are as in test_kills.py; of five kills there, one is done here.
"""

import os
import random
import signal
import tempfile

import pytest
import server as mariadb
from guest_server import GuestServer, NoDatabaseGuest, build_database_image, make_data_disk
from server import Module
from test_kills import SEED, check_kills

KILLS = max(1, int(os.environ.get("SLUICE_SOAK", "0")) // 5)
WORK_S = (2, 6)  # emulated
VICTIMS = ["guest", "guest and module", "guest and sluiced"]


@pytest.fixture(name="machine")
def module_and_guest(engine, tmp_path_factory):
    try:
        build_database_image()
    except NoDatabaseGuest as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("guest-kills")
    mariadb.let_others_in(folder, tmp_path_factory)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        region, pool = os.path.join(memory, "store"), folder / "pool"
        pool.mkdir()
        make_data_disk(pool / "data.img")
        module = Module(folder / "module", f"    region: {region}\npools:\n  - {{name: pool, path: {pool}}}\n"
                        f"disks:\n  - {{name: data, size: 512MiB, socket: {folder}/data.sock}}\n").start()
        server = GuestServer(folder / "guest", f"{folder}/data.sock", region)
        try:
            server.start()
            server.ask("CREATE DATABASE IF NOT EXISTS test", database="mysql")
            yield module, server
        finally:
            server.guest.kill()
            module.stop(signal.SIGKILL)


def test_a_guest_that_is_killed_loses_only_what_it_had_not_committed(machine):
    check_kills(machine, random.Random(SEED), (VICTIMS[number % len(VICTIMS)] for number in range(KILLS)), WORK_S)
