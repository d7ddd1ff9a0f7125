"""A Linux guest that does I/O, in an emulated machine with KVM, under `sluice vm run` and under QEMU: the same kernel, typed the same
commands on its serial console, with the same disk and tap behind its devices.

    prepare(machine)
    with SluiceGuest(machine) as guest:
        guest.start(disk_reads(depth=1, polls=True))
        ...
        guest.stop()

The machine has a CPU for whoever asks, one for each vCPU, and one for I/O: CPUS in all. The disk answers at once, and the tap sends a
guest's datagrams back, so that no other CPU has to wake up for an answer.
"""

import re

CPUS = 4
HOST_CPU, IDLE_CPU, BUSY_CPU, IO_CPU = range(CPUS)  # two vCPUs: Linux sets aside a queue for polling only if there are two
DISK = "/dev/nullb0"
TAP = "exits0"
HOST, GUEST, PORT = "10.9.0.1", "10.9.0.2", 7001
COMMAND_LINE = "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/bin/sh"
PROMPT = "/ # "
BOOT_LIMIT_S = 120
# Interrupts stay off between two polls of a socket; a timer would turn them on after this, longer than any gap.
INTERRUPTS_OFF_NS = 10**9
INITRD = "/tmp/exits.cpio"

SLUICED = f"""
sidecores: [{{name: io, cpu: {IO_CPU}, poll: 1s}}]
pools: [{{name: pool, path: {DISK}}}]
disks: [{{name: disk}}]
nics: [{{name: nic, netdev: {TAP}, device: {{}}}}]
"""


def prepare(machine):
    """Loads what the guests' devices end in; their requests are counted there, whoever serves them."""
    machine.run("modprobe null_blk nr_devices=1 gb=1 queue_mode=2 irqmode=0 submit_queues=1; modprobe vhost_net; "
                "for module in sch_ingress cls_u32 act_pedit act_mirred; do modprobe $module; done; "
                "[ -d /sys/kernel/debug/kvm ] || mount -t debugfs debugfs /sys/kernel/debug; "
                "[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing")
    machine.run("rm -rf /tmp/added; mkdir -p /tmp/added/bin; cp $(command -v round_trips) /tmp/added/bin; "
                f"cd /tmp/added && {{ cat $GUEST/initramfs.cpio; find . | cpio -o -H newc; }} >{INITRD}")


# ---- what guests do ----

def disk_reads(depth, polls):
    """Of 4 KiB, at random."""
    return (f"fio --name=read --filename=/dev/vda --direct=1 --rw=randread --bs=4k --ioengine=io_uring --hipri={int(polls)} "
            f"--iodepth={depth} --thread --time_based --runtime=1h")


def round_trips(protocol, polls):
    """Of 64 bytes: "udp", answered by the tap itself, or "tcp", by a process of the host."""
    return f"round_trips {protocol} {HOST} {PORT} {'poll' if polls else 'sleep'}"


def nothing():
    """The same program at full speed, without a device."""
    return "fio --name=none --ioengine=null --size=1g --rw=randread --bs=4k --thread --time_based --runtime=1h"


# ---- guests ----

class IoGuest:
    name = None

    def __init__(self, machine):
        self.machine, self.lines = machine, 0
        self.keyboard = f"{machine.scratch}/{self.name}.keyboard"

    def __enter__(self):
        try:
            self.make_network()
            self.server = self.machine.start_job(f"exec taskset -c {HOST_CPU} round_trips serve {PORT}")
            self.machine.run(f"rm -f {self.keyboard}; mkfifo {self.keyboard}")
            self.job = self.machine.start_job(f"exec 3<>{self.keyboard}; exec {self.command()} <&3")
            self.wait_for(f"{PROMPT}.*", BOOT_LIMIT_S)
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        raise NotImplementedError

    def make_network(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def wait_for(self, text, limit_s):
        """Until the console says it; the machine itself looks, since each command from outside takes CPU time from its guest."""
        self.machine.run(f"until grep -qx '{text}' {self.job.base}.output; do [ -d /proc/$(cat {self.job.base}.pid) ] || exit 1; sleep 0.1; done",
                         limit_s)

    def type(self, line, limit_s=BOOT_LIMIT_S):
        """Types a line of the shell; returns what it said."""
        self.lines += 1
        self.machine.run(f"cat >{self.keyboard} <<'end'\n{line}\necho line$((0 + {self.lines}))\nend")
        self.wait_for(f"line{self.lines}.", limit_s)
        return self.job.output().rpartition(f"\nline{self.lines - 1}\r")[2]

    def set_up(self):
        self.type("export PATH=/bin; mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev\n"
                  "while read m; do o=; case $m in virtio_blk.ko) o=poll_queues=1;; virtio_net.ko) o=napi_tx=0;; esac; insmod /lib/modules/$m $o; done </lib/modules/order\n"
                  f"ip addr add {GUEST}/24 dev eth0; ip link set eth0 up; cat /sys/class/net/eth0/address >/tmp/mac")
        self.send_back()

    def send_back(self):
        """Has the tap itself answer: addresses are swapped, which leaves the checksums right, and ports are the same."""
        mac = re.search(r"\n((?:[0-9a-f]{2}:){5}[0-9a-f]{2})", self.type("cat /tmp/mac"))[1]
        own = self.machine.run(f"cat /sys/class/net/{TAP}/address").strip()
        self.machine.run(f"tc qdisc add dev {TAP} clsact && tc filter add dev {TAP} ingress protocol ip u32 "
                         f"match ip protocol 17 0xff match ip dport {PORT} 0xffff "
                         f"action pedit ex munge eth dst set {mac} munge eth src set {own} munge ip src set {HOST} "
                         f"munge ip dst set {GUEST} pipe action mirred egress redirect dev {TAP}")

    def poll_network(self, polls):
        """Whether a socket that polls has the interrupts off between two calls."""
        self.type(f"echo {100 * polls} >/sys/class/net/eth0/napi_defer_hard_irqs; "
                  f"echo {INTERRUPTS_OFF_NS * polls} >/sys/class/net/eth0/gro_flush_timeout")

    def start(self, program):
        """In the background, on a vCPU of its own; one at a time."""
        self.type(f"taskset -c 1 {program} >/tmp/said 2>&1 &")

    def stop(self):
        self.type("kill -9 $!; wait")


class SluiceGuest(IoGuest):
    name = "sluice"

    def make_network(self):
        self.machine.put(SLUICED.encode(), "/tmp/exits.yaml")
        self.daemon = self.machine.start_job("exec sluiced --config /tmp/exits.yaml")
        self.daemon.wait_for("disks: 1")
        self.machine.run(f"ip addr add {HOST}/24 dev {TAP}")

    def command(self):
        return (f"sluice vm run --config /tmp/exits.yaml --name {self.name} --memory 256MiB --cpus 2 "
                f"--guest-cores {IDLE_CPU},{BUSY_CPU} --hypervisor-core {HOST_CPU} --dedicated on "
                f"--kernel $GUEST/vmlinux --initrd {INITRD} --append '{COMMAND_LINE}' --disk disk --nic nic")

    def __exit__(self, *unused):
        for job in (self.job, self.daemon, self.server):
            job.kill()
            job.wait(60)
        self.machine.run(f"ip link del {TAP}", check=False)


class QemuGuest(IoGuest):
    """As fast as it gets: the disk in a thread of its own, with io_uring and O_DIRECT; the NIC in vhost-net."""

    name = "qemu"

    def make_network(self):
        self.machine.run(f"ip tuntap add {TAP} mode tap; ip addr add {HOST}/24 dev {TAP}; ip link set {TAP} up")

    def command(self):
        return (f"taskset -c {HOST_CPU},{IO_CPU} qemu-system-x86_64 -name exits,debug-threads=on -M q35 -accel kvm -cpu host -smp 2 "
                "-m 256M -machine memory-backend=memory -object memory-backend-memfd,id=memory,size=256M,prealloc=on "
                "-nodefaults -nographic -no-reboot -serial stdio "
                f"-kernel $GUEST/vmlinux -initrd {INITRD} -append '{COMMAND_LINE}' -object iothread,id=io "
                f"-blockdev host_device,node-name=disk,filename={DISK},aio=io_uring,cache.direct=on "
                "-device virtio-blk-pci,drive=disk,iothread=io,num-queues=2 "
                f"-netdev tap,id=nic,ifname={TAP},script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=nic")

    def set_up(self):
        places = {"CPU 0/KVM": IDLE_CPU, "CPU 1/KVM": BUSY_CPU, "IO io": IO_CPU}
        cases = " ".join(f"'{thread}') taskset -p -c {cpu} ${{task##*/}};;" for thread, cpu in places.items())
        self.machine.run(f"for task in /proc/$(pidof qemu-system-x86_64)/task/*; do case $(cat $task/comm) in {cases} esac; done")
        super().set_up()

    def __exit__(self, *unused):
        for job in (self.job, self.server):
            job.kill()
            job.wait(60)
        self.machine.run(f"ip link del {TAP}", check=False)
