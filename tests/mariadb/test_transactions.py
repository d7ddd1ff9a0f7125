"""Isolation, locks, savepoints and two-phase commit."""

import signal

import pytest
from server import Session, connection_id, send_and_wait

DEADLOCK, LOCK_WAIT_TIMEOUT, DUPLICATE, INTERRUPTED, NO_CONNECTION = 1213, 1205, 1062, 1317, 1030


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


def at_level(level):
    return f"SET SESSION TRANSACTION ISOLATION LEVEL {level}"


def is_refused(session, sql):
    """Whether it would have to wait for a lock."""
    error = session.error(f"SET STATEMENT sluice_lock_wait_timeout = 0 FOR {sql}")
    assert error in (0, LOCK_WAIT_TIMEOUT)
    return error == LOCK_WAIT_TIMEOUT


# By which index what is read, what must not come in, and what may.
RANGES = {
    "a range of the primary key": ("PRIMARY", "a BETWEEN 2 AND 5", "(4, 0)", "(6, 0)"),
    "a primary key that is not there": ("PRIMARY", "a = 4", "(4, 0)", "(5, 0)"),
    "a range of an index": ("b", "b BETWEEN 15 AND 25", "(8, 22)", "(9, 26)"),
    "a value of an index that is not there": ("b", "b = 25", "(8, 25)", "(9, 26)"),
    "a value of an index that is there": ("b", "b = 20", "(8, 20)", "(9, 21)"),
    "all of an index's end": ("b", "b > 25", "(8, 1000)", "(9, 24)"),
}


@pytest.mark.parametrize("index, where, phantom, harmless", RANGES.values(), ids=RANGES)
def test_a_serializable_read_keeps_phantoms_out(numbers, index, where, phantom, harmless):
    read = f"SELECT a, b FROM t FORCE INDEX ({index}) WHERE {where}"
    with Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as reader, Session(numbers) as writer:
        seen = reader.ask(read)
        assert is_refused(writer, f"INSERT INTO t VALUES {phantom}")
        assert not is_refused(writer, f"INSERT INTO t VALUES {harmless}")
        assert reader.ask(read) == seen
        reader.ask("COMMIT")
        assert not is_refused(writer, f"INSERT INTO t VALUES {phantom}")


@pytest.mark.parametrize("read", ["SELECT * FROM t ORDER BY a LIMIT 2", "SELECT * FROM t ORDER BY a DESC LIMIT 2"])
def test_a_serializable_read_locks_as_far_as_it_has_looked(numbers, read):
    numbers.ask("INSERT INTO t SELECT seq * 10, 0 FROM seq_1_to_20")
    with Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as reader, Session(numbers) as writer:
        reader.ask(read)
        refused = [is_refused(writer, f"INSERT INTO t VALUES ({a}, 0)") for a in (-1, 105, 1000)]
        assert refused == ([True, False, False] if "DESC" not in read else [False, False, True])


def test_rows_are_not_moved_into_a_range_that_was_read(numbers):
    with Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as reader, Session(numbers) as writer:
        assert reader.ask("SELECT a FROM t FORCE INDEX (b) WHERE b BETWEEN 15 AND 25") == ["2"]
        assert is_refused(writer, "UPDATE t SET b = 16 WHERE a = 1")
        assert is_refused(writer, "UPDATE t SET b = 14 WHERE a = 2")
        assert not is_refused(writer, "UPDATE t SET b = 26 WHERE a = 1")


LEVELS = {  # whether somebody else inserts what a statement that locks has looked for in vain, and what a plain SELECT has
    "READ COMMITTED": (False, False),
    "REPEATABLE READ": (True, False),
    "SERIALIZABLE": (True, True),
}


@pytest.mark.parametrize("statement", ["SELECT a FROM t WHERE b = 15 FOR UPDATE", "SELECT a FROM t WHERE b = 15 LOCK IN SHARE MODE",
                                       "UPDATE t SET b = 0 WHERE b = 15", "DELETE FROM t WHERE b = 15"])
@pytest.mark.parametrize("level", LEVELS)
def test_what_a_statement_with_locks_has_not_found_stays_so_from_repeatable_read_on(numbers, level, statement):
    with Session(numbers, at_level(level), "BEGIN") as one, Session(numbers) as other:
        assert one.ask(statement) == []
        assert is_refused(other, "INSERT INTO t VALUES (4, 15)") == LEVELS[level][0]


@pytest.mark.parametrize("level", LEVELS)
def test_a_plain_read_keeps_writers_out_where_it_is_serializable(numbers, level):
    with Session(numbers, at_level(level), "BEGIN") as one, Session(numbers) as other:
        assert one.ask("SELECT a FROM t WHERE b = 15") == []
        assert is_refused(other, "INSERT INTO t VALUES (4, 15)") == LEVELS[level][1]


def test_a_serializable_read_outside_of_a_transaction_keeps_nobody_out(numbers):
    with Session(numbers, at_level("SERIALIZABLE")) as reader, Session(numbers) as writer:
        assert reader.ask("SELECT COUNT(*) FROM t") == ["3"]
        assert not is_refused(writer, "INSERT INTO t VALUES (4, 15)")


def test_a_range_without_rows_that_others_have_is_nobodys(numbers):
    with Session(numbers, "BEGIN") as one, Session(numbers) as other:
        assert one.ask("SELECT a FROM t WHERE a < 10 FOR UPDATE SKIP LOCKED") == ["1", "2", "3"]
        assert not is_refused(other, "INSERT INTO t VALUES (4, 15)")


def test_two_who_look_for_the_same_missing_row_to_insert_it_come_one_after_the_other(numbers):
    with Session(numbers, "BEGIN") as one, Session(numbers, "BEGIN") as other:
        assert one.ask("SELECT a FROM t WHERE b = 15 FOR UPDATE") == []
        send_and_wait(numbers, other, "SELECT a FROM t WHERE b = 15 FOR UPDATE")
        one.ask("INSERT INTO t VALUES (4, 15); COMMIT")
        assert other.receive() == ["4"]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_an_insert_waits_for_the_end_of_a_serializable_reader_and_goes_on(numbers, end):
    read = "SELECT a FROM t FORCE INDEX (PRIMARY) ORDER BY a"
    with Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as reader, Session(numbers) as writer:
        assert reader.ask(read) == ["1", "2", "3"]
        send_and_wait(numbers, writer, "INSERT INTO t VALUES (4, 40)")
        assert reader.ask(read) == ["1", "2", "3"]
        reader.ask(end)
        assert writer.receive() == []
    assert numbers.ask(read) == ["1", "2", "3", "4"]


def test_a_reader_waits_for_the_end_of_who_has_inserted_into_its_range(numbers):
    with Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as reader, Session(numbers, "BEGIN", "INSERT INTO t VALUES (4, 40)") as writer:
        send_and_wait(numbers, reader, "SELECT a FROM t ORDER BY a")
        writer.ask("COMMIT")
        assert reader.receive() == ["1", "2", "3", "4"]


def test_one_of_two_that_would_be_a_write_skew_is_rolled_back(numbers):
    """Each finds no row of 15 and makes one: after each other, only one of them would."""
    sessions = [Session(numbers, at_level("SERIALIZABLE"), "BEGIN") for _ in range(2)]
    one, other = sessions
    for session in sessions:
        assert session.ask("SELECT COUNT(*) FROM t WHERE b = 15") == ["0"]
    send_and_wait(numbers, one, "INSERT INTO t VALUES (4, 15)")
    assert other.error("INSERT INTO t VALUES (5, 15)") == DEADLOCK
    assert one.receive() == []
    for session in sessions:
        session.ask("COMMIT")
        session.close()
    assert numbers.ask("SELECT a FROM t WHERE b = 15") == ["4"]


def test_transactions_that_wait_for_each_others_ranges_are_a_deadlock(numbers):
    with Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as one, Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as other:
        one.ask("SELECT * FROM t WHERE a BETWEEN 10 AND 20")
        other.ask("SELECT * FROM t WHERE a BETWEEN 30 AND 40")
        send_and_wait(numbers, one, "INSERT INTO t VALUES (35, 0)")
        assert other.error("INSERT INTO t VALUES (15, 0)") == DEADLOCK
        assert one.receive() == []


def test_kill_ends_an_insert_that_waits_for_a_range(numbers):
    with Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as reader, Session(numbers, "SET sluice_lock_wait_timeout = 3600", "BEGIN") as writer:
        reader.ask("SELECT * FROM t")
        number = connection_id(writer)
        send_and_wait(numbers, writer, "INSERT INTO t VALUES (4, 40)")
        numbers.ask(f"KILL QUERY {number}")
        assert any(f"ERROR {INTERRUPTED}" in line for line in writer.receive())
        reader.ask("COMMIT")
        assert writer.error("INSERT INTO t VALUES (4, 40)") == 0
        writer.ask("COMMIT")
    assert numbers.ask("SELECT a FROM t ORDER BY a") == ["1", "2", "3", "4"]


def test_a_table_that_is_read_as_a_whole_is_one_lock(numbers):
    numbers.ask("INSERT INTO t SELECT seq, seq FROM seq_100_to_5000")
    with Session(numbers, at_level("SERIALIZABLE"), "BEGIN") as reader:
        reader.ask("SELECT SUM(b) FROM t IGNORE INDEX (b)")
        status = numbers.ask("SHOW ENGINE SLUICE STATUS")[0].split("\\n")  # as the client writes it
        assert "locks: 0" in status and "locked intervals: 1" in status


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
