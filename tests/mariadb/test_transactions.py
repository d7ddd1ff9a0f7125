"""Isolation, locks, savepoints and two-phase commit."""

import signal

import pytest
from server import Session

DEADLOCK, LOCK_WAIT_TIMEOUT, DUPLICATE, NO_CONNECTION = 1213, 1205, 1062, 1030


@pytest.fixture
def numbers(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE; INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)")
    return table


@pytest.mark.parametrize("level, seen", [("READ UNCOMMITTED", ["10", "11"]), ("READ COMMITTED", ["10", "11"]), ("REPEATABLE READ", ["10", "10"])])
def test_a_level_of_isolation_says_what_a_second_read_sees(numbers, level, seen):
    with Session(numbers, f"SET SESSION TRANSACTION ISOLATION LEVEL {level}", "BEGIN") as reader:
        first = reader.ask("SELECT b FROM t WHERE a = 1")
        numbers.ask("UPDATE t SET b = 11 WHERE a = 1")
        assert first + reader.ask("SELECT b FROM t WHERE a = 1") == seen


def test_a_serializable_read_keeps_writers_out(numbers):
    with Session(numbers, "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN") as reader, Session(numbers) as writer:
        reader.ask("SELECT * FROM t WHERE a = 1")
        assert writer.error("SET STATEMENT sluice_lock_wait_timeout = 0 FOR UPDATE t SET b = 0 WHERE a = 1") == LOCK_WAIT_TIMEOUT


def test_nowait_fails_at_once_and_skip_locked_leaves_rows_out(numbers):
    with Session(numbers, "BEGIN") as one, Session(numbers, "BEGIN") as other:
        one.ask("SELECT * FROM t WHERE a = 2 FOR UPDATE")
        assert other.error("SELECT * FROM t WHERE a = 2 FOR UPDATE NOWAIT") == LOCK_WAIT_TIMEOUT
        assert other.ask("SELECT a FROM t FOR UPDATE SKIP LOCKED") == ["1", "3"]


def test_shared_locks_are_shared(numbers):
    with Session(numbers, "BEGIN") as one, Session(numbers, "BEGIN") as other:
        assert one.ask("SELECT b FROM t WHERE a = 1 LOCK IN SHARE MODE") == other.ask("SELECT b FROM t WHERE a = 1 LOCK IN SHARE MODE") == ["10"]


def test_one_of_a_deadlock_is_rolled_back_as_a_whole(numbers):
    with Session(numbers, "BEGIN") as one, Session(numbers, "BEGIN") as other:
        one.ask("UPDATE t SET b = 100 WHERE a = 1")
        other.ask("UPDATE t SET b = 200 WHERE a = 2")
        one.send("UPDATE t SET b = 100 WHERE a = 2")
        lines = other.ask("UPDATE t SET b = 200 WHERE a = 1") + one.receive()
        assert sum(f"ERROR {DEADLOCK}" in line for line in lines) == 1
        one.ask("COMMIT")
        other.ask("COMMIT")
    assert numbers.ask("SELECT b FROM t WHERE a < 3 ORDER BY a") in (["100", "100"], ["200", "200"])


@pytest.mark.parametrize("log_format", ["ROW", "STATEMENT"])
@pytest.mark.parametrize("statement, left", [("REPLACE INTO u SELECT * FROM t", ["10", "20", "90"]), ("DELETE u FROM u, t WHERE u.a = t.a", []),
                                             ("UPDATE u, t SET u.b = t.b WHERE u.a = t.a", ["90"]),
                                             ("INSERT INTO u VALUES (8, (SELECT MAX(b) FROM t))", ["90", "9"])])
def test_rows_that_a_statement_goes_by_are_those_of_now_and_stay(numbers, log_format, statement, left):
    numbers.ask("CREATE TABLE u (a INT PRIMARY KEY, b INT) ENGINE=SLUICE; INSERT INTO u VALUES (9, 9)")
    with Session(numbers, f"SET binlog_format = {log_format}", "BEGIN", "SELECT * FROM t") as one:
        numbers.ask("UPDATE t SET a = 9, b = 90 WHERE a = 3")
        assert one.error(statement) == 0
        status, _, error = numbers.run("SET STATEMENT sluice_lock_wait_timeout = 0 FOR UPDATE t SET b = 0 WHERE a = 9")
        assert status and str(LOCK_WAIT_TIMEOUT) in error
        assert one.ask("SELECT b FROM u ORDER BY a") == left


def test_savepoints_undo_what_came_after_them(numbers):
    with Session(numbers, "BEGIN") as one:
        one.ask("UPDATE t SET b = 1 WHERE a = 1; SAVEPOINT x; UPDATE t SET b = 2 WHERE a = 2; SAVEPOINT y; DELETE FROM t")
        one.ask("ROLLBACK TO y")
        assert one.ask("SELECT b FROM t ORDER BY a") == ["1", "2", "30"]
        one.ask("ROLLBACK TO x; INSERT INTO t VALUES (4, 40); COMMIT")
    assert numbers.ask("SELECT b FROM t ORDER BY a") == ["1", "20", "30", "40"]


def test_a_statement_that_fails_is_undone_alone(numbers):
    with Session(numbers, "BEGIN") as one:
        for i in range(200):  # more than are kept behind
            one.ask(f"UPDATE t SET b = b + 1 WHERE a = 1")
        assert one.error("UPDATE t SET a = a + 1 ORDER BY a") == DUPLICATE
        one.ask("COMMIT")
    assert numbers.ask("SELECT a, b FROM t ORDER BY a") == ["1\t210", "2\t20", "3\t30"]


def test_a_prepared_transaction_survives_its_server(numbers):
    with Session(numbers) as one:
        one.ask("XA START 'one'; INSERT INTO t VALUES (7, 70); XA END 'one'; XA PREPARE 'one'")
    with Session(numbers) as two:
        two.ask("XA START 'two'; INSERT INTO t VALUES (8, 80); XA END 'two'; XA PREPARE 'two'")
    numbers.stop(signal.SIGKILL)
    numbers.start()
    assert len(numbers.ask("XA RECOVER")) == 2
    numbers.ask("XA COMMIT 'one'; XA ROLLBACK 'two'")
    assert numbers.ask("SELECT a FROM t") == ["1", "2", "3", "7"]


def test_a_consistent_snapshot_is_of_when_it_was_asked_for(numbers):
    with Session(numbers, "START TRANSACTION WITH CONSISTENT SNAPSHOT") as one:
        numbers.ask("DELETE FROM t")
        assert one.ask("SELECT COUNT(*) FROM t") == ["3"]


def test_a_module_that_is_lost_costs_the_transaction_and_no_more(numbers, module):
    with Session(numbers, "BEGIN", "INSERT INTO t VALUES (5, 50)") as one:
        module.restart_module()
        assert one.error("INSERT INTO t VALUES (6, 60)") in (NO_CONNECTION, 1296, 1030)
        one.ask("ROLLBACK")
        assert one.ask("SELECT a FROM t") == ["1", "2", "3"]
        assert one.error("INSERT INTO t VALUES (6, 60)") == 0
