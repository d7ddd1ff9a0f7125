"""A VM that asks a module of the host, by the memory that a device of its has: with its doorbell, through the end of the module and of
sluiced, and from within its sandbox."""

import json
import re
import time

import pytest

NAME, MODULE = "asking", "echo"
INITRD = "/tmp/modules.cpio"
# As in a build, where sluiced finds the rest of itself.
BUILD = "/tmp/build"
CONFIGURATION = f"""
modules: [{{name: {MODULE}, module: echo, directory: /tmp/echo, region: /dev/shm/echo, user: root}}]
vms:
  - name: {NAME}
    memory: 256MiB
    kernel: /guest/vmlinux
    initrd: {INITRD}
    command_line: console=ttyS0 quiet panic=-1 mitigations=off reboot=k rdinit=/bin/sh
    modules: [{MODULE}]
"""
MAKE_BUILD = f"""set -e
rm -rf {BUILD} /tmp/added; mkdir -p {BUILD}/src/control {BUILD}/src/offload/host {BUILD}/src/offload/modules/echo /tmp/added/bin
cp /sluice/bin/sluiced {BUILD}/src/control/
cp /sluice/bin/sluice-module {BUILD}/src/offload/host/
cp /sluice/bin/echo.so {BUILD}/src/offload/modules/echo/
cp /sluice/bin/module_client /tmp/added/bin
cd /tmp/added && {{ cat $GUEST/initramfs.cpio; find . | cpio -o -H newc; }} >{INITRD} 2>/dev/null
"""
PROMPT = "/ # "
LIMIT_S = 120


class AskingVm:
    """Its first process is a shell on its console, which is a named pipe and the job's output; the shell asks by a client that
    stays, whose input is a named pipe in turn."""

    def __init__(self, kvm):
        self.kvm, self.keyboard, self.lines = kvm, f"{kvm.scratch}/{NAME}.keyboard", 0
        kvm.run(f"rm -f {self.keyboard}; mkfifo {self.keyboard}")
        self.job = kvm.start_job(f"exec 3<>{self.keyboard}; exec sluice vm run {NAME} --config /tmp/modules.yaml <&3")
        self.begin()

    def begin(self):
        """A shell that has just started is made one that can ask."""
        self.job.wait_for(PROMPT)
        self.asked = 0
        self.run("export PATH=/bin; mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmpfs /tmp; "
                 "mkfifo /tmp/in; module_client pci <>/tmp/in >/tmp/out &")

    def run(self, line):
        """What it says to a line."""
        self.lines += 1
        self.kvm.run(f"cat >{self.keyboard} <<'end'\necho begin$(({self.lines})); {line}\necho end$(({self.lines}))\nend")
        said = self.job.wait_for(f"end{self.lines}\r")
        return said.split(f"begin{self.lines}\r")[1].split(f"end{self.lines}\r")[0]

    def reboot(self):
        self.kvm.run(f"echo 'reboot -f' >{self.keyboard}")
        deadline = time.monotonic() + LIMIT_S
        while self.job.output().count("built-in shell") < 2:
            assert not self.job.is_finished() and time.monotonic() < deadline, self.job.output()
            time.sleep(0.2)
        self.begin()

    def ask(self):
        """Whether the module answers with what it was asked, rather than an error; a line each."""
        self.asked += 1
        said = self.run(f"echo question{self.asked} >/tmp/in; until [ $(wc -l </tmp/out) -ge {self.asked} ]; do usleep 50000; done; "
                        "tail -n 1 /tmp/out")
        return f"= question{self.asked}\r" in said

    def asks_until_answered(self):
        deadline = time.monotonic() + LIMIT_S
        while not self.ask():
            assert time.monotonic() < deadline, self.job.output()

    def statistics(self):
        return json.loads(self.kvm.run(f"sluice --json vm stat {NAME}"))

    def device(self):
        return next(device for device in self.statistics()["devices"] if device["name"] == MODULE)


def start_sluiced(kvm):
    daemon = kvm.start_job(f"exec {BUILD}/src/control/sluiced --config /tmp/modules.yaml")
    daemon.wait_for(f"module '{MODULE}': runs")
    return daemon


def module(kvm):
    return json.loads(kvm.run(f"sluice --json module show {MODULE}"))


def wait_until(is_true):
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ring_writes(statistics):
    """Of the device's registers that came to user space: none, as KVM writes to the module's eventfd itself."""
    return sum(row["count"] for row in statistics["accesses"] if (row["register"], row["access"]) == ("ivshmem", "write"))


def test_a_guest_asks_a_module_through_restarts(kvm, user):
    if not kvm.is_emulated:
        pytest.skip("only where /run/sluice is ours")
    kvm.run(MAKE_BUILD)
    kvm.put(CONFIGURATION.encode(), "/tmp/modules.yaml")
    daemon = start_sluiced(kvm)
    vm = AskingVm(kvm)
    assert vm.ask() and vm.ask()
    assert vm.device()["is_connected"] and vm.device()["is_active"]
    # A module that sleeps is rung, and sluice-vm has nothing to do with it.
    assert module(kvm)["counters"]["doorbells"] > 0
    assert ring_writes(vm.statistics()) == 0
    process = json.loads(kvm.run(f"sluice --json vm show {NAME}"))["pid"]
    assert re.search(r"^Seccomp:\s+2$", kvm.run(f"cat /proc/{process}/status"), re.MULTILINE)

    kvm.run(f"kill -KILL {module(kvm)['pid']}")
    wait_until(lambda: module(kvm)["restarts"] == 1 and module(kvm)["state"] == "running")
    vm.asks_until_answered()
    before = module(kvm)["counters"]["doorbells"]
    assert vm.ask() and module(kvm)["counters"]["doorbells"] > before
    assert vm.device()["is_connected"] and vm.device()["reconnects"] == 0  # sluiced has kept the connection

    daemon.kill()
    daemon.wait()
    wait_until(lambda: not vm.device()["is_connected"])
    daemon = start_sluiced(kvm)
    wait_until(lambda: vm.device()["reconnects"] == 1)
    vm.asks_until_answered()
    assert re.search(rf"{MODULE} +in use +1", kvm.run(f"sluice vm stat {NAME}"))

    # The next machine is another one to the module.
    vm.reboot()
    assert vm.ask() and vm.device()["is_connected"]

    kvm.run(f"sluice vm stop --now {NAME}")
    assert vm.job.wait()[0] == 4
    daemon.kill("TERM")
    daemon.wait()
