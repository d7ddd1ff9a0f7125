"""Transactions whose outcome is known outside of what is killed, and what the tables must hold afterwards.

Each client writes what it is about to do into its journal, which this process keeps, then does it. A transaction
inserts its own number into `marks`, changes rows of its client, and adds to rows that all clients share. So from `marks`
alone follows which of those whose answer never came were committed, and from the journal what every other row must be.

Each kind of transaction has the same share: a client deals itself one of each, in any order, before it begins anew.
"""

import collections
import random
import threading
import time

from server import Session

DUPLICATE = 1062
OF_LOCKS = {1205, 1213}  # time has run out; a deadlock
PAUSE_S = 0.05  # of a client whose module is not there
ROWS_AT_ONCE = 5
CLIENTS = 4
SHARED_ROWS = 8
ROWS_MAX = 60  # of a client
TRANSACTIONS_PER_CLIENT = 1000000
SCHEMA = """
CREATE TABLE held (id BIGINT PRIMARY KEY, client INT NOT NULL, name VARCHAR(60) NOT NULL, kind INT NOT NULL, amount BIGINT NOT NULL, note TEXT,
	UNIQUE (name), KEY (kind), KEY (client, amount)) ENGINE=SLUICE;
CREATE TABLE shared (id INT PRIMARY KEY, amount BIGINT NOT NULL, KEY (amount)) ENGINE=SLUICE;
CREATE TABLE marks (number BIGINT PRIMARY KEY, client INT NOT NULL, KEY (client)) ENGINE=SLUICE;
"""
OPEN, COMMITTED, UNDONE, UNKNOWN = "open", "committed", "undone", "unknown"


class Transaction:
    """What the journal says of one: `rows` is what the client's rows are if it is committed, `added` what shared rows gain."""

    def __init__(self, number, kind, rows):
        self.number, self.kind, self.rows, self.added = number, kind, rows, {}
        self.outcome = OPEN
        self.xid = None
        self.is_prepared = False  # the answer to XA PREPARE has come
        self.is_end_asked = False


class Lost(Exception):
    """The connection, or the transaction with it."""


class Client(threading.Thread):
    """Runs transactions until it is told to stop, or does not know what became of one."""

    def __init__(self, server, seed, number, rows, begin):
        super().__init__(name=f"client {number}")
        self.random = random.Random(f"{seed}/{number}/{begin}")
        self.server, self.number, self.rows, self.next = server, number, rows, begin
        self.journal, self.deck = [], []
        self.is_stopping = threading.Event()
        self.failure = None

    def run(self):
        try:
            with Session(self.server, "SET sluice_lock_wait_timeout = 2") as session:
                while not self.is_stopping.is_set() and not self.is_unsure():
                    self.transact(session)
        except (Lost, EOFError, OSError):
            pass  # the journal has it
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def is_unsure(self):
        return bool(self.journal) and self.journal[-1].outcome == UNKNOWN

    def deal(self):
        if not self.deck:
            self.deck = self.random.sample(sorted(self.KINDS), len(self.KINDS))
        return self.deck.pop()

    def transact(self, session):
        transaction = Transaction(self.number * TRANSACTIONS_PER_CLIENT + self.next, self.deal(), dict(self.rows))
        self.next += 1
        if transaction.kind == "XA":
            transaction.xid = f"x{transaction.number}"
        self.journal.append(transaction)
        try:
            self.do(session, transaction)
        except (Lost, EOFError, OSError):
            if transaction.outcome == OPEN:
                transaction.outcome = UNDONE
            raise

    def do(self, session, transaction):
        self.answer(session, f"XA START '{transaction.xid}'" if transaction.xid else "BEGIN")
        steps = [self.random.choice(self.KINDS[transaction.kind]) for _ in range(self.random.randint(1, 4))]
        steps.insert(self.random.randint(0, len(steps)), Client.mark)
        for step in steps:
            if not step(self, session, transaction):
                self.undo(session, transaction)
                return
        if transaction.xid:
            self.end_in_two_phases(session, transaction)
        elif self.random.random() < 0.2:
            self.undo(session, transaction)
        else:
            self.end(session, transaction, "COMMIT", COMMITTED)

    # ---- how it ends ----

    def end(self, session, transaction, sql, outcome):
        transaction.outcome = UNKNOWN if outcome == COMMITTED else UNDONE
        transaction.is_end_asked = True
        if not session.error(sql):
            transaction.outcome = outcome
            if outcome == COMMITTED:
                self.rows = transaction.rows

    def undo(self, session, transaction):
        transaction.outcome = UNDONE
        if transaction.xid:
            session.ask(f"XA END '{transaction.xid}'")
            session.ask(f"XA ROLLBACK '{transaction.xid}'")
        else:
            session.ask("ROLLBACK")

    def end_in_two_phases(self, session, transaction):
        self.answer(session, f"XA END '{transaction.xid}'")
        transaction.outcome = UNKNOWN  # if it is found prepared, it may end either way
        if session.error(f"XA PREPARE '{transaction.xid}'"):
            transaction.outcome = UNDONE
            session.ask(f"XA ROLLBACK '{transaction.xid}'")
            return
        transaction.is_prepared = True
        if self.random.random() < 0.3:
            self.end(session, transaction, f"XA ROLLBACK '{transaction.xid}'", UNDONE)
        else:
            self.end(session, transaction, f"XA COMMIT '{transaction.xid}'", COMMITTED)

    # ---- what it does; a step returns whether the transaction goes on ----

    @staticmethod
    def answer(session, sql):
        if session.error(sql):
            raise Lost

    @staticmethod
    def does(session, sql):
        """Whether it is done. Where there is no module, others have had their turn when this one is tried again."""
        error = session.error(sql)
        if error and error not in OF_LOCKS:
            time.sleep(PAUSE_S)
        return not error

    def mark(self, session, transaction):
        return self.does(session, f"INSERT INTO marks VALUES ({transaction.number}, {self.number})")

    def any_row(self, transaction):
        return self.random.choice(sorted(transaction.rows)) if transaction.rows else None

    def insert(self, session, transaction):
        first = transaction.number * 100 + len(transaction.rows)
        if len(transaction.rows) >= ROWS_MAX:
            return self.delete(session, transaction)
        new = {}
        for i in range(self.random.randint(1, ROWS_AT_ONCE)):
            number = self.random.randint(0, 9)
            new[first * 10 + i] = (f"{self.number}:{first * 10 + i}", number, number * 7, "n" * self.random.choice([0, 10, 3000]))
        new = {row: value for row, value in new.items() if row not in transaction.rows}
        if not new:
            return True
        values = ", ".join(f"({row}, {self.number}, '{name}', {kind}, {amount}, '{note}')" for row, (name, kind, amount, note) in new.items())
        if not self.does(session, f"INSERT INTO held VALUES {values}"):
            return False
        transaction.rows.update(new)
        return True

    def delete(self, session, transaction):
        rows = self.random.sample(sorted(transaction.rows), min(len(transaction.rows), self.random.randint(1, ROWS_AT_ONCE)))
        if not rows:
            return True
        if not self.does(session, f"DELETE FROM held WHERE id IN ({', '.join(map(str, rows))})"):
            return False
        for row in rows:
            del transaction.rows[row]
        return True

    def rename(self, session, transaction):
        row = self.any_row(transaction)
        if row is None:
            return True
        _, kind, amount, note = transaction.rows[row]
        name = f"{self.number}:{row}:{self.random.randint(0, 10 ** 9)}"
        if not self.does(session, f"UPDATE held SET name = '{name}' WHERE id = {row}"):
            return False
        transaction.rows[row] = (name, kind, amount, note)
        return True

    def raise_amounts(self, session, transaction):
        kind, amount = self.random.randint(0, 9), self.random.randint(1, 100)
        if not self.does(session, f"UPDATE held FORCE INDEX (client) SET amount = amount + {amount}, kind = (kind + 1) % 10 WHERE client = {self.number} AND kind = {kind}"):
            return False
        for row, (name, old, before, note) in list(transaction.rows.items()):
            if old == kind:
                transaction.rows[row] = (name, (old + 1) % 10, before + amount, note)
        return True

    def repeat(self, session, transaction):
        """A duplicate: of three rows none is inserted, and what was done before stays."""
        row = self.any_row(transaction)
        if row is None:
            return True
        base, name = transaction.number * 100000 + 50000, transaction.rows[row][0]
        values = ", ".join(f"({base + i}, {self.number}, '{name if i == 2 else f'{self.number}:{base + i}'}', 0, 0, '')" for i in range(3))
        return session.error(f"INSERT INTO held VALUES {values}") == DUPLICATE

    def change_and_undo(self, session, transaction):
        """A savepoint that is gone back to."""
        for sql in "SAVEPOINT here", f"UPDATE held SET amount = -1, name = CONCAT('undone ', id) WHERE client = {self.number}", "ROLLBACK TO here":
            if not self.does(session, sql):
                return False
        return True

    def add_to_shared(self, session, transaction):
        row, amount = self.random.randint(1, SHARED_ROWS), self.random.randint(1, 1000)
        if not self.does(session, f"UPDATE shared SET amount = amount + {amount} WHERE id = {row}"):
            return False
        transaction.added[row] = transaction.added.get(row, 0) + amount
        return True

    KINDS = {
        "inserts": [insert],
        "updates": [rename, raise_amounts],
        "deletes": [delete],
        "several tables": [insert, delete, add_to_shared, add_to_shared],
        "savepoints": [change_and_undo, insert, rename, delete],
        "duplicates": [repeat],
        "XA": [insert, rename, raise_amounts, delete, change_and_undo, add_to_shared],
    }


class Workload:
    """The clients of a server, round after round, and what its tables must hold."""

    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.random = random.Random(f"{seed}/workload")
        self.rows = {number: {} for number in range(1, CLIENTS + 1)}
        self.next = {number: 1 for number in self.rows}
        self.shared = {row: 0 for row in range(1, SHARED_ROWS + 1)}
        self.marks = set()
        self.counts = {COMMITTED: 0, UNDONE: 0, UNKNOWN: 0, "prepared": 0}
        self.kinds = collections.Counter()  # of those that are there

    def create(self):
        self.server.ask("DROP TABLE IF EXISTS held, shared, marks;" + SCHEMA)
        self.server.ask("INSERT INTO shared VALUES " + ", ".join(f"({row}, 0)" for row in self.shared))

    def start(self):
        self.clients = [Client(self.server, self.seed, number, rows, self.next[number]) for number, rows in self.rows.items()]
        for client in self.clients:
            client.start()

    def stop(self):
        for client in self.clients:
            client.is_stopping.set()
        for client in self.clients:
            client.join(timeout=120)
            assert not client.is_alive(), f"{client.name} hangs"
            assert client.failure is None, client.failure

    def verify(self):
        """With everything running again, and no client."""
        self.end_prepared()
        found = set(map(int, self.server.ask("SELECT number FROM marks IGNORE INDEX (client)")))
        for client in self.clients:
            self.replay(client, found)
        self.compare(found)
        self.check_indexes()
        self.see_that_nothing_is_locked()

    def replay(self, client, found):
        for transaction in client.journal:
            self.counts[transaction.outcome] += 1
            is_there = transaction.number in found
            assert is_there or transaction.outcome != COMMITTED, f"transaction {transaction.number} was committed and is lost"
            assert not is_there or transaction.outcome != UNDONE, f"transaction {transaction.number} was undone and is there"
            if is_there:
                self.kinds[transaction.kind] += 1
                self.marks.add(transaction.number)
                self.rows[client.number] = transaction.rows
                for row, amount in transaction.added.items():
                    self.shared[row] += amount
        self.next[client.number] = client.next

    def end_prepared(self):
        """What was prepared and acknowledged is there, unless its end was asked for; nothing else is."""
        prepared = {line.split("\t")[3] for line in self.server.ask("XA RECOVER")}
        journal = {transaction.xid: transaction for client in self.clients for transaction in client.journal if transaction.xid}
        for xid, transaction in journal.items():
            assert xid in prepared or not transaction.is_prepared or transaction.is_end_asked, f"prepared {xid} is lost"
        for xid in sorted(prepared):
            assert xid in journal, f"{xid} is prepared and nobody has asked for that"
            self.end_one_prepared(journal[xid])

    def end_one_prepared(self, transaction):
        self.counts["prepared"] += 1
        assert transaction.outcome in (UNKNOWN, UNDONE) and (transaction.is_prepared or not transaction.is_end_asked), transaction.xid
        is_commit = transaction.outcome == UNKNOWN and self.random.random() < 0.5
        self.server.ask(f"XA {'COMMIT' if is_commit else 'ROLLBACK'} '{transaction.xid}'")
        transaction.outcome = COMMITTED if is_commit else UNDONE

    def compare(self, found):
        assert found == self.marks
        held = {}
        for line in self.server.ask("SELECT id, client, name, kind, amount, note FROM held IGNORE INDEX (name, kind, client)"):
            row, client, name, kind, amount, note = (line + "\t").split("\t")[:6]
            held[int(row)] = (int(client), name, int(kind), int(amount), note)
        expected = {row: (client, *value) for client, rows in self.rows.items() for row, value in rows.items()}
        assert held == expected, f"differ: {sorted(set(held.items()) ^ set(expected.items()))[:10]}"
        shared = dict(map(int, line.split("\t")) for line in self.server.ask("SELECT id, amount FROM shared IGNORE INDEX (amount)"))
        assert shared == self.shared

    def check_indexes(self):
        for table, columns, indexes in ("held", "id, client, name, kind, amount, MD5(note)", ("name", "kind", "client")), \
                ("shared", "id, amount", ("amount",)), ("marks", "number, client", ("client",)):
            whole = sorted(self.server.ask(f"SELECT {columns} FROM {table} IGNORE INDEX ({', '.join(indexes)})"))
            for index in indexes:
                assert sorted(self.server.ask(f"SELECT {columns} FROM {table} FORCE INDEX ({index}) WHERE {index} > ''"
                                              if index == "name" else
                                              f"SELECT {columns} FROM {table} FORCE INDEX ({index}) WHERE {index} > -100")) == whole, (table, index)
        for line in self.server.ask("CHECK TABLE held, shared, marks EXTENDED"):
            assert line.split("\t")[2:] == ["status", "OK"], line

    def see_that_nothing_is_locked(self):
        self.server.ask("SET sluice_lock_wait_timeout = 10; BEGIN; SELECT COUNT(*) FROM held FOR UPDATE;"
                        "SELECT COUNT(*) FROM shared FOR UPDATE; SELECT COUNT(*) FROM marks FOR UPDATE; ROLLBACK")

    def see_that_kinds_were_mixed(self):
        """None is less than a third of what its share would be."""
        total = sum(self.kinds.values())
        assert total < 100 or min(self.kinds[kind] for kind in Client.KINDS) * 3 * len(Client.KINDS) >= total, self.kinds
