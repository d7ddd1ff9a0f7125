"""Modules from sluiced to a client over its socket: what becomes of both when one of them ends, hangs, or breaks out."""

import contextlib
import fcntl
import grp
import json
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request

import pytest
from daemon import BUILD, ROOT, SLUICE, SLUICED, eventually

sys.path.insert(0, os.path.join(ROOT, "tests", "modules"))

from module_user import AS_CALLER  # noqa: E402

CLIENT = os.path.join(BUILD, "tests", "modules", "module_client")
TROUBLESOME = os.path.join(BUILD, "tests", "modules", "troublesome.so")


def attempts():
    with open(os.path.join(ROOT, "tests", "modules", "attempts.c")) as file:
        return re.findall(r'^\t\{"(\w+)", \w+\},$', file.read(), re.M)


class Client:
    """A process with a connection, which it makes anew after an error."""

    def __init__(self, where):
        self.process = subprocess.Popen([CLIENT, "unix:" + where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, text):
        self.send(text)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


class Host:
    """sluiced with modules (name -> settings), and clients of them."""

    def __init__(self, directory, **modules):
        self.directory, self.clients, self.process, self.metrics = str(directory), contextlib.ExitStack(), None, None
        self.write(**modules)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, **modules):
        settings = {"modules": [{"name": name, "directory": self.path(name), **AS_CALLER, **module} for name, module in modules.items()]}
        if self.metrics:
            settings["control"] = {"metrics": f"127.0.0.1:{self.metrics}"}
        with open(self.path("sluice.yaml"), "w") as file:
            json.dump(settings, file)  # which is YAML

    def environment(self):
        return {**os.environ, "SLUICE_RUN_DIRECTORY": self.directory}

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([SLUICED, "--config", self.path("sluice.yaml")], env=self.environment(),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: self.sluice("status").returncode == 0)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.clients.close()
        if self.process.poll() is None:
            self.end()

    def sluice(self, *words):
        return subprocess.run([SLUICE, *words], env=self.environment(), capture_output=True, text=True, timeout=60)

    def does(self, *words):
        done = self.sluice(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def module(self, name):
        return json.loads(self.does("--json", "module", "show", name))

    def is_running(self, name):
        return self.module(name)["state"] == "running"

    def client(self, name):
        eventually(lambda: self.is_running(name))
        client = Client(self.path(name + ".module.sock"))
        self.clients.callback(client.close)
        return client

    def log(self):
        with open(self.path("log"), errors="replace") as file:
            return file.read()


def is_alive(pid):
    """A zombie is not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[11])


def hang(host, name):
    """Returns the process, which does not close when it is told to."""
    client, process = host.client(name), host.module(name)["pid"]
    before = cpu_ticks(process)
    client.send("hang")
    eventually(lambda: cpu_ticks(process) > before + 20)
    return process


def comes_back(client):
    eventually(lambda: client.ask("process").startswith("="))


@pytest.fixture
def host(tmp_path):
    os.chmod(tmp_path, 0o755)
    with Host(tmp_path, echo={"module": "echo"}, slow={"module": "echo", "options": ["wait=yes"]},
              trouble={"module": TROUBLESOME}) as host:
        yield host


def test_a_module_answers_with_what_it_was_sent(host):
    client = host.client("echo")
    assert [client.ask("hello"), client.ask("world")] == ["= hello", "= world"]
    counters = host.module("echo")["counters"]
    assert counters["requests"] == 2 and counters["would_wait"] == 0


def test_a_module_may_wait(host):
    client = host.client("slow")
    assert client.ask("hello") == "= hello"
    assert host.module("slow")["counters"]["would_wait"] == 1


def test_a_request_that_waits_holds_up_no_other_client(host):
    sleeper, other = host.client("trouble"), host.client("trouble")
    other.ask("process")
    sleeper.send("sleep")
    assert other.ask("process").startswith("=")
    assert sleeper.answer() == "= slept"


def test_what_makes_no_sense_ends_the_connection_alone(host):
    client, other = host.client("trouble"), host.client("trouble")
    before = other.ask("process")
    assert client.ask("nonsense") == "! ECONNRESET"
    assert client.ask("process") == other.ask("process") == before
    assert host.module("trouble")["counters"]["hung_up"] == 1


@pytest.mark.parametrize("end", ["kill", "crash"])
def test_a_module_that_ends_is_started_again(host, end):
    client, other = host.client("trouble"), host.client("echo")
    before = client.ask("process")
    others_pid = host.module("echo")["pid"]
    assert client.ask("keep this") == "= kept"
    assert other.ask("here") == "= here"
    if end == "kill":
        os.kill(host.module("trouble")["pid"], signal.SIGKILL)
        assert client.ask("process").startswith("!")
    else:
        assert client.ask("crash").startswith("!")
    comes_back(client)
    assert client.ask("process") != before
    assert client.ask("kept") == "= this"
    assert host.module("trouble")["restarts"] == 1
    assert other.ask("still here") == "= still here"
    assert host.module("echo")["pid"] == others_pid


def test_a_module_that_hangs_is_killed_and_started_again(host):
    client, other = host.client("trouble"), host.client("echo")
    client.send("hang")
    assert other.ask("here") == "= here"
    eventually(lambda: "did not answer" in host.log(), limit_s=60)
    assert client.answer().startswith("!")
    comes_back(client)
    assert other.ask("still here") == "= still here"


def test_modules_end_with_their_daemon_and_come_back_with_the_next(host):
    client = host.client("trouble")
    assert client.ask("keep that") == "= kept"
    before = [host.module(name)["pid"] for name in ("echo", "slow", "trouble")]
    host.end(signal.SIGKILL)
    eventually(lambda: not any(is_alive(pid) for pid in before))
    assert client.ask("kept").startswith("!")
    host.start()
    comes_back(client)
    assert client.ask("kept") == "= that"
    assert host.module("trouble")["pid"] not in before


def test_stopping_leaves_neither_processes_nor_sockets(host):
    host.client("echo").ask("hello")
    pids = [host.module(name)["pid"] for name in ("echo", "slow", "trouble")]
    assert host.end() == 0
    assert not any(is_alive(pid) for pid in pids)
    assert not os.path.exists(host.path("echo.module.sock"))
    assert "killed" not in host.log()


def test_a_restart_by_command(host):
    client = host.client("trouble")
    before = client.ask("process")
    assert host.does("module", "restart", "trouble") == "it ends, and starts again\n"
    eventually(lambda: client.ask("process") not in (before, "! ECONNRESET", "! ECONNREFUSED", "! ENOENT"))
    assert host.module("trouble")["trouble"] == ""


def test_a_reload_changes_what_has_changed(host):
    client = host.client("echo")
    assert client.ask("here") == "= here"
    before = {name: host.module(name)["pid"] for name in ("echo", "slow")}
    host.write(echo={"module": "echo"}, slow={"module": "echo"}, new={"module": "echo"})
    host.does("reload")
    assert client.ask("still here") == "= still here"
    assert host.module("echo")["pid"] == before["echo"]
    eventually(lambda: host.module("slow")["pid"] not in (0, before["slow"]))
    assert host.client("new").ask("hello") == "= hello"
    assert "there is no module 'trouble'" in host.sluice("module", "show", "trouble").stderr


def test_a_module_that_cannot_open_says_why(tmp_path):
    os.chmod(tmp_path, 0o755)
    with Host(tmp_path, bad={"module": TROUBLESOME, "options": ["refuse=the moon is wrong"]}, typo={"module": "ecko"},
              what={"module": "echo", "options": ["colour=red"]}) as host:
        eventually(lambda: host.module("bad")["trouble"] == "the moon is wrong")
        eventually(lambda: "ecko.so: cannot open shared object file" in host.module("typo")["trouble"])
        eventually(lambda: host.module("what")["trouble"] == "there is no option 'colour'; there is 'wait'")
        assert host.end() == 0


def test_a_module_has_its_share_of_processors_and_goes_first_when_memory_ends(host):
    eventually(lambda: host.is_running("echo"))
    process = host.module("echo")["pid"]
    assert os.getsid(process) == process
    with open(f"/proc/{process}/oom_score_adj") as file:
        assert file.read() == "500\n"


def test_a_process_locks_its_directory(host):
    eventually(lambda: host.is_running("trouble"))
    holder = os.open(host.path("trouble"), os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(holder)


def test_no_attempt_to_get_out_of_the_sandbox_succeeds(host):
    names = attempts()
    assert len(names) > 20
    client = host.client("trouble")
    for name in names:
        comes_back(client)
        said = client.ask("try " + name)
        assert said in ("! ECONNRESET", "= EACCES", "= EPERM", "= ENOSYS", "= ENOTTY"), f"{name}: {said}"
        if said.startswith("!"):  # which has ended the process; the next may come at once
            eventually(lambda: "system call" in host.module("trouble")["trouble"] or host.is_running("trouble"))
            host.does("module", "restart", "trouble")


def test_a_reload_does_not_wait_for_a_module_that_does_not_close(host):
    process = hang(host, "trouble")
    host.write(echo={"module": "echo"})
    host.does("reload")
    assert is_alive(process)
    assert "trouble" not in host.does("module", "list")
    assert host.client("echo").ask("hello") == "= hello"
    eventually(lambda: not is_alive(process))
    eventually(lambda: not os.path.exists(host.path("trouble.module.sock")))


def test_a_module_that_has_changed_begins_when_its_process_of_before_has_ended(host):
    process = hang(host, "trouble")
    host.write(trouble={"module": TROUBLESOME, "connections": 3})
    host.does("reload")
    assert is_alive(process) and host.module("trouble")["state"] == "waiting for another to end"
    assert "begins when another that was in its place has ended" in host.sluice("module", "restart", "trouble").stderr
    eventually(lambda: host.is_running("trouble"))
    assert not is_alive(process) and host.module("trouble")["connections_max"] == 3


def test_a_module_that_does_not_close_is_waited_for_at_the_end(host):
    process = hang(host, "trouble")
    host.write(echo={"module": "echo"})
    host.does("reload")
    assert host.end() == 0
    assert not is_alive(process)


def test_what_a_module_says_is_shown_without_what_harms_a_terminal(host):
    eventually(lambda: "mood" in host.module("trouble")["status"])
    assert "  mood: ?[31mbad?\n" in host.does("module", "show", "trouble")
    assert "  wait: yes\n" in host.does("module", "show", "slow")


def test_a_socket_is_given_to_its_group_and_to_no_others(tmp_path):
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid if os.geteuid() == 0 else os.getegid())
    with Host(tmp_path, echo={"module": "echo", "group": group.gr_name}) as host:
        assert host.client("echo").ask("hello") == "= hello"
        status = os.stat(host.path("echo.module.sock"))
        assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (group.gr_gid, 0o660)
        assert re.search(rf"^socket +\S+, for group {group.gr_name}$", host.does("module", "show", "echo"), re.M)


def test_lists_and_metrics_tell_of_modules(tmp_path):
    os.chmod(tmp_path, 0o755)
    host = Host(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host.metrics = free.getsockname()[1]
    host.write(echo={"module": "echo"})
    with host:
        client = host.client("echo")
        client.ask("hello")
        eventually(lambda: re.search(r"^echo +echo +running +\d+ +0 +[1-9]\d* +1 +0 ", host.does("module", "list"), re.M))
        assert "1 modules" in host.does("status")
        with urllib.request.urlopen(f"http://127.0.0.1:{host.metrics}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'sluice_module_running{module="echo"} 1\n' in text
        assert 'sluice_module_requests_total{module="echo"} 1\n' in text


def test_a_region_is_used_again_by_the_next_process(tmp_path):
    os.chmod(tmp_path, 0o755)
    region = f"/dev/shm/sluice-test-{os.getpid()}"
    try:
        with Host(tmp_path, echo={"module": "echo", "region": region}) as host:
            eventually(lambda: host.is_running("echo"))
            before = os.stat(region)
            assert before.st_size & (before.st_size - 1) == 0  # as a BAR is
            os.kill(host.module("echo")["pid"], signal.SIGKILL)
            assert host.client("echo").ask("hello") == "= hello"
            eventually(lambda: host.module("echo")["restarts"] == 1)
            assert os.stat(region).st_ino == before.st_ino
    finally:
        os.unlink(region)


def test_a_region_that_its_vm_cuts_off_costs_its_module_alone(tmp_path):
    """The machine has the file open for writing: reading what is not there any more ends the process."""
    os.chmod(tmp_path, 0o755)
    region = f"/dev/shm/sluice-test-{os.getpid()}"
    try:
        with Host(tmp_path, cut={"module": "echo", "region": region}, other={"module": "echo"}) as host:
            other = host.client("other")
            eventually(lambda: host.is_running("cut"))
            size, process = os.stat(region).st_size, host.module("other")["pid"]
            os.truncate(region, 0)
            eventually(lambda: host.module("cut")["restarts"] > 0 and host.is_running("cut"))
            assert "Bus error" in host.log() and os.stat(region).st_size == size
            assert host.client("cut").ask("again") == "= again"
            assert other.ask("here") == "= here" and host.module("other")["pid"] == process
    finally:
        os.unlink(region)
