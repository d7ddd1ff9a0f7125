"""sysbench's transactions leave the same rows in SLUICE as in InnoDB, where what is asked for is the same."""

import os
import subprocess
import sys

import pytest

import server as mariadb

sys.path.insert(0, os.path.join(mariadb.ROOT, "bench"))
from database_servers import SYSBENCH, Sysbench  # noqa: E402

ENGINES = ("innodb", "sluice")
ROWS, TABLES = 500, 8


@pytest.fixture(scope="module")
def clients(server):
    if subprocess.run([os.path.join(mariadb.ROOT, "tests", "mariadb", "fetch-sysbench"), SYSBENCH]).returncode:
        pytest.skip("sysbench cannot be downloaded")
    clients = {engine: Sysbench(server, engine, TABLES, ROWS) for engine in ENGINES}
    for client in clients.values():
        client.prepare()
    yield clients
    for client in clients.values():
        server.ask(f"DROP DATABASE {client.schema}")


def digests(server, client):
    """Of all rows in their order, as both of a table's indexes have them."""
    for number in range(1, TABLES + 1):
        yield server.ask(f"SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS(',', id, k, c, pad))), SUM(id) FROM sbtest{number} FORCE INDEX (PRIMARY)", client.schema)
        yield server.ask(f"SELECT COUNT(*), SUM(k), SUM(id) FROM sbtest{number} FORCE INDEX (k_{number}) WHERE k >= 0", client.schema)


@pytest.mark.parametrize("workload", ["oltp_read_write", "oltp_write_only", "oltp_update_index", "oltp_delete"])
def test_the_same_transactions_leave_the_same_rows(server, clients, workload):
    for client in clients.values():
        client.run(workload, "--threads=1", "--time=0", "--events=150", "run")
    assert list(digests(server, clients["sluice"])) == list(digests(server, clients["innodb"]))


def test_clients_at_the_same_time_leave_both_indexes_of_a_table_alike(server, clients):
    """Who comes first is chance, so the engines differ: but each row is in both indexes, and none was lost or made."""
    client = clients["sluice"]
    client.run("oltp_write_only", "--threads=8", "--time=0", "--events=800", "run")
    for number in range(1, TABLES + 1):
        by_row, by_index = (server.ask(f"SELECT COUNT(*), SUM(k), SUM(id), BIT_XOR(CRC32(CONCAT_WS(',', id, k))) FROM sbtest{number} FORCE INDEX ({name}) WHERE {where}",
                                       client.schema) for name, where in (("PRIMARY", "id >= 0"), (f"k_{number}", "k >= 0")))
        assert by_row == by_index
        assert server.ask(f"CHECK TABLE sbtest{number}", client.schema) == [f"{client.schema}.sbtest{number}\tcheck\tstatus\tOK"]
