"""Exits of a real guest, a very small one (small_guest.S), and what becomes of its machine; and a stock kernel.

What is counted is asserted, never how long it took.
"""

import pytest


SPLIT = pytest.mark.parametrize("split", [1, 0], ids=["split", "whole"])


class Run:
    """What machine_exits has said."""

    def __init__(self, said):
        self.said = said
        self.console, _, report = said.partition("\nend: ")
        lines = report.splitlines()
        assert lines, said
        self.end = lines[0]
        self.counts = {name: int(value) for name, value in (line.split(": ") for line in lines[1:])}

    def __getitem__(self, name):
        return self.counts.get(name, 0)


def run_small_guest(kvm, action, limit_s=60, **settings):
    words = " ".join(f"{name}={value}" for name, value in settings.items())
    # Not 2>&1: what went wrong is to be seen, and is not the guest's.
    return Run(kvm.run(f"machine_exits $(command -v small_guest) {action} {words} 2>/dev/null", limit_s=limit_s))


def assert_handled_where_it_should_be(run, split):
    """All of them: none is handled by a vCPU's thread with the split, and none elsewhere without."""
    other, here = run["handled_on_vcpus"], run["handled_on_core"]
    if not split:
        other, here = here, other
    assert here > 0 and other == 0, run.said


@SPLIT
@pytest.mark.parametrize("action, end", [("off", "off"), ("reset", "reset"), ("triple", "crashed")])
def test_machine_ends_as_its_guest_says(kvm, action, end, split):
    run = run_small_guest(kvm, action, split=split)
    assert run.end == end, run.said
    assert_handled_where_it_should_be(run, split)


@SPLIT
@pytest.mark.parametrize("action", ["memory", "alternate", "flood"])
def test_guest_reads_what_it_should(kvm, action, split):
    run = run_small_guest(kvm, action, split=split)
    assert run.console.strip() == "ok", run.said
    assert run.end == "off"
    assert_handled_where_it_should_be(run, split)


@SPLIT
def test_string_instruction_writes_its_string(kvm, split):
    assert run_small_guest(kvm, "string", split=split).console.strip() == "many at once"


def test_flood_of_writes_is_coalesced_and_none_is_lost(kvm):
    run = run_small_guest(kvm, "flood", split=1, poll_us=5000)
    written = run["serial.write.post"] + run["serial.write.coalescing"]
    assert written == 20000 + len("ok"), run.said
    assert run["serial.write.coalescing"] == run["coalesced_writes"] > 0
    assert run["vcpu0.IO"] < 20000


def test_nothing_is_coalesced_without_the_split(kvm):
    run = run_small_guest(kvm, "flood", split=0)
    assert run["coalesced_writes"] == 0 and run["serial.write.post"] == 20000 + len("ok"), run.said


def test_exits_reach_a_core_that_never_polls(kvm):
    run = run_small_guest(kvm, "alternate", split=1, poll_us=0)
    assert run.console.strip() == "ok" and run["vcpu0.doorbells"] > 0, run.said


def test_guest_and_hypervisor_share_a_core(kvm):
    run = run_small_guest(kvm, "alternate", split=1, cpu=0, core=0)
    assert run.console.strip() == "ok", run.said
    assert_handled_where_it_should_be(run, split=True)


@SPLIT
@pytest.mark.parametrize("action", ["halt", "loop", "write"])
def test_machine_can_be_stopped_whatever_its_guest_does(kvm, action, split):
    for cores in ({}, {"cpu": 0, "core": 0}):
        run = run_small_guest(kvm, action, split=split, vcpus=2, stop_after_ms=200, **cores)
        assert run.end == "stopped", run.said


def test_kvm_says_the_same_of_exits(kvm):
    run = run_small_guest(kvm, "alternate", split=1)
    assert run["kvm.io_exits"] >= run["vcpu0.IO"] > 0, run.said


def boot(kvm, program, **settings):
    """A stock kernel, with this program as its first process."""
    words = " ".join(f"{name}={value}" for name, value in settings.items())
    return Run(kvm.run(
        f"machine_exits $GUEST/vmlinux 'console=ttyS0 quiet panic=-1 mitigations=off rdinit={program} -- -f' memory_mib=256 "
        f"initrd_fd=9 {words} 9<$GUEST/initramfs.cpio 2>/dev/null", limit_s=150))


@SPLIT
@pytest.mark.parametrize("vcpus", [1, 2])
def test_stock_kernel_reaches_user_space_and_turns_off(kvm, split, vcpus):
    run = boot(kvm, "/bin/poweroff", split=split, vcpus=vcpus)
    assert run.end == "off" and "Power down" in run.console, run.said
    assert_handled_where_it_should_be(run, split)


def test_stock_kernel_reboots(kvm):
    run = boot(kvm, "/bin/reboot", vcpus=2)
    assert run.end == "reset" and "Restarting system" in run.console, run.said
