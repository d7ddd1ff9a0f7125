"""What the optimizer and people are told about tables: cardinalities, plans, counts; and whether CHECK TABLE looks."""

import json
import os
import subprocess

import pytest
import server as mariadb
from server import Session


@pytest.fixture
def skewed(table):
    """10000 rows: 5 different a, 200 different (a, b), 100 different c in a text, and nearly all d are 1."""
    table.ask("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c VARCHAR(30), d INT, KEY ab (a, b), KEY c (c), KEY d (d DESC)) ENGINE=SLUICE;"
              "INSERT INTO t SELECT seq, seq % 5, seq % 200, CONCAT('text number ', seq % 100), IF(seq < 10, seq, 1) FROM seq_1_to_10000")
    return table


def cardinalities(server):
    return {(fields[2], fields[3]): int(fields[6]) for fields in (line.split("\t") for line in server.ask("SHOW INDEX FROM t"))}


def plan(server, query):
    """The table's part of it."""
    text = "\n".join(server.ask("EXPLAIN FORMAT=JSON " + query)).replace("\\n", "\n")
    found = []

    def visit(node):
        if isinstance(node, dict):
            found.extend([node["table"]] if "table" in node else [])
            for value in node.values():
                visit(value)
        elif isinstance(node, list):
            for value in node:
                visit(value)

    visit(json.loads(text))
    return found[0]


def test_analyze_finds_how_many_different_keys_there_are(skewed):
    assert skewed.ask("ANALYZE TABLE t")[-1].endswith("OK")
    found = cardinalities(skewed)
    expected = {("PRIMARY", "1"): 10000, ("ab", "1"): 5, ("ab", "2"): 200, ("c", "1"): 100, ("d", "1"): 9}
    assert all(number * 0.9 <= found[index] <= number * 1.1 + 1 for index, number in expected.items()), found


def test_what_analyze_found_survives_servers_and_modules(skewed, module):
    skewed.ask("ANALYZE TABLE t")
    before = cardinalities(skewed)
    skewed.stop()
    module.restart_module()
    skewed.start()
    assert cardinalities(skewed) == before


def test_a_join_goes_by_the_index_with_the_fewer_rows_per_key(skewed):
    skewed.ask("CREATE TABLE u (a INT, c VARCHAR(30)) ENGINE=SLUICE; INSERT INTO u SELECT seq, CONCAT('text number ', seq) FROM seq_1_to_3; ANALYZE TABLE t")
    lines = skewed.ask("EXPLAIN SELECT STRAIGHT_JOIN COUNT(t.id + t.b) FROM u JOIN t ON t.a = u.a AND t.c = u.c")
    assert lines[1].split("\t")[5] == "c", lines


def test_a_range_in_memory_is_not_taken_for_the_whole_table(skewed):
    assert 500 <= plan(skewed, "SELECT * FROM t FORCE INDEX (PRIMARY) WHERE id BETWEEN 2000 AND 3000")["rows"] <= 2000


def test_rows_are_counted_where_a_transaction_adds_and_deletes_them(skewed):
    skewed.ask("DELETE FROM t WHERE id > 9000; ANALYZE TABLE t")
    assert skewed.ask("SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_NAME = 't'") == ["9000"]


# ---- Indexes that are enough. ----

ENOUGH = ["TINYINT", "SMALLINT UNSIGNED", "MEDIUMINT", "INT", "BIGINT UNSIGNED", "DECIMAL(12,4)", "DATE", "TIME(3)", "DATETIME(6)", "TIMESTAMP NULL", "YEAR",
          "ENUM('1','2','30')", "SET('1','2','30')"]
NOT_ENOUGH = ["FLOAT", "DOUBLE", "CHAR(10)", "VARCHAR(100)", "BINARY(4)", "BIT(11)", "INET6"]
VALUES = {"DATE": ["2001-01-01", "1999-12-31", "2020-02-29"], "TIME(3)": ["-10:00:00.5", "00:00:01", "100:00:00"], "INET6": ["::1", "fe80::2", "10::"],
          "DATETIME(6)": ["2001-01-01 00:00:00.000001", "1999-12-31 1:2:3", "2020-02-29"],
          "TIMESTAMP NULL": ["2001-01-01 00:00:00", "1999-12-31 1:2:3", "2020-02-29"], "YEAR": ["1999", "2001", "2155"]}


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("column", ENOUGH + NOT_ENOUGH)
def test_an_index_is_said_to_be_enough_where_it_is(table, column, order):
    values = VALUES.get(column, ["1", "30", "2"])
    rows = ", ".join(f"({i}, '{value}', 'x')" if column != "BIT(11)" else f"({i}, {value}, 'x')" for i, value in enumerate(values))
    for name, engine in ("t", "SLUICE"), ("u", "InnoDB"):
        table.ask(f"CREATE TABLE {name} (id INT PRIMARY KEY, c {column}, filler CHAR(200), KEY (c {order})) ENGINE={engine};"
                  f"INSERT INTO {name} VALUES {rows}, (100, NULL, 'x'), (101, NULL, 'x')")
    query = "SELECT id, HEX(c) FROM {} FORCE INDEX (c) ORDER BY c"
    assert ("Using index" in table.ask("EXPLAIN " + query.replace("{}", "t"))[0]) == (column in ENOUGH)
    assert table.ask(query.replace("{}", "t") + ", id") == table.ask(query.replace("{}", "u") + ", id")


def test_an_index_is_not_enough_for_a_primary_key_of_text(table):
    table.ask("CREATE TABLE t (id VARCHAR(10) PRIMARY KEY, c INT, KEY (c)) ENGINE=SLUICE; INSERT INTO t VALUES ('x ', 1), ('Y', 2)")
    assert "Using index" not in table.ask("EXPLAIN SELECT id FROM t FORCE INDEX (c) WHERE c > 0")[0]
    assert table.ask("SELECT CONCAT('<', id, '>') FROM t FORCE INDEX (c) WHERE c > 0") == ["<x >", "<Y>"]


# ---- CHECK TABLE. ----

@pytest.fixture(scope="session")
def spoil(engine, tmp_path_factory):
    """A program that writes to a table behind the server's back."""
    program = str(tmp_path_factory.mktemp("spoil") / "spoil")
    guest = os.path.join(mariadb.ROOT, "guest")
    sources = [os.path.join(guest, room, file) for room in ("channel", "store") for file in os.listdir(os.path.join(guest, room)) if file.endswith(".c")]
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-I", guest, "-o", program, os.path.join(os.path.dirname(__file__), "spoil.c"), *sources, "-lpthread"],
                   check=True)
    return program


@pytest.mark.parametrize("how", ["delete-entry", "move-entry", "delete-row", "change-row"])
def test_check_finds_an_index_that_does_not_agree_with_the_rows(table, module, spoil, how):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE; INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)")
    assert table.ask("CHECK TABLE t") == ["test.t\tcheck\tstatus\tOK"]
    subprocess.run([spoil, "unix:" + module.channel, "test/t", how], check=True)
    lines = table.ask("CHECK TABLE t")
    assert lines[-1] == "test.t\tcheck\terror\tCorrupt" and "index b" in lines[0]


# ---- What the optimizer's questions cost. ----

def requests_of(server, sql):
    """How many requests a statement takes, beyond those of one that reads nothing. The table's numbers are asked for once a second."""
    counts = {"SELECT 1": [], sql: []}
    with Session(server, "SELECT COUNT(*) FROM t") as session:
        for statement in 5 * list(counts):
            before = int(status(server)["Sluice_requests"])
            session.ask(statement)
            counts[statement].append(int(status(server)["Sluice_requests"]) - before)
    return min(counts[sql]) - min(counts["SELECT 1"])


def test_few_rows_of_a_range_are_counted_and_read_at_once(skewed):
    assert requests_of(skewed, "SELECT SUM(b) FROM t WHERE id BETWEEN 101 AND 200") == 2  # and the end of the transaction
    assert requests_of(skewed, "SELECT * FROM t WHERE id = 5") == 2


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_what_was_read_to_be_counted_is_read_once(skewed, isolation):
    with Session(skewed, f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}", "BEGIN") as session:
        for first, last in (101, 200), (101, 5000), (9990, 20000), (30000, 40000):
            there = range(first, min(last, 10000) + 1)
            for _ in range(2):
                assert session.ask(f"SELECT COUNT(*), IFNULL(SUM(id), 0) FROM t WHERE id BETWEEN {first} AND {last}")[-1].split() == \
                    [str(len(there)), str(sum(there))]
            session.ask(f"UPDATE t SET d = d + 1 WHERE id BETWEEN {first} AND {last}")
            session.ask(f"DELETE FROM t WHERE id = {last}")
            session.ask(f"INSERT INTO t SELECT {last}, a, b, c, d FROM t WHERE id BETWEEN {first} AND {first + 1} LIMIT 1")
        assert session.ask("SELECT COUNT(*) FROM t WHERE id BETWEEN 1 AND 3 OR id BETWEEN 2 AND 200 OR id > 9998")[-1] == "203"
        assert session.ask("SELECT id FROM t WHERE id BETWEEN 5 AND 300 ORDER BY id DESC LIMIT 1")[-1] == "300"
        assert session.ask("SELECT COUNT(*) FROM t x JOIN t y ON y.id BETWEEN x.id AND x.id + 2 WHERE x.id BETWEEN 10 AND 12")[-1] == "9"


def test_rows_that_wait_are_seen_by_who_was_counted_before(skewed):
    counted = "(SELECT COUNT(*) FROM t AS x WHERE x.id BETWEEN 101 AND 200)"
    skewed.ask("DELETE FROM t WHERE id = 101")
    with Session(skewed, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") as session:
        assert session.ask(f"INSERT INTO t (id, d) VALUES (101, 0), (20001, 0) RETURNING {counted}")[-2:] == ["100", "100"]


# ---- What is told of the engine. ----

def status(server):
    return dict(line.split("\t") for line in server.ask("SHOW STATUS LIKE 'sluice%'"))


def test_the_status_counts_transactions_and_what_becomes_of_them(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO t VALUES (1)")
    before = status(table)
    table.ask("BEGIN; INSERT INTO t VALUES (2); COMMIT; BEGIN; INSERT INTO t VALUES (3); ROLLBACK")
    with Session(table, "BEGIN", "SELECT * FROM t WHERE a = 1 FOR UPDATE"), Session(table, "BEGIN") as other:
        other.ask("SELECT * FROM t WHERE a = 1 FOR UPDATE NOWAIT")
    after = status(table)
    assert after["Sluice_channel_open"] == "ON"
    for name in "requests", "commits", "rollbacks", "lock_timeouts":
        assert int(after[f"Sluice_{name}"]) > int(before[f"Sluice_{name}"]), name


def test_show_engine_status_tells_of_the_server_and_of_the_module(table):
    text = table.ask("SHOW ENGINE SLUICE STATUS")[0]
    for word in "channel: unix:", "protocol version:", "commits:", "deadlocks:", "round trips:", "connections:", "locks:", "tables:", "bytes on the device:":
        assert word in text, word


# ---- A module that is away. ----

GET_ERRMSG = 1296


def test_a_module_that_is_away_is_named_and_its_return_noticed(table, module):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO t VALUES (1)")
    with Session(table, "SELECT * FROM t") as idle:
        module.stop()
        try:
            for sql in "SHOW ENGINE SLUICE STATUS", "SELECT * FROM t", "INSERT INTO t VALUES (2)", "CREATE TABLE u (a INT) ENGINE=SLUICE":
                answer = idle.ask(sql)
                assert any("storage module" in line or "connect to the storage engine" in line for line in answer), (sql, answer)
            assert idle.error("SHOW ENGINE SLUICE STATUS") == GET_ERRMSG
            assert idle.error("SELECT * FROM t") == GET_ERRMSG
        finally:
            module.start()
        assert idle.error("SHOW ENGINE SLUICE STATUS") == 0
        assert idle.ask("SELECT * FROM t") == ["1"]


def test_a_connection_that_was_idle_while_its_module_was_killed_is_of_use_again(table, module):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO t VALUES (1)")
    with Session(table, "SELECT * FROM t") as idle:
        module.restart_module()
        assert idle.error("SELECT * FROM t") in (0, GET_ERRMSG)
        assert idle.ask("SELECT * FROM t") == ["1"]


# ---- LOCK TABLES. ----

def test_a_table_that_is_locked_for_reading_is_not_written(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=SLUICE; INSERT INTO t VALUES (1)")
    with Session(table, "LOCK TABLE t READ") as one, Session(table, "SET lock_wait_timeout = 1") as other:
        assert other.error("UPDATE t SET a = 2") == 1205
        one.ask("UNLOCK TABLES")
        assert other.error("UPDATE t SET a = 2") == 0
