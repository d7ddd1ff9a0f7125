"""Linux guests in QEMU, for the tests, the demo and whoever wants one: a stock kernel, a small initramfs, disks behind
vhost-user sockets, taps for NICs, and commands that run inside.

    with Guest([Disk("/run/sluice/gold.sock")], work_directory) as guest:
        print(guest.run("fio --name=x --filename=/dev/vda ..."))
"""

import dataclasses
import os
import shutil
import subprocess
import time

from machine import BOOT_LIMIT_S, GuestError, Machine, qemu_version

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IMAGE = os.path.join(ROOT, "build", "guest")
QEMU = os.environ.get("SLUICE_QEMU", "qemu-system-x86_64")


def build_image():
    """Builds the guest's kernel and initramfs unless they are there."""
    subprocess.run([os.path.join(ROOT, "tests", "guest", "build"), IMAGE], check=True)


def survives_death_in_handshake():
    """Whether this QEMU tries again when the daemon dies while they shake hands. Before 9.1 it forgets its handler of the
    socket's events: it connects again, says nothing, and the guest waits for ever (QEMU's "fix lost reconnect")."""
    return qemu_version(QEMU) >= (9, 1)


def has_kvm():
    """Whether KVM runs guests in hardware. Where it emulates (a device file, but no virtualization extension, as in some
    clouds' virtual machines), stock kernels boot slower than in QEMU's emulator, or not at all."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        flags = next((line.split() for line in cpuinfo if line.startswith("flags")), [])
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and ("vmx" in flags or "svm" in flags)


def guest_cpu():
    """The CPU for guests: sidecores have the last one."""
    return min(os.sched_getaffinity(0))


@dataclasses.dataclass
class Disk:
    socket: str
    queues: int = 1
    packed: bool = False
    event_index: bool = True
    queue_size: int = 128

    def arguments(self, index):
        on = {True: "on", False: "off"}
        return ["-chardev", f"socket,id=disk{index},path={self.socket},reconnect=1",
                "-device", f"vhost-user-blk-pci,chardev=disk{index},num-queues={self.queues},"
                           f"packed={on[self.packed]},event_idx={on[self.event_index]},queue-size={self.queue_size}"]


@dataclasses.dataclass
class Nic:
    tap: str  # a netdev of the namespace that QEMU runs in
    address: str  # with its prefix: 10.0.1.2/16
    mac: str

    def arguments(self, index):
        return ["-netdev", f"tap,id=nic{index},ifname={self.tap},script=no,downscript=no",
                "-device", f"virtio-net-pci,netdev=nic{index},mac={self.mac}"]


@dataclasses.dataclass
class ServedNic:
    """A NIC that sluiced serves."""
    socket: str
    address: str
    mac: str
    pairs: int = 1
    packed: bool = False
    mergeable: bool = True

    def arguments(self, index):
        on = {True: "on", False: "off"}
        # Without KVM, QEMU before 9.1 crashes when a vhost-user NIC's MSI-X vector is masked: it has no irqfd to release.
        vectors = 2 * self.pairs + 2 if has_kvm() else 0
        return ["-chardev", f"socket,id=served{index},path={self.socket},reconnect=1",
                "-netdev", f"vhost-user,id=nic{index},chardev=served{index},queues={self.pairs}",
                "-device", f"virtio-net-pci,netdev=nic{index},mac={self.mac},packed={on[self.packed]},"
                           f"mrg_rxbuf={on[self.mergeable]},mq={on[self.pairs > 1]},vectors={vectors}"]


@dataclasses.dataclass
class ModuleMemory:
    """A module's channel, which the module tells QEMU of over its socket `doorbell`."""
    doorbell: str

    def arguments(self, index):
        return ["-chardev", f"socket,id=module{index},path={self.doorbell}", "-device", f"ivshmem-doorbell,chardev=module{index}"]


class Guest(Machine):
    """`nics` are eth0 and so on; `namespace` is the network namespace that their taps are in. `programs` are files of the host that
    the guest has in its /bin, besides its own."""

    def __init__(self, disks, directory, name="guest", root=None, memory="256M", cpus=1, cpu=None,
                 incoming=None, nics=(), namespace=None, programs=()):
        super().__init__(directory, name)
        self.disks, self.root, self.memory, self.cpus = disks, root, memory, cpus
        self.nics, self.namespace, self.programs = nics, namespace, programs
        self.cpu = guest_cpu() if cpu is None else cpu
        self.incoming = incoming  # where a migration comes from, as in QEMU's -incoming

    # ---- life ----

    def initramfs(self):
        """Linux unpacks one archive after the other."""
        image = os.path.join(IMAGE, "initramfs.cpio")
        if not self.programs:
            return image
        folder, own = self.path("added"), self.path("initramfs.cpio")
        os.makedirs(os.path.join(folder, "bin"))
        for program in self.programs:
            shutil.copy2(program, os.path.join(folder, "bin"))
        with open(own, "wb") as file, open(image, "rb") as beginning:
            shutil.copyfileobj(beginning, file)
            file.flush()
            subprocess.run("find . | cpio -o --quiet -H newc", shell=True, check=True, cwd=folder, stdout=file)
        return own

    def command(self):
        accelerator = "kvm" if has_kvm() else "tcg"
        within = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        command = [*within, "taskset", "-c", str(self.cpu), QEMU, "-M", f"q35,accel={accelerator}", "-cpu", "max",
                   "-m", self.memory, "-smp", str(self.cpus), "-nodefaults", "-nographic", "-no-reboot",
                   "-object", f"memory-backend-memfd,id=memory,size={self.memory},share=on",
                   "-numa", "node,memdev=memory",
                   "-kernel", os.path.join(IMAGE, "vmlinux"), "-initrd", self.initramfs(),
                   "-append", "console=ttyS0 quiet panic=-1 mitigations=off init_on_alloc=0 no_timer_check" +
                   (f" sluice.root={self.root}" if self.root else ""),
                   "-serial", f"file:{self.path('console.log')}",
                   "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent",
                   "-chardev", f"socket,id=agent,path={self.path('agent')},server=on,wait=off",
                   "-qmp", f"unix:{self.path('qmp')},server=on,wait=off"]
        for index, disk in enumerate(self.disks):
            command += disk.arguments(index)
        for index, nic in enumerate(self.nics):
            command += nic.arguments(index)
        if self.incoming:
            command += ["-incoming", self.incoming]
        return command

    def wait_for_boot(self):
        super().wait_for_boot()
        for index, nic in enumerate(self.nics):
            self.run(f"ip addr add {nic.address} dev eth{index} && ip link set eth{index} up")
        return self

    def migrate_to(self, destination, limit_s=60):
        """Moves the running guest to `destination`, which was started with `incoming`; commands under way end there."""
        destination.listen(time.monotonic() + BOOT_LIMIT_S)  # first: the agent must never find its port closed
        destination.qmp("query-status")  # answered when it listens
        destination.next_id = self.next_id
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 20 << 20})  # some seconds, so that a lot happens meanwhile
        self.qmp("migrate", uri=destination.incoming)
        deadline = time.monotonic() + limit_s
        while (state := self.qmp("query-migrate"))["status"] != "completed":
            if state["status"] == "failed" or time.monotonic() > deadline:
                raise GuestError(f"migration: {state}\n{self.tail('qemu.log')}\n{destination.tail('qemu.log')}")
            time.sleep(0.1)
        self.kill()
