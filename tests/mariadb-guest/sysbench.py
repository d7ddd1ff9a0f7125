"""sysbench in a guest with a database: the same tables and the same transactions for any engine."""

import dataclasses
import re

SCHEMA = {"innodb": "on_disk", "sluice": "on_module"}
SEED = 1  # so that with one thread all engines are asked the same


@dataclasses.dataclass
class Outcome:
    transactions: int
    transactions_per_s: float


class Sysbench:
    """On tables of one engine."""

    def __init__(self, guest, engine, rows, threads=1, tables=1):
        self.guest, self.schema, self.tables = guest, SCHEMA[engine], tables
        self.options = (f"--mysql-socket=/run/mariadb.sock --mysql-user=root --mysql-db={self.schema} --mysql-storage-engine={engine} "
                        f"--tables={tables} --table-size={rows} --threads={threads} --rand-seed={SEED}")

    def prepare(self):
        self.guest.sql(f"create database {self.schema}")
        self.guest.run(f"sysbench oltp_common {self.options} prepare")

    def begin(self, workload, transactions):
        """What `finish` wants. A number of transactions, whatever time they take."""
        return self.guest.begin(f"sysbench {workload} {self.options} --events={transactions} --time=0 run")

    def finish(self, command, limit_s):
        output = self.guest.finish(command, limit_s)
        count, per_s = re.search(r"transactions: +(\d+) +\(([\d.]+) per sec", output).groups()
        return Outcome(int(count), float(per_s))

    def digest(self):
        """Of all rows in their order."""
        rows = "; ".join(f"select * from {self.schema}.sbtest{number + 1} order by id" for number in range(self.tables))
        return self.guest.run(f"mariadb --defaults-file=/etc/my.cnf -N -B -e '{rows}' | md5sum").split()[0]
