"""KILL ends what waits, and nobody else notices; a wait ends by itself after sluice_lock_wait_timeout."""

import pytest
from server import Session, connection_id, send_and_wait

LOCK_WAIT_TIMEOUT, INTERRUPTED = 1205, 1317


@pytest.fixture
def numbers(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE; INSERT INTO t SELECT seq, seq FROM seq_1_to_200")
    return table


def test_kill_query_ends_a_wait_for_a_lock_and_its_statement_alone(numbers):
    with Session(numbers, "BEGIN") as holder, Session(numbers, "SET sluice_lock_wait_timeout = 3600", "BEGIN") as waiter:
        holder.ask("UPDATE t SET b = 1000 WHERE a = 1")
        waiter.ask("UPDATE t SET b = 2000 WHERE a = 2")
        number = connection_id(waiter)
        send_and_wait(numbers, waiter, "UPDATE t SET b = 3000 WHERE a = 1")
        numbers.ask(f"KILL QUERY {number}")
        assert any(f"ERROR {INTERRUPTED}" in line for line in waiter.receive())
        holder.ask("COMMIT")
        # What was killed is over: the connection waits again, and keeps what it had.
        assert waiter.error("UPDATE t SET b = 4000 WHERE a = 1") == 0
        waiter.ask("COMMIT")
    assert numbers.ask("SELECT b FROM t WHERE a < 3 ORDER BY a") == ["4000", "2000"]


def test_after_kill_query_a_connection_waits_as_before(numbers):
    with Session(numbers, "BEGIN") as holder, Session(numbers, "SET sluice_lock_wait_timeout = 3600") as waiter:
        holder.ask("UPDATE t SET b = 1000 WHERE a = 1")
        number = connection_id(waiter)
        for _ in range(3):
            send_and_wait(numbers, waiter, "UPDATE t SET b = 3000 WHERE a = 1")
            numbers.ask(f"KILL QUERY {number}")
            assert any(f"ERROR {INTERRUPTED}" in line for line in waiter.receive())
        send_and_wait(numbers, waiter, "UPDATE t SET b = b + 1 WHERE a = 1")
        holder.ask("COMMIT")
        assert waiter.receive() == []
    assert numbers.ask("SELECT b FROM t WHERE a = 1") == ["1001"]


def test_kill_connection_ends_a_wait_and_gives_up_its_locks(numbers):
    with Session(numbers, "BEGIN") as holder:
        waiter = Session(numbers, "SET sluice_lock_wait_timeout = 3600", "BEGIN", "UPDATE t SET b = 2000 WHERE a = 2")
        holder.ask("UPDATE t SET b = 1000 WHERE a = 1")
        number = connection_id(waiter)
        send_and_wait(numbers, waiter, "UPDATE t SET b = 3000 WHERE a = 1")
        numbers.ask(f"KILL CONNECTION {number}")
        with pytest.raises(EOFError):
            waiter.receive()
        assert holder.error("UPDATE t SET b = 5000 WHERE a = 2") == 0
        holder.ask("COMMIT")
        waiter.close()
    assert numbers.ask("SELECT b FROM t WHERE a < 3 ORDER BY a") == ["1000", "5000"]


def test_kill_query_ends_a_long_scan_and_its_transaction_goes_on(numbers):
    with Session(numbers, "BEGIN", "UPDATE t SET b = 2000 WHERE a = 2") as reader:
        number = connection_id(reader)
        reader.send("SELECT COUNT(*) FROM t a, t b, t c, t d, t e WHERE a.b + b.b + c.b + d.b + e.b = 0")
        while numbers.ask(f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number} AND info LIKE 'SELECT COUNT%'") != ["1"]:
            pass
        numbers.ask(f"KILL QUERY {number}")
        assert any(f"ERROR {INTERRUPTED}" in line for line in reader.receive())
        reader.ask("COMMIT")
    assert numbers.ask("SELECT b FROM t WHERE a = 2") == ["2000"]


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_wait_ends_after_as_long_as_the_variable_says(numbers, seconds):
    with Session(numbers, "BEGIN") as holder, Session(numbers, f"SET sluice_lock_wait_timeout = {seconds}", "BEGIN") as waiter:
        holder.ask("UPDATE t SET b = 1000 WHERE a = 1")
        waiter.ask("UPDATE t SET b = 2000 WHERE a = 2")
        assert waiter.error("UPDATE t SET b = 3000 WHERE a = 1") == LOCK_WAIT_TIMEOUT
        waiter.ask("COMMIT")
    assert numbers.ask("SELECT b FROM t WHERE a < 3 ORDER BY a") == ["1", "2000"]
