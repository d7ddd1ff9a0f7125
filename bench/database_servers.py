"""One MariaDB with several engines, what each of them is asked to be as durable as the others, and what its processes count."""

import dataclasses
import os
import re
import subprocess

import server as mariadb

SYSBENCH = os.path.join(mariadb.BUILD, "sysbench")
SEED = 1
CACHE = "256M"
LIBRARIES = os.path.join(SYSBENCH, "usr", "lib", "x86_64-linux-gnu")
OPTIONS = (f"--innodb-buffer-pool-size={CACHE}", "--innodb-flush-log-at-trx-commit=1", "--innodb-log-file-size=256M",
           "--plugin-load-add=ha_rocksdb.so", "--rocksdb-flush-log-at-trx-commit=1", f"--rocksdb-block-cache-size={CACHE}",
           "--sluice-flush-at-commit=ON", "--max-heap-table-size=1G", "--transaction-isolation=REPEATABLE-READ", "--skip-log-bin", "--performance-schema=OFF")
ENGINES = {"innodb": "InnoDB", "rocksdb": "MyRocks", "sluice": "SLUICE", "memory": "MEMORY"}
BOUND = "memory"  # has neither transactions nor a device: what it takes is the server's own
DUPLICATE = 1062  # what clients without transactions find of each other's
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class EngineServer(mariadb.Server):
    """Plugins are taken from one directory: so one with links to all of them."""

    def __init__(self, directory, channel):
        super().__init__(directory, channel, *OPTIONS, f"--plugin-dir={os.path.join(directory, 'plugins')}")

    def install(self):
        super().install()
        plugins = self.path("plugins")
        os.makedirs(plugins, exist_ok=True)
        for path in (os.path.join(mariadb.MARIADB, "ha_sluice.so"),
                     os.path.join(mariadb.SERVER, "lib", "mysql", "plugin", "ha_rocksdb.so")):
            os.symlink(path, os.path.join(plugins, os.path.basename(path)))
        return self

    def status(self, name):
        return sum(int(line.split("\t")[1]) for line in self.ask(f"SHOW GLOBAL STATUS LIKE '{name}'", database="mysql"))


class Sysbench:
    """Its transactions, on the tables of one engine."""

    def __init__(self, server, engine, tables, rows):
        self.server, self.schema = server, f"on_{engine}"
        self.options = ["--db-driver=mysql", f"--mysql-socket={server.socket}", "--mysql-user=root", f"--mysql-db={self.schema}",
                        f"--mysql-storage-engine={engine}", f"--tables={tables}", f"--table-size={rows}", f"--rand-seed={SEED}",
                        "--rand-type=uniform"]
        if engine == BOUND:
            self.options.append(f"--mysql-ignore-errors={DUPLICATE}")

    def run(self, script, *options):
        share = os.path.join(SYSBENCH, "usr", "share", "sysbench")
        run = subprocess.run([os.path.join(SYSBENCH, "usr", "bin", "sysbench"), os.path.join(share, script + ".lua"), *self.options, *options],
                             env=dict(os.environ, LD_LIBRARY_PATH=LIBRARIES, LUA_PATH=os.path.join(share, "?.lua")),
                             capture_output=True, text=True, timeout=900)
        if run.returncode:
            raise RuntimeError(run.stdout + run.stderr)
        return run.stdout

    def prepare(self):
        self.server.ask(f"CREATE DATABASE {self.schema}", database="mysql")
        self.run("oltp_common", "prepare")

    def perform(self, workload, threads, seconds):
        """Returns how many transactions there were, and how many per second."""
        output = self.run(workload, f"--threads={threads}", f"--time={seconds}", "--events=0", "run")
        count, per_s = re.search(r"transactions: +(\d+) +\(([\d.]+) per sec", output).groups()
        return int(count), float(per_s)


@dataclasses.dataclass
class Counts:
    requests: int = 0  # over the channel, those included that nobody waits for
    wakes: int = 0  # doorbells and calls
    syncs: int = 0
    written_bytes: int = 0
    server_ticks: int = 0  # of CPU time, of mariadbd
    module_ticks: int = 0  # of the module's process; one that polls is never idle

    def since(self, before):
        return Counts(*(now - then for now, then in zip(dataclasses.astuple(self), dataclasses.astuple(before))))


def children(pid):
    return [int(child) for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]


def written_bytes(pid):
    with open(f"/proc/{pid}/io") as file:
        return int(re.search(r"^write_bytes: (\d+)", file.read(), re.M).group(1))


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Counters:
    """How to count for each engine."""

    SYNCS = {"innodb": "Innodb_data_fsyncs", "rocksdb": "Rocksdb_wal_synced"}

    def __init__(self, server, module):
        self.server, self.module = server, module

    def now(self, engine):
        server, modules = self.server.process.pid, children(self.module.process.pid) if engine == "sluice" else []
        counts = Counts(written_bytes=sum(map(written_bytes, [server, *modules])), server_ticks=cpu_ticks(server),
                        module_ticks=sum(map(cpu_ticks, modules)))
        if engine != "sluice":
            counts.syncs = self.server.status(self.SYNCS[engine]) if engine in self.SYNCS else 0
            return counts
        shown = self.module.ask("module.show", name="store")["result"]
        counts.syncs = int(re.search(r"^log syncs: (\d+)", shown["status"], re.M).group(1))
        counts.requests = shown["counters"]["requests"]
        counts.wakes = shown["counters"]["doorbells"] + shown["counters"]["calls"]
        return counts
