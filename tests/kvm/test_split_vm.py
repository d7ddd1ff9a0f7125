"""Stock kernels in VMs of `sluice vm run`, with their root on a disk of sluiced's and a NIC: the whole system.

What is counted and what is verified is asserted, never how long it took. SLUICE_SOAK=N runs the cycles N times each (make soak).
"""

import os

import pytest

from split_vm import Daemon, SplitVm

SOAK = int(os.environ.get("SLUICE_SOAK", "0"))
CYCLES = [(1, "on"), (2, "on"), (2, "off")]
SOAK_CYCLES = [(cpus, "on") for cpus in (1, 2) for _ in range(SOAK)] + [(2, "off")]
FIO = "fio --filename=/data --name=verified --rw=randwrite --bs=4k --ioengine=libaio --iodepth=8 --direct=1 --verify=crc32c " \
      "--verify_fatal=1 --thread --output-format=terse --size="
LINES = 300  # on the console
HOSTILE_SEEDS = range(1, 5 if SOAK else 2)


@pytest.fixture
def mine(kvm):
    if not kvm.is_emulated:
        pytest.skip("only where /run/sluice and the netdevs are ours")
    return kvm


def assert_console_is_whole(vm):
    lines = "".join(f"{number}\n" for number in range(1, LINES + 1))
    vm.run(f"seq {LINES} >/dev/ttyS0")
    assert lines in vm.job.output()


def assert_handled_where_it_should_be(vm, split):
    """All exits: none is handled by a vCPU's thread with the split, and none elsewhere without."""
    told = vm.statistics()["notifications"]
    here, other = told["handled_on_core"], told["handled_on_vcpus"]
    if split == "off":
        here, other = other, here
    assert here > LINES and other == 0, told


def assert_devices_are_well(vm):
    devices = vm.statistics()["devices"]
    assert len(devices) == 2
    for device in devices:
        assert device["is_connected"] and device["is_active"] and not device["needs_reset"], devices


def live_once(kvm, cpus, split):
    """From its start to its end: boot, disk, NIC, console, counts, poweroff."""
    with Daemon(kvm, ["gold"]) as daemon:
        server = kvm.start_job("exec iperf3 -s -1")
        with SplitVm(daemon, "gold", cpus=cpus, split=split) as vm:
            assert vm.run("grep -c ^processor /proc/cpuinfo; grep -c '^/dev/vda / ' /proc/mounts") == f"{cpus}\n1\n"
            vm.run(FIO + "2M")
            assert "receiver" in vm.run("iperf3 -c 10.9.0.1 -t 1")
            assert_console_is_whole(vm)
            assert_handled_where_it_should_be(vm, split)
            assert_devices_are_well(vm)
            vm.turn_off()
        assert server.wait()[0] == 0


@pytest.mark.parametrize("cpus, split", CYCLES)
def test_a_guest_lives_from_boot_to_poweroff(kvm, mine, cpus, split):
    live_once(kvm, cpus, split)


@pytest.mark.skipif(not SOAK, reason="SLUICE_SOAK is not set")
def test_guests_live_many_times_in_a_row(kvm, mine):
    for number, (cpus, split) in enumerate(SOAK_CYCLES, 1):
        live_once(kvm, cpus, split)
        print(f"life {number} of {len(SOAK_CYCLES)}: {cpus} vCPUs, split {split}: verified, turned off, exit status 0", flush=True)


def test_a_bzimage_reboots_and_heeds_its_power_button(kvm, mine):
    with Daemon(kvm, ["gold"]) as daemon, SplitVm(daemon, "gold", cpus=2, kernel="vmlinuz") as vm:
        process = vm.shown()["pid"]
        vm.run("echo kept >/kept; sync")
        vm.begin("reboot -f")
        vm.wait_for_boot(boots=2)
        assert (vm.shown()["reboots"], vm.shown()["pid"]) == (1, process)
        assert vm.run("cat /kept") == "kept\n"
        assert_devices_are_well(vm)
        kvm.run("sluice vm stop gold")
        vm.end(0)


def test_a_guest_verifies_every_byte_through_the_death_of_sluiced(kvm, mine):
    with Daemon(kvm, ["gold"]) as daemon, SplitVm(daemon, "gold", cpus=2) as vm:
        written = vm.begin(FIO + "4M --rate_iops=100,100")
        kvm.run("until sluice vm stat --interval 200ms gold | grep -E '^gold +in use +0 +[1-9]'; do sleep 0.1; done", limit_s=60)
        daemon.kill()
        assert not vm.is_finished(written)
        daemon.start()
        vm.finish(written)
        assert all(device["reconnects"] == 1 for device in vm.statistics()["devices"])
        vm.run("ping -c 1 -W 20 10.9.0.1")
        assert_devices_are_well(vm)
        vm.turn_off()


def test_a_hostile_vm_harms_nobody(kvm, mine):
    with Daemon(kvm, ["good", "bad"]) as daemon, SplitVm(daemon, "good") as vm:
        verified = vm.begin(f"until [ -e /enough ]; do {FIO}1M || exit 1; done")
        for seed in HOSTILE_SEEDS:
            status, said = kvm.run(
                f"sluice vm run --name bad --memory 64MiB --cpus 2 --exit-rings on --kernel $(command -v sluice-bare-guest) "
                f"--append 'hostile {seed} 3000' --disk bad --nic bad </dev/null", check=False)
            assert status == 0 and "survived" in said, said
        assert not vm.is_finished(verified)
        vm.run("touch /enough")
        vm.finish(verified)
        assert_devices_are_well(vm)
        vm.turn_off()


def test_one_hypervisor_core_serves_two_vms(kvm, mine):
    with Daemon(kvm, ["one", "two"]) as daemon, SplitVm(daemon, "one", "--hypervisor-core 1") as one, \
            SplitVm(daemon, "two", "--hypervisor-core 1") as two:
        for ident, vm in [(vm.begin(FIO + "1M"), vm) for vm in (one, two)]:
            vm.finish(ident)
            assert_handled_where_it_should_be(vm, "on")
        for vm in (one, two):
            vm.turn_off()
