"""What needs no KVM of `sluice vm`: mistakes and their mends, the terminal, signals, and how a VM's process ends."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import termios
import threading
import time

import pytest

from daemon import SLUICE, Sluiced, eventually

SLUICE_VM = os.path.join(os.path.dirname(os.path.dirname(SLUICE)), "vmm", "process", "sluice-vm")
NEEDED = "--name t --memory 64MiB --kernel /nonexistent"


def run(directory, *words, program=SLUICE):
    environment = dict(os.environ, SLUICE_RUN_DIRECTORY=str(directory))
    return subprocess.run([program, "vm", *words], capture_output=True, text=True, env=environment,
                          stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("words, complaint", [
    ("", "there are 'vm run', 'vm list', 'vm show', 'vm stat', 'vm stop'"),
    ("rnu", "did you mean 'vm run'?"),
    ("run", "'sluice vm run' needs the NAME of a VM in sluice.yaml, or --file"),
    ("run --memory 64MiB", "sluice: --name is missing"),
    ("run --name t --kernel /k", "sluice: --memory is missing"),
    ("run --memory", "'--memory' needs a value"),
    ("run --memroy 1GiB", "did you mean '--memory'?"),
    ("run a b", "takes one argument at most"),
    ("run a --file /x", "--file has one VM; drop 'a'"),
    (f"run {NEEDED} --memory 1", "sluice: --memory: '1' is not a multiple of 2 MiB above 0"),
    (f"run {NEEDED} --split maybe", "--split: 'maybe' is neither on nor off"),
    (f"run {NEEDED} --guest-cores 1,x", "--guest-cores: '1,x' is not a list of CPUs; write it like 2,3"),
    (f"run {NEEDED} --guest-cores 1 --hypervisor-core 1", "sluice: --guest-cores: CPU 1 is the hypervisor core"),
    (f"run {NEEDED} --poll 5", "sluice: --poll: '5' is not a duration"),
    (f"run {NEEDED} --sandbox no", "--sandbox: 'no' is not one of on, log, off"),
    (f"run {NEEDED} --disk /a --disk /a", "sluice: --disk: '/a' is given twice"),
    (f"run {NEEDED} --cpus 3 --guest-cores 1,2", "sluice: --cpus: 3 CPUs, but 2 guest cores are listed"),
    (f"run {NEEDED} --cpus 65", "sluice: --cpus: 65 is out of range"),
    ("list web", "takes no name; see 'sluice vm show'"),
    ("list --config /x", "--config says what --all adds; give both"),
    ("show", "needs one argument: the name of a VM"),
    ("stat", "needs the name of one VM"),
    ("stat --count 0 t", "--count: '0' is not a whole number above 0"),
    ("stop --naow t", "the name of a VM"),
])
def test_a_mistake_is_named_with_its_mend(tmp_path, words, complaint):
    result = run(tmp_path, *words.split())
    assert complaint in result.stderr
    assert result.returncode == 2


@pytest.mark.skipif(os.path.exists("/dev/kvm"), reason="there is a /dev/kvm")
def test_without_kvm_it_says_how_to_get_it(tmp_path):
    result = run(tmp_path, "run", *NEEDED.split())
    assert "/dev/kvm" in result.stderr and "kvm_intel or kvm_amd" in result.stderr
    assert result.returncode == 1


@pytest.mark.parametrize("command", ["show", "stat", "stop"])
def test_a_vm_that_does_not_run_is_named(tmp_path, command):
    result = run(tmp_path, command, "nobody")
    assert result.stderr == "sluice: no VM 'nobody' is running; there is: none\n" and result.returncode == 1


def test_a_vm_that_is_not_described_is_named_with_those_that_are(tmp_path):
    (tmp_path / "sluice.yaml").write_text("vms: [{name: web, memory: 64MiB, kernel: /vmlinuz}]\n")
    result = run(tmp_path, "run", "wbe", "--config", str(tmp_path / "sluice.yaml"))
    assert "there is no VM 'wbe'; there is: web; did you mean 'web'?" in result.stderr and result.returncode == 1


def test_a_file_with_mistakes_says_where(tmp_path):
    (tmp_path / "vm.yaml").write_text("name: web\nmemroy: 64MiB\n")
    result = run(tmp_path, "run", "--file", str(tmp_path / "vm.yaml"))
    assert result.stderr == f"{tmp_path}/vm.yaml:2:9: memroy: unknown key; did you mean 'memory'?\n"
    assert result.returncode == 2


def test_mistakes_of_options_are_told_from_those_of_the_file(tmp_path):
    (tmp_path / "vm.yaml").write_text("name: web\nmemory: 64MiB\nkernel: vmlinuz\n")
    result = run(tmp_path, "run", "--file", str(tmp_path / "vm.yaml"), "--grace", "2h")
    assert result.stderr == ("sluice: --grace: '2h' is too long; at most 1h is possible\n"
                             f"{tmp_path}/vm.yaml: kernel: 'vmlinuz' is relative; write the whole path, from /\n")


def test_sluice_vm_says_who_runs_it():
    result = subprocess.run([SLUICE_VM], capture_output=True, text=True)
    assert "is run by 'sluice vm run'" in result.stderr and result.returncode == 2


# ---- with a program in place of sluice-vm, beside a copy of sluice ----


def heed_the_terminal():
    """Tests that run in a shell's background are born deaf to these two."""
    for sent in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(sent, signal.SIG_DFL)


class Stand:
    """A `sluice` whose VMs are a script, which has the description in $1."""

    def __init__(self, directory, script):
        self.directory = str(directory)
        self.program = os.path.join(self.directory, "sluice")
        shutil.copy(SLUICE, self.program)
        with open(self.program + "-vm", "w", encoding="ascii") as file:
            file.write("#!/bin/bash\n" + script)
        os.chmod(self.program + "-vm", stat.S_IRWXU)

    def command(self, *words):
        return [self.program, "vm", "run", *NEEDED.split(), *words]

    def run(self, *words, given=""):
        return subprocess.run(self.command(*words), capture_output=True, text=True, input=given, timeout=30,
                              env=dict(os.environ, SLUICE_RUN_DIRECTORY=self.directory))

    def start(self, **streams):
        return subprocess.Popen(self.command(), env=dict(os.environ, SLUICE_RUN_DIRECTORY=self.directory),
                                preexec_fn=heed_the_terminal, **streams)


def test_without_a_terminal_the_console_is_plain(tmp_path):
    result = Stand(tmp_path, "cat").run(given="hello \x01x\n")
    assert result.stdout == "hello \x01x\n" and result.returncode == 0


@pytest.mark.parametrize("status", [0, 1, 3, 4])
def test_the_exit_status_is_the_vms(tmp_path, status):
    assert Stand(tmp_path, f"exit {status}").run().returncode == status


def test_a_process_that_is_killed_is_explained(tmp_path):
    result = Stand(tmp_path, "kill -SYS $$").run()
    assert result.returncode == 5 and "--sandbox=log" in result.stderr
    result = Stand(tmp_path, "kill -KILL $$").run()
    assert result.returncode == 5 and "ended by signal 9" in result.stderr


def test_a_console_can_be_a_file(tmp_path):
    result = Stand(tmp_path, "cat; echo done").run("--console", str(tmp_path / "console"), given="unread")
    assert result.returncode == 0 and result.stdout == ""
    assert (tmp_path / "console").read_text() == "done\n"


def test_what_the_command_line_says_goes_before_the_file(tmp_path):
    (tmp_path / "vm.yaml").write_text("name: web\nmemory: 64MiB\nkernel: /a\nhypervisor_core: {cpu: 1, poll: 5us}\n")
    stand = Stand(tmp_path, 'printf %s "$1"')
    result = subprocess.run([stand.program, "vm", "run", "--file", str(tmp_path / "vm.yaml"), "--memory", "128MiB",
                             "--poll", "7us", "--split", "off", "--append", "quiet"], capture_output=True, text=True)
    described = json.loads(result.stdout)
    assert described["name"] == "web" and described["kernel"] == "/a" and described["command_line"] == "quiet"
    assert described["memory_bytes"] == 128 << 20 and not described["is_split"]
    assert described["hypervisor_cpu"] == 1 and described["poll_ns_max"] == 7000


def test_disks_are_found_by_asking_sluiced(tmp_path):
    stand = Stand(tmp_path, 'printf %s "$1"')
    with Sluiced(tmp_path, {"gold": "size: 1MiB"}) as sluiced:
        result = stand.run("--control", sluiced.control, "--disk", "gold", "--disk", "/other.sock")
        assert [device["socket"] for device in json.loads(result.stdout)["devices"]] == [sluiced.socket("gold"),
                                                                                        "/other.sock"]
        result = stand.run("--control", sluiced.control, "--disk", "gld")
        assert "there is no disk 'gld'" in result.stderr and result.returncode == 1


def test_without_sluiced_a_disk_has_its_default_socket(tmp_path):
    stand = Stand(tmp_path, 'printf %s "$1"')
    words = ("--control", "/nonexistent.sock", "--disk", "gold")
    result = stand.run(*words)
    assert f"disk 'gold' has no socket {tmp_path}/gold.sock, and sluiced is not running" in result.stderr
    assert result.returncode == 1
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "gold.sock"))
        assert json.loads(stand.run(*words).stdout)["devices"][0]["socket"] == f"{tmp_path}/gold.sock"


def test_signals_reach_the_vm(tmp_path):
    script = "trap 'echo term; exit 4' TERM; trap 'echo quit; exit 4' QUIT; echo ready; while :; do sleep 0.05; done"
    for sent, seen in ((signal.SIGTERM, "term"), (signal.SIGINT, "term"), (signal.SIGQUIT, "quit")):
        process = Stand(tmp_path, script).start(stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(sent)
        assert process.stdout.read() == seen + "\n" and process.wait() == 4


class Terminal:
    """A pseudo-terminal with `sluice vm run` on it."""

    def __init__(self, stand):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.process = stand.start(stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True)
        self.seen = ""

    def see(self, text):
        deadline = time.monotonic() + 20
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 4096).decode()

    def type(self, text):
        os.write(self.master, text.encode())

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def end(self):
        """Returns the exit status; the terminal is as it was."""
        status = self.process.wait(timeout=20)
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return status


SHOWS_WHAT_IS_TYPED = """
trap 'echo term' TERM; trap 'echo quit; exit 4' QUIT
echo ready
while :; do IFS= read -r -N 1 -t 0.1 typed && printf '<%q>' "$typed"; done
"""


def test_on_a_terminal_keys_reach_the_guest_and_escapes_do_not(tmp_path):
    terminal = Terminal(Stand(tmp_path, SHOWS_WHAT_IS_TYPED))
    terminal.see("ready")
    eventually(terminal.is_raw)
    terminal.type("a\x03\x01\x01\x01b")
    terminal.see(r"<a><$'\003'><$'\001'><$'\001'><b>")
    terminal.type("\x01p")
    terminal.see("term")
    terminal.type("\x01x")
    terminal.see("quit")
    assert terminal.end() == 4


def test_a_terminal_is_restored_whatever_becomes_of_the_vm(tmp_path):
    for end in ("kill -KILL $$", "exit 3"):
        terminal = Terminal(Stand(tmp_path, f"echo ready; read -r -N 1; {end}"))
        terminal.see("ready")
        eventually(terminal.is_raw)
        terminal.type("x")
        assert terminal.end() in (3, 5)


# ---- with sockets of VMs that run ----


class FakeVm:
    """Answers as a VM's control socket does."""

    def __init__(self, directory, name, answers):
        self.answers = answers
        os.makedirs(os.path.join(directory, "vms"), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(directory, "vms", name + ".sock"))
        self.listener.listen()
        self.asked = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rw") as stream:
                request = json.loads(stream.readline())
                self.asked.append((request["method"], request["params"]))
                answer = self.answers[request["method"]]
                stream.write(json.dumps({"jsonrpc": "2.0", "id": request["id"],
                                         "result": answer() if callable(answer) else answer}) + "\n")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.listener.close()


SHOWN = {"name": "web", "pid": 4711, "vcpus": 2, "memory_bytes": 512 << 20, "is_split": True, "uptime_ns": 61 * 10**9,
         "guest_cores": [2, 3], "hypervisor_cpu": 1, "poll_ns_max": 50000, "are_cores_dedicated": True,
         "has_exit_rings": False, "kernel": "/vmlinuz", "initrd": "", "command_line": "quiet", "reboots": 1,
         "is_stopping": False,
         "devices": [{"kind": "disk", "name": "gold", "socket": "/run/sluice/gold.sock", "is_sluiced": True}]}


def test_running_vms_are_listed_and_dead_ones_are_not(tmp_path):
    with FakeVm(tmp_path, "web", {"vm.show": SHOWN}):
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(tmp_path / "vms" / "dead.sock"))
        dead.close()
        lines = run(tmp_path, "list").stdout.splitlines()
        assert len(lines) == 2
        assert re.match(r"web +4711 +2 +512MiB +on +1 +1.02min +running$", lines[1]), lines
        assert json.loads(run(tmp_path, "list", "--json").stdout) == [SHOWN]
        assert "no VM 'dead' is running; there is: web" in run(tmp_path, "show", "dead").stderr


def test_vms_that_are_described_and_do_not_run_are_listed_on_demand(tmp_path):
    config = tmp_path / "sluice.yaml"
    config.write_text("vms:\n- {name: web, memory: 1GiB, kernel: /vmlinuz}\n"
                      "- {name: db, memory: 1GiB, cpus: 4, kernel: /vmlinuz, split: false, disks: [/a.sock]}\n")
    with FakeVm(tmp_path, "web", {"vm.show": SHOWN}):
        lines = run(tmp_path, "list", "--all", "--config", str(config)).stdout.splitlines()
        assert len(lines) == 3
        assert re.match(r"web +4711 +2 +512MiB +on +1 +1.02min +running$", lines[1]), lines
        assert re.match(r"db +- +4 +1GiB +off +1 +- +off$", lines[2]), lines
        listed = json.loads(run(tmp_path, "list", "--all", "--config", str(config), "--json").stdout)
        assert [vm.get("pid") for vm in listed] == [4711, None]
        assert len(run(tmp_path, "list").stdout.splitlines()) == 2


def test_a_configuration_that_cannot_be_read_is_no_list(tmp_path):
    result = run(tmp_path, "list", "--all", "--config", "/nonexistent")
    assert "/nonexistent" in result.stderr and result.stdout == "" and result.returncode == 1
    (tmp_path / "sluice.yaml").write_text("vms: [{nmae: web}]\n")
    result = run(tmp_path, "list", "--all", "--config", str(tmp_path / "sluice.yaml"))
    assert f"{tmp_path}/sluice.yaml:1:" in result.stderr and result.stdout == "" and result.returncode == 1


def test_a_vm_is_shown(tmp_path):
    with FakeVm(tmp_path, "web", {"vm.show": SHOWN}):
        shown = run(tmp_path, "show", "web").stdout
    for line in ("VM web, process 4711, running", "guest cores      2, 3, dedicated",
                 "hypervisor core  1, polls for 50us", "reboots: 1", "gold    disk  /run/sluice/gold.sock"):
        assert line in shown, shown


def test_a_vm_is_stopped_by_its_power_button_or_at_once(tmp_path):
    with FakeVm(tmp_path, "web", {"vm.stop": True}) as vm:
        assert run(tmp_path, "stop", "web").returncode == 0
        assert run(tmp_path, "stop", "--now", "web").returncode == 0
        assert run(tmp_path, "stop", "web", "--now").returncode == 0
    assert vm.asked == [("vm.stop", {"now": False}), ("vm.stop", {"now": True}), ("vm.stop", {"now": True})]


class Counting:
    """Counters that go on, so that the rates are known."""

    def __init__(self):
        self.times = -1

    def __call__(self):
        self.times += 1
        return {"name": "web", "reboots": 0, "vcpus": 2, "at_ns": 10**9 * self.times,
                "exits": [{"reason": "IO", "class": "synchronous", "place": "hypervisor core", "count": 7 + 500 * self.times}],
                "accesses": [{"register": "serial", "access": "write", "class": "asynchronous", "path": "coalescing",
                              "count": 1000 * self.times}],
                "lost_ns": {"count": 1, "sum": 10**7 * self.times, "p50": 5000, "p99": 9000, "p99.9": 9000, "max": 10000},
                "notifications": {"handled_on_core": 500 * self.times}, "core": {"sleeps": 0},
                "exit_rings": {"synchronous": 100 * self.times, "asynchronous": 0, "refused": 0, "stopped": 1},
                "devices": [{"name": "gold", "socket": "/s", "is_connected": True, "is_active": True, "reconnects": 0}],
                "kvm": {"exits": 2000 * self.times, "halt_exits": 5}}


def test_exits_are_shown_by_reason_and_class(tmp_path):
    with FakeVm(tmp_path, "web", {"vm.show": SHOWN, "vm.stat": Counting()}):
        shown = run(tmp_path, "stat", "--interval", "10ms", "web").stdout
    for line in (r"IO +synchronous +hypervisor core +500 +507", r"serial +write +asynchronous +coalescing +1k +1000",
                 r"lost to exits +0.500 % of the vCPUs' time", r"p50 5us, p99 9us", r"exit rings +100/s answered, 0/s not waited for, 0/s refused, 1 stopped",
                 r"exits +2k +2000",
                 r"gold +in use +0 +unknown"):
        assert re.search(line, shown), shown
    assert "halt_exits" not in shown


def test_what_is_counted_can_be_had_at_once_as_json(tmp_path):
    with FakeVm(tmp_path, "web", {"vm.show": SHOWN, "vm.stat": Counting()}):
        assert json.loads(run(tmp_path, "stat", "web", "--json").stdout)["exits"][0]["count"] == 7
