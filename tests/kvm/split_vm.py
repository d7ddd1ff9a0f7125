"""VMs of `sluice vm run` with disks and NICs of a sluiced, in a machine that runs commands (outer.py), and commands in their guests.

    with Daemon(kvm, ["gold"]) as daemon, SplitVm(daemon, "gold", cpus=2) as vm:
        print(vm.run("fio --name=x --filename=/data ..."))

Each VM has a disk and a NIC of its name. Its root is on the disk, /dev/vda: tests/guest's initramfs loads the modules and goes
there. tests/guest's agent serves commands on the serial console, which loses nothing here.
"""

import base64
import json
import re
import time

from outer import GuestError

BOOT_LIMIT_S = 180
COMMAND_LINE = "console=ttyS0 quiet panic=-1 mitigations=off init_on_alloc=0 no_timer_check"

# The first program on the disk. A press of the power button is an input event, 24 bytes.
FIRST_PROGRAM = """#!/bin/sh
export PATH=/bin
stty raw -echo </dev/ttyS0
ln -s ttyS0 /dev/vport0p1
insmod /lib/modules/button.ko && insmod /lib/modules/evdev.ko
for word in $(cat /proc/cmdline); do
    case $word in
    sluice.address=*) ip addr add ${word#*=} dev eth0 && ip link set eth0 up ;;
    esac
done
(head -c 24 /dev/input/event0 >/dev/null && sync && poweroff -f) &
exec /bin/serve
"""

MAKE_ROOT = f"""set -e
mkdir -p /tmp/pool
[ -e /tmp/root.img ] && exit 0
rm -rf /tmp/root && mkdir /tmp/root && cd /tmp/root
cpio -id <$GUEST/initramfs.cpio 2>/dev/null
mv bin/agent bin/serve
cat >bin/agent <<'end'
{FIRST_PROGRAM}end
chmod 755 bin/agent
cp $(find /lib/modules -name button.ko -o -name evdev.ko) lib/modules/
mke2fs -q -t ext4 -d . /tmp/new.img 48M >/dev/null 2>&1
mv /tmp/new.img /tmp/root.img
rm -rf /tmp/root
"""


class Daemon:
    """sluiced with a disk, which has a root file system, and a NIC for each name; of the NICs, this end is 10.9.INDEX.1/24."""

    def __init__(self, kvm, names):
        self.kvm, self.names, self.job = kvm, names, None

    def __enter__(self):
        self.kvm.run(MAKE_ROOT)
        for name in self.names:
            self.kvm.run(f"cp /tmp/root.img /tmp/pool/{name}.img")
        disks = ", ".join(f"{{name: {name}}}" for name in self.names)
        nics = ", ".join(f"{{name: {name}, netdev: tap-{name}, device: {{}}}}" for name in self.names)
        self.kvm.put(f"pools: [{{name: pool, path: /tmp/pool, page_cache: true}}]\ndisks: [{disks}]\nnics: [{nics}]\n".encode(),
                     "/tmp/split.yaml")
        self.start()
        for index, name in enumerate(self.names):
            self.kvm.run(f"ip addr replace 10.9.{index}.1/24 dev tap-{name}")
        return self

    def __exit__(self, *unused):
        self.job.kill("TERM")
        self.job.wait()

    def start(self):
        self.job = self.kvm.start_job("exec sluiced --config /tmp/split.yaml")
        self.job.wait_for("disks:")

    def kill(self):
        self.job.kill()
        self.job.wait()


class SplitVm:
    """A VM in the background; the console is a named pipe and the job's output."""

    def __init__(self, daemon, name, options="", cpus=1, split="on", kernel="vmlinux"):
        self.daemon, self.kvm, self.name = daemon, daemon.kvm, name
        self.keyboard, self.next_id = f"/tmp/{name}.keyboard", 0
        self.index = daemon.names.index(name)
        self.command = (f"exec sluice vm run --name {name} --memory 128MiB --cpus {cpus} --split {split} --disk {name} --nic {name} "
                        f"--kernel $GUEST/{kernel} --initrd $GUEST/initramfs.cpio --append '{COMMAND_LINE} sluice.root=/dev/vda "
                        f"sluice.address=10.9.{self.index}.2/24' {options}")

    def __enter__(self):
        self.kvm.run(f"rm -f {self.keyboard}; mkfifo {self.keyboard}")
        self.job = self.kvm.start_job(f"exec 3<>{self.keyboard}; {self.command} <&3 3>&-")
        return self.wait_for_boot()

    def __exit__(self, *unused):
        self.kvm.run(f"sluice vm stop --now {self.name}", check=False)

    def wait_for(self, pattern, limit_s):
        """The last place in the console's output."""
        deadline = time.monotonic() + limit_s
        while not (found := re.findall(pattern, self.job.output(), re.MULTILINE)):
            if self.job.is_finished() or time.monotonic() > deadline:
                raise GuestError(f"VM {self.name}: no '{pattern}' within {limit_s} s in:\n{self.job.output()}")
            time.sleep(0.2)
        return found[-1]

    def wait_for_boot(self, boots=1):
        self.wait_for(r"^ready\r?\n(?s:.*^ready\r?\n){%d}" % (boots - 1), BOOT_LIMIT_S)
        return self

    # ---- commands in the guest ----

    def begin(self, command):
        self.next_id += 1
        encoded = base64.b64encode(command.encode()).decode()
        self.kvm.run(f"echo '{self.next_id} {encoded}' >{self.keyboard}")
        return self.next_id

    def is_finished(self, ident):
        return re.search(rf"^{ident} \d+ .*\n", self.job.output(), re.MULTILINE) is not None

    def finish(self, ident, limit_s=180):
        status, encoded = self.wait_for(rf"^{ident} (\d+) ([A-Za-z0-9+/=]*)\n", limit_s)
        output = base64.b64decode(encoded).decode(errors="replace")
        if status != "0":
            raise GuestError(f"VM {self.name}: exit status {status}:\n{output}")
        return output

    def run(self, command, limit_s=180):
        return self.finish(self.begin(command), limit_s)

    # ---- the VM ----

    def statistics(self):
        return json.loads(self.kvm.run(f"sluice --json vm stat {self.name}"))

    def shown(self):
        return json.loads(self.kvm.run(f"sluice --json vm show {self.name}"))

    def turn_off(self):
        self.begin("sync; poweroff -f")
        self.end(0)

    def end(self, status):
        ended, said = self.job.wait(limit_s=60)
        assert ended == status, said
        return said
