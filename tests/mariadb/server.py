"""A private MariaDB with the engine, and sluiced with the storage module: started, killed, restarted, asked.

The server is the one that guest/mariadb/build unpacked beside the engine; nothing of the system's is used.
"""

import contextlib
import grp
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build"))
MARIADB = os.path.join(BUILD, "mariadb")
SERVER = os.path.join(MARIADB, "server", "usr")
SLUICED = os.path.join(BUILD, "src", "control", "sluiced")
STORE = os.path.join(BUILD, "src", "offload", "modules", "store", "store.so")
USER = "nobody"  # whom every machine has
LOST_CONNECTION = re.compile(r"ERROR 20\d\d ")  # the client's own errors
cannot_be_had = 77


def build_engine():
    """Returns why there is none, or None."""
    run = subprocess.run([os.path.join(ROOT, "guest", "mariadb", "build"), MARIADB], capture_output=True, text=True)
    if run.returncode == cannot_be_had:
        return run.stderr.strip()
    if run.returncode:
        raise RuntimeError(run.stdout + run.stderr)
    return None


class Session:
    """A connection that stays, for transactions; what it is asked may take its time."""

    def __init__(self, server, *before):
        self.process = subprocess.Popen(server.client("--force", "--unbuffered", "--skip-reconnect", "test"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.number = 0
        for sql in before:
            self.ask(sql)

    def send(self, sql):
        self.number += 1
        self.process.stdin.write(f"{sql};\nSELECT 'answer {self.number}';\n")
        self.process.stdin.flush()

    def receive(self):
        """Lines of output, errors among them. EOFError: the connection is lost."""
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == f"answer {self.number}":
                return lines
            if LOST_CONNECTION.match(line):
                raise EOFError(line)
            if line.strip().strip("-") and not line.startswith(("SELECT 'answer",)):
                lines.append(line.rstrip("\n"))
        raise EOFError(lines)

    def ask(self, sql):
        self.send(sql)
        return self.receive()

    def error(self, sql):
        """Its number, or 0."""
        for line in self.ask(sql):
            if line.startswith("ERROR "):
                return int(line.split()[1])
        return 0

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def lock_waits(server):
    """How often anybody has waited for a lock."""
    return int(re.search(r"lock waits: (\d+)", "\n".join(server.ask("SHOW ENGINE SLUICE STATUS"))).group(1))


def send_and_wait(server, session, sql):
    """Until it waits for a lock."""
    before = lock_waits(server)
    session.send(sql)
    while lock_waits(server) == before:
        pass


def connection_id(session):
    return session.ask("SELECT CONNECTION_ID()")[0]


def give_to_user(path):
    account = pwd.getpwnam(USER)
    os.chown(path, account.pw_uid, account.pw_gid)


def group_of_user():
    return grp.getgrgid(pwd.getpwnam(USER).pw_gid).gr_name


def let_others_in(folder, factory):
    """The server's user gets to `folder` through pytest's own folders; what is above those is nobody's business here."""
    root = factory.getbasetemp()
    if root.parent.name.startswith("pytest-of-"):
        root = root.parent
    for path in (folder, *folder.parents):
        os.chmod(path, 0o755)
        if path == root:
            return


class Module:
    """sluiced, with the storage module in `directory`, on a core of its own or, if not `is_pinned`, wherever there is room.
    @poll: for how long it looks for requests on its own core before it sleeps; None: as sluiced does"""

    def __init__(self, directory, options="", is_pinned=True, poll="20us"):
        self.directory = str(directory)
        os.makedirs(self.path("store"), exist_ok=True)
        give_to_user(self.path("store"))
        os.chmod(self.directory, 0o755)
        self.channel, self.control = self.path("store.sock"), self.path("control.sock")
        core = f"    cpu: {max(os.sched_getaffinity(0))}\n" if is_pinned else ""
        if is_pinned and poll:
            core += f"    poll: {poll}\n"
        with open(self.path("sluice.yaml"), "w") as file:
            file.write("modules:\n"
                       f"  - name: store\n    module: {STORE}\n    directory: {self.path('store')}\n"
                       f"    socket: {self.channel}\n{core}    connections: 200\n    user: {USER}\n"
                       f"    group: {group_of_user()}\n{options}")

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self):
        self.log = open(self.path("sluiced.log"), "ab")
        self.process = subprocess.Popen([SLUICED, "--config", self.path("sluice.yaml"), "--control", self.control],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait()
        return self

    def wait(self):
        """Until the module serves. After a kill, its predecessor's socket may answer for a while."""
        wait_until(lambda: self.is_running() and answers(self.channel), self.process, self.path("sluiced.log"))

    def is_running(self):
        try:
            return self.ask("module.show", name="store")["result"]["state"] == "running"
        except (OSError, ValueError):
            return False

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=30)
        self.log.close()

    def processes(self):
        """The ids of the daemon's children."""
        found = []
        for process in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{process}/stat", encoding="utf-8") as status:
                if int(status.read().rpartition(")")[2].split()[1]) == self.process.pid:
                    found.append(int(process))
        return found

    def restart_module(self):
        """Kills the module's process, as the kernel's OOM killer does it; sluiced starts it again."""
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        time.sleep(0.3)
        self.wait()

    def ask(self, method, **parameters):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(10)
            stream.connect(self.control)
            stream.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
                           + b"\n")
            return json.loads(stream.makefile().readline())


class Server:
    """mariadbd on a data directory of its own, with a module's channel."""

    def __init__(self, directory, channel, *options):
        self.directory, self.options = str(directory), options
        self.data, self.socket = self.path("data"), self.path("mariadb.sock")
        self.channel = channel
        # A server that starts takes away what it finds of others' temporary tables.
        self.environment = dict(os.environ, TMPDIR=self.directory)
        self.process = None

    def path(self, name):
        return os.path.join(self.directory, name)

    def install(self):
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        shutil.rmtree(self.data, ignore_errors=True)
        os.makedirs(self.data)
        give_to_user(self.data)
        give_to_user(self.directory)
        subprocess.run([os.path.join(SERVER, "bin", "mariadb-install-db"), "--no-defaults", f"--user={USER}",
                        f"--datadir={self.data}", f"--basedir={SERVER}", "--auth-root-authentication-method=normal"],
                       check=True, stdout=subprocess.DEVNULL, env=self.environment)
        return self

    def plugin_options(self):
        """Those that must come first, and others."""
        return ["--no-defaults"], [f"--plugin-dir={MARIADB}", "--plugin-load-add=ha_sluice.so", f"--sluice-channel=unix:{self.channel}"]

    def start(self):
        self.log = self.path("mariadbd.log")
        first, plugin = self.plugin_options()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(SERVER, "sbin", "mariadbd"), *first, f"--user={USER}", f"--datadir={self.data}",
                 f"--basedir={SERVER}", f"--lc-messages-dir={SERVER}/share/mysql", f"--character-sets-dir={SERVER}/share/mysql/charsets",
                 f"--socket={self.socket}", "--skip-networking", f"--pid-file={self.path('mariadbd.pid')}",
                 *plugin, "--innodb-buffer-pool-size=64M", *self.options], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: answers(self.socket), self.process, self.log)
        return self

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=60)

    def client(self, *options):
        return [os.path.join(SERVER, "bin", "mariadb"), "--no-defaults", f"--socket={self.socket}", "--user=root", "-N", "-B", *options]

    def run(self, sql, database="test"):
        """Returns (status, lines of output, error)."""
        run = subprocess.run(self.client(database), input=sql, capture_output=True, text=True, timeout=120)
        return run.returncode, run.stdout.splitlines(), run.stderr.strip()

    def ask(self, sql, database="test"):
        status, lines, error = self.run(sql, database)
        assert status == 0, f"{sql}\n{error}"
        return lines


def answers(path):
    for kind in socket.SOCK_STREAM, socket.SOCK_SEQPACKET:
        try:
            with socket.socket(socket.AF_UNIX, kind) as stream:
                stream.connect(path)
            return True
        except OSError:
            pass
    return False


def wait_until(is_true, process, log, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not is_true():
        if process.poll() is not None or time.monotonic() > deadline:
            with open(log, errors="replace") as file:
                raise RuntimeError(f"{process.args[0]} does not start:\n{file.read()[-3000:]}")
        time.sleep(0.05)
