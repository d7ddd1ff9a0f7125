"""A database in a guest whose engine is a module of the host, beside one whose files are on a disk."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

import pytest

from daemon import BUILD, ROOT, Sluiced

for folder in ("mariadb-guest", "modules"):
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))

import database_guest  # noqa: E402
from database_guest import DatabaseGuest, Region  # noqa: E402
from module_user import AS_CALLER  # noqa: E402
from sysbench import SCHEMA, Sysbench  # noqa: E402

DEMO_LIMIT_S = 600
STATEMENTS = {"oltp_point_select": 1, "oltp_write_only": 6, "oltp_read_write": 20}  # per transaction, begin and commit among them
ROUND_TRIPS_MAX = 3  # per statement; however many rows it reads, as they come in batches
ROWS = 200
COMMITS = 40  # acknowledged before the guest is killed
COMMITS_LIMIT_S = 120
MODULE_LIMIT_S = 30
WRITER = (r"""seq 1 1000000 | awk '{ printf "insert into acknowledged values (%d); select \"acknowledged %d\";\n", $1, $1 }' | """
          f"mariadb --defaults-file=/etc/my.cnf -N -B --unbuffered {SCHEMA['sluice']} >/dev/ttyS0")


STORE = os.path.join(BUILD, "src", "offload", "modules", "store", "store.so")


@pytest.fixture(scope="module", autouse=True)
def image():
    if not os.path.exists(STORE):
        pytest.skip("the storage module is not built: there is no RocksDB")
    try:
        database_guest.build_database_image()
    except database_guest.NoDatabaseGuest as reason:
        pytest.skip(str(reason))


@pytest.fixture(name="demo", scope="module")
def shown_by_demo():
    shown = subprocess.run([os.path.join(ROOT, "demo", "db"), "--json", "--transactions=20", f"--rows={ROWS}"], stdout=subprocess.PIPE,
                           check=True, timeout=DEMO_LIMIT_S).stdout
    return json.loads(shown)


def test_both_engines_have_the_same_rows(demo):
    assert demo["rows_equal"] is True


def test_statements_take_few_round_trips_to_the_module_and_no_exits(demo):
    for workload, engines in demo["workloads"].items():
        result = engines["sluice"]
        module = result["crossings"]["module"]
        assert 0 < module["requests"] <= ROUND_TRIPS_MAX * STATEMENTS[workload] * result["outcome"]["transactions"]
        # A doorbell is for a hypervisor core that sleeps; one that polls has none. The guest may be held up for that long now and then.
        assert module["doorbells"] <= result["outcome"]["transactions"] and module["interrupts"] == 0


def test_the_modules_tables_are_not_on_the_disk(demo):
    for engines in demo["workloads"].values():
        result = engines["sluice"]
        assert result["crossings"]["disk"]["requests"] < result["outcome"]["transactions"]


def test_an_engine_on_a_disk_leaves_the_guest_for_each_commit(demo):
    for workload in ("oltp_write_only", "oltp_read_write"):
        result = demo["workloads"][workload]["innodb"]
        assert result["crossings"]["disk"]["requests"] >= result["outcome"]["transactions"]
        assert result["crossings"]["module"]["requests"] == 0


class SluicedWithModule(Sluiced):
    def __init__(self, directory, region):
        super().__init__(directory, {"data": "size: 512MiB"})
        self.region = region
        with open(self.path("sluice.yaml"), "a") as file:
            module = {"name": "store", "module": "store", "directory": self.path("store"), "socket": self.path("store.sock"),
                      "region": region, **AS_CALLER}
            file.write(f"modules:\n  - {json.dumps(module)}\n")

    def wait_for_module(self):
        deadline = time.monotonic() + MODULE_LIMIT_S
        while self.ask("module.show", name="store")["state"] != "running":
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture(name="server")
def sluiced_with_module(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        server = SluicedWithModule(tmp_path, os.path.join(memory, "store"))
        database_guest.make_data_disk(server.path("pool/data.img"))
        with server:
            server.wait_for_module()
            yield server


def acknowledged(guest):
    """The highest number. An emulated serial port loses characters, which makes numbers smaller, and never larger."""
    return max(map(int, re.findall(r"^acknowledged (\d+)\r?$", guest.tail("console.log", 1000000), re.M)), default=0)


def write_until_killed(guest):
    with guest:
        guest.start_server()
        client = Sysbench(guest, "sluice", ROWS, threads=2)
        client.prepare()
        guest.sql(f"create table {SCHEMA['sluice']}.acknowledged (number bigint primary key) engine=sluice")
        guest.run("sync")
        client.begin("oltp_write_only", 1000000)
        guest.begin(WRITER)
        deadline = time.monotonic() + COMMITS_LIMIT_S
        while acknowledged(guest) < COMMITS:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        guest.process.kill()
        guest.process.wait()
        return acknowledged(guest)


def test_what_was_committed_outlives_a_guest_that_is_killed(server, tmp_path):
    guest = DatabaseGuest(server.socket("data"), str(tmp_path), Region(server.region))
    last = write_until_killed(guest)
    with guest:
        guest.start_server()
        numbers = list(map(int, guest.sql(f"select number from {SCHEMA['sluice']}.acknowledged order by number").split()))
        # What was on its way to the console may be there, too.
        assert len(numbers) >= last and numbers == list(range(1, len(numbers) + 1))
        # Each transaction of sysbench deletes a row and inserts one.
        assert guest.sql(f"select count(*) from {SCHEMA['sluice']}.sbtest1").strip() == str(ROWS)
