"""Wherever a server or its module dies in CREATE, DROP, RENAME, ALTER or TRUNCATE, no row is lost, and the same can be asked again.

The server is made to die at each of the calls by which such a statement changes anything (die.c); without SLUICE_SOAK, at some of them.
"""

import collections
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest
import server as mariadb
from server import Module, Server, Session

HERE = os.path.dirname(os.path.abspath(__file__))
IS_SOAK = "SLUICE_SOAK" in os.environ
SEED = os.environ.get("SLUICE_SEED") or str(random.randrange(2 ** 32))
CALLS_MAX = 300  # of one statement
TRIES = 3  # without SLUICE_SOAK
MODULE_LATE_S = 2
ROWS = [f"{number}\t{number * 10}" for number in range(1, 51)]

# What tables there may be after a death, of those that the statement is about; the last is what there is when it is done.
Case = collections.namedtuple("Case", "statement before ends")

CASES = {
    "create": Case("CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE", "", ["", "t"]),
    "create with rows": Case("CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE AS SELECT a, b FROM kept", "", ["", "t"]),
    # Not atomic in MariaDB 10.11, whatever the engine: the old table may be gone, and the new one not be there yet.
    "create or replace": Case("CREATE OR REPLACE TABLE t (a INT PRIMARY KEY, b INT) ENGINE=SLUICE AS SELECT a, b FROM kept", "t", ["", "t"]),
    "drop": Case("DROP TABLE t", "t", ["t", ""]),
    "rename": Case("RENAME TABLE t TO u", "t", ["t", "u"]),
    "alter by a copy": Case("ALTER TABLE t ADD COLUMN c INT DEFAULT 7, ALGORITHM=COPY", "t", ["t"]),
    "alter to another engine": Case("ALTER TABLE t ENGINE=InnoDB", "t", ["t"]),
    "alter to this engine": Case("ALTER TABLE v ENGINE=SLUICE", "v", ["v"]),
    "alter and rename": Case("ALTER TABLE t ADD COLUMN c INT DEFAULT 7, RENAME TO u, ALGORITHM=COPY", "t", ["t", "u"]),
    "truncate": Case("TRUNCATE TABLE t", "t", ["t"]),
}
EMPTY_AFTER = {"create", "truncate"}


@pytest.fixture(scope="module")
def machine(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddl")
    mariadb.let_others_in(folder, tmp_path_factory)
    library, number = str(folder / "die.so"), str(folder / "number")
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "die.c"), "-ldl"], check=True)
    module = Module(folder / "module").start()
    server = Mortal(folder / "server", module.channel, library, number)
    server.module = module
    try:
        server.install().start()
        server.ask("CREATE DATABASE IF NOT EXISTS test", database="mysql")
        server.ask("CREATE TABLE kept (a INT PRIMARY KEY, b INT) ENGINE=SLUICE; INSERT INTO kept SELECT seq, seq * 10 FROM seq_1_to_50")
        yield server
    finally:
        server.stop()
        module.stop()


class Mortal(Server):
    """It dies at a call that it is told, once."""

    def __init__(self, directory, channel, library, number):
        super().__init__(directory, channel, "--log-bin", "--binlog-format=ROW")
        self.number = number
        self.die_at(0)
        self.environment.update(LD_PRELOAD=library, SLUICE_DIE=number)

    def die_at(self, call):
        with open(self.number, "r+b" if os.path.exists(self.number) else "wb") as file:
            file.write(struct.pack("i", call))

    def dies_at(self, call, sql):
        """Whether the statement was not done before so many calls."""
        self.die_at(call)
        status, _, _ = self.run(sql)
        if status:
            self.process.wait(timeout=60)
        self.die_at(0)
        return status != 0

    def tables(self):
        return self.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'test' AND table_name <> 'kept' ORDER BY 1")

    def orphans(self):
        """How many tables the module has that the server does not know."""
        status = "\n".join(self.ask("SHOW ENGINE SLUICE STATUS")).replace("\\n", "\n")
        known = self.ask("SELECT COUNT(*) FROM information_schema.tables WHERE engine = 'SLUICE'")
        return int(re.search(r"^tables: (\d+)$", status, re.M).group(1)) - int(known[0])


def prepare(server, case):
    server.ask("DROP TABLE IF EXISTS t, u, v")
    for table in case.before:
        engine = "InnoDB" if table == "v" else "SLUICE"
        server.ask(f"CREATE TABLE {table} (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE={engine}; INSERT INTO {table} SELECT * FROM kept")


def check(server, name):
    """Every table has its rows. Returns which there are."""
    tables = server.tables()
    assert "".join(tables) in CASES[name].ends, name
    for table in tables:
        rows = server.ask(f"SELECT a, b FROM {table} FORCE INDEX (PRIMARY) ORDER BY a")
        assert rows == ROWS or (rows == [] and name in EMPTY_AFTER), name
        assert server.ask(f"CHECK TABLE {table}")[-1].endswith("OK")
    return "".join(tables)


def do_again(server, name):
    case = CASES[name]
    prepare(server, case)
    server.ask(case.statement)
    assert check(server, name) == case.ends[-1]
    assert server.orphans() == 0


def calls_to_die_at():
    if IS_SOAK:
        return range(1, CALLS_MAX)
    return sorted(random.Random(SEED).sample(range(1, 25), TRIES))


@pytest.mark.parametrize("name", CASES)
def test_a_server_that_dies_in_a_statement_about_tables_leaves_nothing_in_its_way(machine, name):
    case = CASES[name]
    for call in calls_to_die_at():
        prepare(machine, case)
        if not machine.dies_at(call, case.statement):
            break
        machine.start()
        tables = check(machine, name)
        print(f"{name}: died at call {call}, there is: {tables or 'none'}, orphans: {machine.orphans()} (SLUICE_SEED={SEED})", flush=True)
        do_again(machine, name)


@pytest.mark.parametrize("name", ["create", "rename", "drop", "alter by a copy"])
def test_a_server_that_starts_before_its_module_finds_out_what_it_has_left(machine, name):
    case = CASES[name]
    for call in calls_to_die_at() if IS_SOAK else [random.Random(SEED).randrange(4, 13)]:
        prepare(machine, case)
        if not machine.dies_at(call, case.statement):
            break
        machine.module.stop(signal.SIGKILL)
        later = threading.Timer(MODULE_LATE_S, machine.module.start)
        later.start()
        machine.start()
        later.join()
        tables = check(machine, name)
        print(f"{name}: died at call {call}, there is: {tables or 'none'}, orphans: {machine.orphans()} (SLUICE_SEED={SEED})", flush=True)
        do_again(machine, name)


# Statements one after the other that end as they began, while the module dies once: each is done or not.
ROUNDS = {
    "create": "CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE; DROP TABLE t",
    "rename": "RENAME TABLE t TO u; RENAME TABLE u TO t",
    "alter by a copy": "ALTER TABLE t ADD COLUMN c INT DEFAULT 7, ALGORITHM=COPY; ALTER TABLE t DROP COLUMN c, ALGORITHM=COPY",
    "alter and rename": "ALTER TABLE t ADD COLUMN c INT, RENAME TO u, ALGORITHM=COPY; ALTER TABLE u DROP COLUMN c, RENAME TO t, ALGORITHM=COPY",
    "truncate": "TRUNCATE TABLE t; INSERT INTO t SELECT * FROM kept",
}


@pytest.mark.parametrize("name", ROUNDS)
def test_a_module_that_dies_in_a_statement_about_tables_leaves_nothing_in_its_way(machine, name):
    chance = random.Random(SEED)
    for _ in range(20 if IS_SOAK else 2):
        prepare(machine, CASES[name])
        with Session(machine) as session:
            session.send(";\n".join([ROUNDS[name]] * 30))
            time.sleep(chance.uniform(0, 1))
            machine.module.restart_module()
            errors = [line for line in session.receive() if line.startswith("ERROR")]
        tables = check(machine, name)
        print(f"{name}: there is: {tables or 'none'}, orphans: {machine.orphans()}, errors: {errors[:3]} (SLUICE_SEED={SEED})", flush=True)
        do_again(machine, name)


def test_a_statement_about_tables_waits_for_a_module_that_is_not_back_yet(machine):
    prepare(machine, CASES["truncate"])
    machine.module.stop(signal.SIGKILL)
    later = threading.Timer(MODULE_LATE_S, machine.module.start)
    later.start()
    machine.ask("DROP TABLE t")
    later.join()
    assert machine.orphans() == 0


# ---- Where the server and the module do not agree, for whatever reason. ----

def forget(server, table):
    """The server knows it no more; the module does."""
    server.ask("FLUSH TABLES")
    os.unlink(os.path.join(server.data, "test", f"{table}.frm"))


def test_a_table_with_rows_that_the_server_does_not_know_gets_another_name(machine):
    prepare(machine, CASES["drop"])
    definition = os.path.join(machine.data, "test", "t.frm")
    kept_definition = open(definition, "rb").read()
    forget(machine, "t")
    machine.ask("CREATE TABLE t (c INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO t VALUES (1)")
    assert machine.ask("SELECT * FROM t") == ["1"]
    with open(machine.log, errors="replace") as log:
        name = re.search(r"it is called 'test/(\w+)' now", log.read()).group(1)
    # Whoever has its definition has its rows.
    with open(os.path.join(machine.data, "test", f"{name}.frm"), "wb") as file:
        file.write(kept_definition)
    mariadb.give_to_user(os.path.join(machine.data, "test", f"{name}.frm"))
    assert machine.ask(f"SELECT a, b FROM {name} ORDER BY a") == ROWS
    machine.ask(f"DROP TABLE {name}")
    assert machine.orphans() == 0


def test_a_table_without_rows_that_the_server_does_not_know_is_nothing_in_the_way(machine):
    prepare(machine, CASES["create"])
    machine.ask("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=SLUICE")
    forget(machine, "t")
    assert machine.orphans() == 1
    machine.ask("CREATE TABLE t (a INT PRIMARY KEY, b INT) ENGINE=SLUICE; INSERT INTO t VALUES (1, 2)")
    assert machine.orphans() == 0


def test_a_table_whose_only_rows_are_prepared_gets_another_name(machine):
    prepare(machine, CASES["create"])
    machine.ask("CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE")
    with Session(machine) as one:
        one.ask("XA START 'one'; INSERT INTO t VALUES (7, 70); XA END 'one'; XA PREPARE 'one'")
    machine.stop(signal.SIGKILL)
    machine.start()
    forget(machine, "t")
    machine.ask("CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE")
    machine.ask("XA COMMIT 'one'")
    assert machine.ask("SELECT * FROM t") == []
    assert machine.orphans() == 1
    # Under the name that it has now, the new one's definition is good for it, too.
    definition = os.path.join(machine.data, "test", "t_left_1.frm")
    shutil.copy(os.path.join(machine.data, "test", "t.frm"), definition)
    mariadb.give_to_user(definition)
    assert machine.ask("SELECT a, b FROM t_left_1") == ["7\t70"]
    machine.ask("DROP TABLE t_left_1")
    assert machine.orphans() == 0


def test_a_table_is_renamed_to_what_the_module_alone_knows(machine):
    prepare(machine, CASES["drop"])
    machine.ask("CREATE TABLE u (a INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO u VALUES (1)")
    forget(machine, "u")
    machine.ask("RENAME TABLE t TO u")
    assert machine.ask("SELECT a, b FROM u ORDER BY a") == ROWS
    machine.ask("DROP TABLE u_left_1")
    assert machine.orphans() == 0


def test_a_table_that_the_module_alone_knows_can_be_dropped(machine):
    prepare(machine, CASES["drop"])
    forget(machine, "t")
    machine.ask("DROP TABLE t")
    assert machine.orphans() == 0


def test_with_a_database_goes_what_the_module_alone_knows_of_it(machine):
    machine.ask("CREATE DATABASE other; CREATE DATABASE others; CREATE TABLE others.t (a INT PRIMARY KEY) ENGINE=SLUICE")
    machine.ask("CREATE TABLE other.t (a INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO other.t VALUES (1); FLUSH TABLES")
    os.unlink(os.path.join(machine.data, "other", "t.frm"))
    machine.ask("DROP DATABASE other")
    assert machine.orphans() == 0
    assert machine.ask("SELECT COUNT(*) FROM others.t") == ["0"]
    machine.ask("DROP DATABASE others")


def test_a_table_that_the_server_alone_knows_can_be_dropped_and_made_anew(machine):
    prepare(machine, CASES["drop"])
    machine.ask("FLUSH TABLES")
    os.rename(os.path.join(machine.data, "test", "t.frm"), os.path.join(machine.data, "test", "u.frm"))
    assert machine.run("SELECT * FROM u")[0] != 0
    machine.ask("DROP TABLE u; CREATE TABLE u (a INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO u VALUES (1); DROP TABLE t")
    assert machine.orphans() == 0
