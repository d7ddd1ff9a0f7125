"""A module's memory as a device of a guest in QEMU, with and without a doorbell: who is rung, who looks, and what becomes of it when one of
them ends."""

import os
import re
import sys
import tempfile
import time

import pytest
from daemon import ROOT, eventually
from test_modules import CLIENT, Host

sys.path.insert(0, os.path.join(ROOT, "tests", "guest"))

from guest import Guest, ModuleMemory, build_image  # noqa: E402
from machine import GuestError  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "tests", "mariadb-guest"))

from database_guest import Region  # noqa: E402

CLIENT_LIMIT_S = 60
IDLE_S = 2
LOOKS_MAX = 60 * IDLE_S  # a timer that looks every millisecond is far beyond, one that looks every second far below


@pytest.fixture(scope="module", autouse=True)
def image():
    build_image()


@pytest.fixture(name="host")
def host_with_region(tmp_path):
    os.chmod(tmp_path, 0o755)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        os.chmod(memory, 0o755)
        with Host(tmp_path, echo={"module": "echo", "region": os.path.join(memory, "echo")}) as host:
            eventually(lambda: host.is_running("echo"))
            yield host


def guest_of(host, device, name="guest"):
    return Guest([device], str(host.directory), name, programs=[CLIENT])


def guest_with_doorbell(host, name="guest"):
    return guest_of(host, ModuleMemory(host.path("echo.ivshmem.sock")), name)


def guest_with_memory_alone(host):
    return guest_of(host, Region(host.module("echo")["region"]))


class GuestsClient:
    """module_client in the guest, whose input is a named pipe."""

    def __init__(self, guest):
        self.guest, self.count = guest, 0
        guest.run("rm -f /tmp/in /tmp/out; mkfifo /tmp/in")
        self.job = guest.begin("exec 4<>/tmp/in; exec module_client pci </tmp/in >/tmp/out")

    def ask(self, text):
        self.count += 1
        return self.guest.run(f"echo {text} >/tmp/in; until [ $(cat /tmp/out | wc -l) -ge {self.count} ]; do usleep 10000; done; tail -n 1 /tmp/out",
                              CLIENT_LIMIT_S).rstrip("\n")


def looks(host):
    """How often the module's hypervisor core has gone to sleep so far."""
    tasks = f"/proc/{host.module('echo')['pid']}/task"
    for task in os.listdir(tasks):
        with open(os.path.join(tasks, task, "status")) as file:
            status = file.read()
        if re.search(r"^Name:\s+echo$", status, re.M):
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.M)[1])
    raise AssertionError("the module has no hypervisor core")


def looks_while_idle(host):
    time.sleep(0.5)  # for its last poll window
    before = looks(host)
    time.sleep(IDLE_S)
    return looks(host) - before


def doorbells(host):
    return host.module("echo")["counters"]["doorbells"]


def kill_module(host):
    process = host.module("echo")["pid"]
    os.kill(process, 9)
    eventually(lambda: host.is_running("echo") and host.module("echo")["pid"] != process)


def test_a_guest_rings_a_host_that_sleeps(host):
    with guest_with_doorbell(host) as guest:
        client = GuestsClient(guest)
        assert client.ask("hello") == "= hello"
        assert looks_while_idle(host) < LOOKS_MAX
        before = doorbells(host)
        assert client.ask("world") == "= world"
        assert doorbells(host) > before
        assert looks_while_idle(host) < LOOKS_MAX


def test_without_a_doorbell_the_host_looks(host):
    with guest_with_memory_alone(host) as guest:
        client = GuestsClient(guest)
        assert client.ask("hello") == "= hello"
        assert looks_while_idle(host) > LOOKS_MAX
        assert client.ask("world") == "= world"
        assert doorbells(host) == 0


def test_a_guest_goes_on_after_its_module_was_killed(host):
    with guest_with_doorbell(host) as guest:
        client = GuestsClient(guest)
        assert client.ask("hello") == "= hello"
        kill_module(host)
        eventually(lambda: client.ask("again") == "= again")


def test_a_guest_rings_the_next_module_when_its_own_was_killed(host):
    with guest_with_doorbell(host) as guest:
        client = GuestsClient(guest)
        for text in ("one", "two", "three"):
            eventually(lambda text=text: client.ask(text) == f"= {text}")
            before = doorbells(host)
            assert looks_while_idle(host) < LOOKS_MAX
            assert client.ask(text) == f"= {text}"
            assert doorbells(host) > before
            kill_module(host)


def test_a_guest_rings_the_next_module_when_its_own_was_restarted(host):
    with guest_with_doorbell(host) as guest:
        client = GuestsClient(guest)
        assert client.ask("one") == "= one"
        process = host.module("echo")["pid"]
        host.does("module", "restart", "echo")
        eventually(lambda: host.is_running("echo") and host.module("echo")["pid"] != process)
        eventually(lambda: client.ask("two") == "= two")
        assert looks_while_idle(host) < LOOKS_MAX
        assert doorbells(host) > 0


def test_the_next_guest_has_the_doorbell(host):
    for text in ("one", "two"):
        before = doorbells(host)
        with guest_with_doorbell(host) as guest:
            assert GuestsClient(guest).ask(text) == f"= {text}"
            assert doorbells(host) > before


def test_a_second_guest_does_not_start(host):
    with guest_with_doorbell(host) as guest:
        with pytest.raises(GuestError):
            guest_with_doorbell(host, "second").__enter__()
        assert "a second VM asks for the region" in host.log()
        assert GuestsClient(guest).ask("hello") == "= hello"


def test_stopping_leaves_no_socket_and_the_region(host):
    region = host.module("echo")["region"]
    assert os.path.exists(host.path("echo.ivshmem.sock"))
    assert host.end() == 0
    assert not os.path.exists(host.path("echo.ivshmem.sock"))
    assert os.path.exists(region)
