"""A VM with a served NIC of several pairs of queues: each vCPU has its own."""

import json
import re

import pytest


NAME, HOST, GUEST = "paired", "10.9.0.1", "10.9.0.2"
CPUS = 2
CONFIGURATION = f"""cat >/tmp/nics.yaml <<'end'
nics: [{{name: web, netdev: tap9, device: {{queues: {CPUS}}}}}]
vms:
  - name: {NAME}
    cpus: {CPUS}
    memory: 256MiB
    kernel: /guest/vmlinux
    initrd: /guest/initramfs.cpio
    command_line: console=ttyS0 quiet panic=-1 mitigations=off reboot=k rdinit=/bin/sh
    nics: [web]
end
"""
SET_UP = ("mount -t proc proc /proc; mount -t sysfs sysfs /sys; while read m; do insmod /lib/modules/$m; done </lib/modules/order; "
          f"ip link set eth0 up; ip address add {GUEST}/24 dev eth0; echo queues: $(ls /sys/class/net/eth0/queues)")
# Linux gives each pair that is in use to a CPU.
TRANSMITTERS = "for q in /sys/class/net/eth0/queues/tx-*; do echo ${q##*/} of $(cat $q/xps_cpus); done"


class PairedVm:
    """Its first process is a shell on its console, which is a named pipe and the job's output; what the VMM says is elsewhere."""

    def __init__(self, kvm):
        self.kvm, self.keyboard, self.lines = kvm, f"{kvm.scratch}/{NAME}.keyboard", 0
        kvm.run(f"rm -f {self.keyboard}; mkfifo {self.keyboard}")
        self.job = kvm.start_job(f"exec 3<>{self.keyboard}; exec sluice vm run {NAME} --config /tmp/nics.yaml <&3 2>{kvm.scratch}/{NAME}.errors")
        self.job.wait_for("/ # ")

    def run(self, line):
        """What it says to a line."""
        self.lines += 1
        self.kvm.run(f"cat >{self.keyboard} <<'end'\necho begin$(({self.lines})); {line}; echo end$(({self.lines}))\nend")
        said = self.job.wait_for(f"end{self.lines}\r")
        return said.split(f"begin{self.lines}\r")[1].split(f"end{self.lines}\r")[0]

    def ping_from(self, cpu):
        said = self.run(f"taskset {1 << cpu} ping -c 3 -i 0.2 -W 20 {HOST}")
        assert "3 packets received" in said, said


def start_sluiced(kvm):
    daemon = kvm.start_job("exec sluiced --config /tmp/nics.yaml")
    daemon.wait_for("vNICs: 1")
    return daemon


def assert_all_pairs_work(kvm, vm):
    """A tap answers by the pair that it was asked by."""
    for cpu in range(CPUS):
        vm.ping_from(cpu)
    pairs = json.loads(kvm.run("sluice --json nic show web"))["device"]["pairs"]
    assert len(pairs) == CPUS and all(pair[way] > 0 for pair in pairs for way in ("transmit_packets", "receive_packets")), pairs


def test_each_vcpu_has_a_pair_of_queues(kvm, user):
    if not kvm.is_emulated:
        pytest.skip("only where /run/sluice is ours")
    kvm.run(CONFIGURATION)
    daemon = start_sluiced(kvm)
    kvm.run(f"ip address add {HOST}/24 dev tap9")
    vm = PairedVm(kvm)
    assert re.search(r"queues: rx-0 rx-1 tx-0 tx-1\r", vm.run(SET_UP))
    assert re.findall(r"tx-(\d) of (\d)\r", vm.run(TRANSMITTERS)) == [("0", "1"), ("1", "2")]
    assert_all_pairs_work(kvm, vm)
    # The pairs that are in use are told to the next daemon, and each of them goes on.
    daemon.kill()
    daemon.wait()
    daemon = start_sluiced(kvm)
    assert_all_pairs_work(kvm, vm)
    daemon.kill()
    daemon.wait()
    kvm.run(f"sluice vm stop --now {NAME}")
    assert vm.job.wait()[0] == 4
