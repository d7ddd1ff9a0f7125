"""`sluice vm` with a VM that runs: what is said of it, how it ends, and what its process is left with."""

import json
import re
import time

import pytest


# The guest's first process is a shell on its console; it reboots by the keyboard controller, as there is no BIOS.
SHELL = "console=ttyS0 quiet panic=-1 mitigations=off reboot=k rdinit=/bin/sh"
READY = "/ # "  # its prompt


class Vm:
    """`sluice vm run` in the background; the console is a named pipe and the job's output."""

    def __init__(self, kvm, name, options=""):
        self.kvm, self.name, self.keyboard = kvm, name, f"{kvm.scratch}/{name}.keyboard"
        kvm.run(f"rm -f {self.keyboard}; mkfifo {self.keyboard}")
        self.job = kvm.start_job(
            f"exec 3<>{self.keyboard}; exec sluice vm run --name {name} --memory 256MiB --kernel $GUEST/vmlinux "
            f"--initrd $GUEST/initramfs.cpio --append '{SHELL}' {options} <&3")

    def wait_for_boot(self, boots=1):
        deadline = time.monotonic() + 120
        while self.job.output().count("built-in shell") < boots:
            assert not self.job.is_finished() and time.monotonic() < deadline, self.job.output()
            time.sleep(0.1)
        self.job.wait_for(READY)
        return self

    def type(self, line):
        self.kvm.run(f"echo '{line}' >{self.keyboard}")

    def shown(self):
        return json.loads(self.kvm.run(f"sluice --json vm show {self.name}"))

    def end(self, status):
        ended, said = self.job.wait(limit_s=60)
        assert ended == status, said
        assert self.name not in self.kvm.run("sluice vm list")
        assert f"{self.name}.sock\n" not in self.kvm.run("ls $(ls -d /run/sluice/vms)")
        return said


def test_a_guest_that_turns_itself_off_is_the_end(kvm):
    vm = Vm(kvm, "off", "--cpus 2").wait_for_boot()
    vm.type("mount -t proc proc /proc; grep -c processor /proc/cpuinfo; poweroff -f")
    said = vm.end(0)
    assert re.search(r"^2\r?$", said, re.MULTILINE) and "turned itself off" in said


def test_a_vm_is_listed_shown_and_counted(kvm):
    vm = Vm(kvm, "counted").wait_for_boot()
    assert re.search(r"counted +\d+ +1 +256MiB +on +0 +\S+ +running", kvm.run("sluice vm list"))
    assert vm.shown()["memory_bytes"] == 256 << 20
    vm.type("while :; do echo x; done")
    before = json.loads(kvm.run("sluice --json vm stat counted"))
    after = json.loads(kvm.run("sleep 1; sluice --json vm stat counted"))

    def written(counted):
        return sum(row["count"] for row in counted["accesses"] if (row["register"], row["access"]) == ("serial", "write"))
    assert written(after) > written(before) > 0
    assert after["kvm"]["exits"] > before["kvm"]["exits"] > 0
    text = kvm.run("sluice vm stat --interval 200ms counted")
    assert "lost to exits" in text and re.search(r"IO +synchronous +hypervisor core", text)
    kvm.run("sluice vm stop --now counted")
    assert "stopped" in vm.end(4)


def test_a_name_is_one_vms(kvm):
    vm = Vm(kvm, "only").wait_for_boot()
    status, said = kvm.run("sluice vm run --name only --memory 64MiB --kernel $GUEST/vmlinux </dev/null", check=False)
    assert status == 1 and "it is running already" in said
    kvm.run("sluice vm stop --now only")
    vm.end(4)


def test_a_guest_that_does_not_heed_its_power_button_is_stopped(kvm):
    vm = Vm(kvm, "deaf", "--grace 1s").wait_for_boot()
    kvm.run("sluice vm stop deaf")
    assert "the guest has not turned itself off" in vm.end(4)


def test_a_second_signal_ends_it_at_once(kvm):
    vm = Vm(kvm, "asked", "--grace 1h").wait_for_boot()
    vm.job.kill("TERM")
    vm.job.wait_for("power button pressed")
    assert vm.shown()["is_stopping"]
    vm.job.kill("TERM")
    vm.end(4)


def test_a_reboot_is_possible_in_the_sandbox(kvm, user):
    vm = Vm(kvm, "again", "--cpus 2").wait_for_boot()
    process = vm.shown()["pid"]
    vm.type("reboot -f")
    vm.wait_for_boot(boots=2)
    assert (vm.shown()["reboots"], vm.shown()["pid"]) == (1, process)
    vm.type("poweroff -f")
    vm.end(0)


def test_the_sandbox_is_in_force(kvm, user):
    vm = Vm(kvm, "boxed").wait_for_boot()
    process = vm.shown()["pid"]
    tasks = kvm.run(f"cat /proc/{process}/task/*/status")
    values = {key: set(re.findall(rf"^{key}:\s+(.*)$", tasks, re.MULTILINE))
              for key in ("Seccomp", "NoNewPrivs", "CapEff", "CapPrm", "CapBnd", "Uid")}
    uid = kvm.run(f"id -u {user}").strip()
    assert values == {"Seccomp": {"2"}, "NoNewPrivs": {"1"}, "CapEff": {"0" * 16}, "CapPrm": {"0" * 16},
                      "CapBnd": {"0" * 16}, "Uid": {"\t".join([uid] * 4)}}
    assert kvm.run(f"readlink /proc/{process}/ns/net") != kvm.run("readlink /proc/1/ns/net")
    kvm.run("sluice vm stop --now boxed")
    vm.end(4)


def test_a_process_that_is_killed_leaves_nothing(kvm):
    vm = Vm(kvm, "killed").wait_for_boot()
    kvm.run(f"kill -KILL {vm.shown()['pid']}")
    assert "ended by signal 9" in vm.end(5)


SLUICED = """mkdir -p /tmp/pool && cat >/tmp/sluice.yaml <<'end'
pools: [{name: pool, path: /tmp/pool, page_cache: true}]
disks: [{name: gold, size: 64MiB}]
vms:
  - name: described
    memory: 256MiB
    kernel: /guest/vmlinux
    initrd: /guest/initramfs.cpio
    command_line: SHELL
    disks: [gold]
end
""".replace("SHELL", SHELL)


def test_a_described_vm_has_its_disk_through_restarts_of_sluiced(kvm, user):
    if not kvm.is_emulated:
        pytest.skip("only where /run/sluice is ours")
    kvm.run(SLUICED)
    daemon = kvm.start_job("exec sluiced --config /tmp/sluice.yaml")
    daemon.wait_for("disks: 1")
    keyboard = f"{kvm.scratch}/described.keyboard"
    kvm.run(f"rm -f {keyboard}; mkfifo {keyboard}")
    job = kvm.start_job(f"exec 3<>{keyboard}; exec sluice vm run described --config /tmp/sluice.yaml <&3")

    def type_and_see(line, text):
        kvm.run(f"echo '{line}' >{keyboard}")
        job.wait_for(text)
    job.wait_for(READY)
    type_and_see("mount -t devtmpfs devtmpfs /dev; while read m; do insmod /lib/modules/$m; done </lib/modules/order; echo in$((1))",
                 "in1")
    type_and_see("echo kept | dd of=/dev/vda conv=fsync; echo written$((1))", "written1")
    assert re.search(r"gold +in use +0 +\d", kvm.run("sluice vm stat described"))
    daemon.kill()
    daemon.wait()
    daemon = kvm.start_job("exec sluiced --config /tmp/sluice.yaml")
    daemon.wait_for("disks: 1")
    type_and_see("echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=4 count=1 iflag=direct; echo read$((1))", "read1")
    kvm.run(f"echo 'poweroff -f' >{keyboard}")
    status, said = job.wait(limit_s=60)
    assert status == 0 and "kept" in said, said
    daemon.kill("TERM")
    daemon.wait()
