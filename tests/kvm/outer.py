"""A machine with a usable /dev/kvm: the host itself where it has one, and an emulated machine elsewhere.

    with machine_with_kvm(work_directory) as machine:
        print(machine.run("sluice vm run --kernel $GUEST/vmlinux --initrd $GUEST/initramfs.cpio ..."))

Both run shell commands as root, with Sluice's programs and those of tests in PATH, $GUEST the folder with tests/guest's kernel
(vmlinux and, emulated only, vmlinuz) and initramfs, and `machine.scratch` a folder for files. Times mean nothing in the
emulated one; counts do. It gets stuck now and then: see fresh_machine_after_failure.
"""

import base64
import fcntl
import functools
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "guest"))

import programs  # noqa: E402
from guest import IMAGE as GUEST_IMAGE, QEMU, build_image, has_kvm  # noqa: E402
from machine import GuestError, Machine  # noqa: E402

IMAGE = os.path.join(ROOT, "build", "kvm")
CANNOT_BE_HAD = 77  # tests/kvm/build's exit status without QEMU 10
TRIES = 3  # of a test in an emulated machine
SAVE_LIMIT_S = 60
USER_OF_VMS = "sluice-vm"
PUT_BYTES_MAX = 1 << 20  # the agent reads a command one byte at a time


class NoOuterMachine(Exception):
    """QEMU 10 is neither there nor to be fetched, or this host's VMs have no user to run as."""


def was_checked():
    """Whether nothing that tests/kvm/build would look at has changed since it last looked: that takes it seconds."""
    inputs = [os.path.join(ROOT, "tests", folder, name) for folder, names in
              (("guest", ("agent", "build", "image.sh", "init")), ("kvm", ("agent", "build"))) for name in names]
    inputs += ["/var/lib/apt/lists", "/var/lib/dpkg/status"]
    outputs = [os.path.join(IMAGE, name) for name in ("checked", "key")]
    if not all(os.path.exists(path) for path in outputs):
        return False
    return max(map(os.path.getmtime, inputs)) < os.path.getmtime(outputs[0])


def build_outer_image():
    """Builds what the outer machine is started from unless it is there."""
    if was_checked():
        return
    begin = time.time()
    status = subprocess.run([os.path.join(ROOT, "tests", "kvm", "build"), IMAGE], check=False).returncode
    if status == CANNOT_BE_HAD:
        raise NoOuterMachine("no /dev/kvm, and no QEMU 10 from Debian's backports to emulate one")
    if status:
        raise GuestError(f"tests/kvm/build: exit status {status}")
    with open(os.path.join(IMAGE, "checked"), "wb"):
        os.utime(os.path.join(IMAGE, "checked"), (begin, begin))


class Job:
    """A command in the background, in a session of its own, of a machine that runs commands."""

    def __init__(self, machine, command):
        self.machine = machine
        machine.jobs += 1
        self.base = os.path.join(machine.scratch, f"job{machine.jobs}")
        session = f"echo $$ >{self.base}.pid; exec >{self.base}.output 2>&1; {command}"
        self.ident = machine.begin(f"exec setsid sh -c {shlex.quote(session)}")

    def is_finished(self):
        return self.machine.is_finished(self.ident)

    def output(self):
        """What it has said so far."""
        return self.machine.run(f"cat {self.base}.output 2>/dev/null || true")

    def kill(self, signal="KILL"):
        """Sends a signal to all of its processes."""
        self.machine.run(f"until [ -s {self.base}.pid ]; do sleep 0.01; done; kill -{signal} -$(cat {self.base}.pid)",
                         limit_s=10, check=False)

    def wait(self, limit_s=120):
        """Its exit status and its output."""
        status, _ = self.machine.finish(self.ident, limit_s, check=False)
        return status, self.output()

    def wait_for(self, text, limit_s=120):
        """Until its output has `text`; returns the output."""
        deadline = time.monotonic() + limit_s
        while text not in (output := self.output()):
            if self.is_finished() or time.monotonic() > deadline:
                raise GuestError(f"no '{text}' within {limit_s} s in:\n{output}")
            time.sleep(0.1)
        return output


class RunsJobs:
    """What both kinds of machine can do beyond running commands."""

    jobs = 0

    def start_job(self, command):
        return Job(self, command)

    def put(self, content, path):
        """Writes bytes to a file of the machine."""
        if len(content) > PUT_BYTES_MAX:
            raise ValueError(f"{path}: more than {PUT_BYTES_MAX} bytes")
        self.run(f"base64 -d >{shlex.quote(path)} <<'end'\n{base64.encodebytes(content).decode()}end")

    def get(self, path):
        """The bytes of a file of the machine."""
        return base64.b64decode(self.run(f"base64 {shlex.quote(path)}"))

    def restart(self):
        self.kill()
        self.start().wait_for_boot()


class BootedMachine(Machine):
    """Emulated, from tests/kvm/build's images and the drive `root`."""

    def __init__(self, directory, name, root, memory, cpus):
        super().__init__(directory, name)
        self.root, self.memory, self.cpus = root, memory, cpus

    def start(self):
        self.programs = programs.image_in(IMAGE)
        return super().start()

    def command(self):
        qemu = os.path.join(IMAGE, "qemu", "usr")
        data = [argument for folder in ("share/qemu", "share/seabios", "lib/ipxe/qemu")
                for argument in ("-L", os.path.join(qemu, folder))]
        # It must not outlive whoever asks it.
        return ["setpriv", "--pdeathsig", "KILL", "env", f"LD_LIBRARY_PATH={qemu}/lib/x86_64-linux-gnu",
                os.path.join(qemu, "bin", "qemu-system-x86_64"), *data, "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "EPYC",
                "-smp", str(self.cpus), "-m", self.memory, "-nodefaults", "-nographic", "-no-reboot",
                "-kernel", os.path.join(GUEST_IMAGE, "vmlinux"), "-initrd", os.path.join(IMAGE, "initramfs.cpio"),
                "-append", "console=ttyS0 quiet panic=-1 mitigations=off init_on_alloc=0 no_timer_check tsc=reliable sluice.root=/dev/vda",
                "-serial", f"file:{self.path('console.log')}",
                "-drive", f"if=virtio,{self.root}",
                "-drive", f"if=virtio,format=raw,readonly=on,file={self.programs}",
                "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent",
                "-chardev", f"socket,id=agent,path={self.path('agent')},server=on,wait=off",
                "-device", "virtconsole,chardev=terminal",
                "-chardev", f"socket,id=terminal,path={self.path('terminal')},server=on,wait=off",
                "-qmp", f"unix:{self.path('qmp')},server=on,wait=off"]

    def wait_for_boot(self):
        """The emulator hangs now and then before its kernel has said a word; twice in a row, it is the code."""
        try:
            return super().wait_for_boot()
        except GuestError as failure:
            warnings.warn(f"{self.name}: a second boot, after: {failure}", stacklevel=1)
        self.kill()
        self.start()
        return super().wait_for_boot()

    def save(self, path):
        """Writes its state to a file; it does not run any more then."""
        self.qmp("stop")
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.qmp("migrate", uri=f"file:{path}")
        deadline = time.monotonic() + SAVE_LIMIT_S
        while (state := self.qmp("query-migrate")["status"]) != "completed":
            if state == "failed" or time.monotonic() > deadline:
                raise GuestError(f"{self.name}: its state cannot be saved: {state}\n{self.tail('qemu.log')}")
            time.sleep(0.05)


class SavedMachine:
    """The state of a machine after its boot, with what it had written to its root by then: from there, the next one starts
    within a second. It holds for one boot of the host, since another one may have another clock."""

    def __init__(self, memory, cpus):
        self.memory, self.cpus = memory, cpus
        self.folder = os.path.join(IMAGE, f"saved-{memory}-{cpus}")
        self.state, self.root, self.key = (os.path.join(self.folder, name) for name in ("state", "root.qcow2", "key"))

    def key_now(self):
        names = os.path.join(IMAGE, "key"), "/proc/sys/kernel/random/boot_id", __file__
        return "".join(open(name, encoding="utf-8").read() for name in names)

    def is_current(self):
        try:
            with open(self.key, encoding="utf-8") as file:
                return file.read() == self.key_now()
        except FileNotFoundError:
            return False

    def make(self):
        """Unless it is there and current."""
        with open(os.path.join(IMAGE, "saved.lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.is_current():
                self.forget()
                os.makedirs(self.folder)
                self.boot_and_save()

    def boot_and_save(self):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "../root.ext4", "-F", "raw", self.root],
                       check=True)
        root = f"format=qcow2,file={self.root}"
        with tempfile.TemporaryDirectory() as directory, \
                BootedMachine(directory, "outer", root, self.memory, self.cpus) as machine:
            machine.save(self.state)
        with open(self.key, "w", encoding="utf-8") as file:
            file.write(self.key_now())

    def forget(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class OuterMachine(RunsJobs, BootedMachine):
    """Started from a saved state, and restarted by a boot. What it writes to its root is forgotten."""

    is_emulated = True
    scratch = "/tmp"

    def __init__(self, directory, name="outer", memory="3G", cpus=2):
        super().__init__(directory, name, None, memory, cpus)
        self.saved = SavedMachine(memory, cpus)
        self.root = f"snapshot=on,format=qcow2,file={self.saved.root}"

    def start(self):
        if self.saved:
            self.saved.make()
        return super().start()

    def command(self):
        return [*super().command(), *(["-incoming", "defer"] if self.saved else [])]

    def wait_for_boot(self):
        if self.saved:
            self.restore()
        else:
            super().wait_for_boot()
        # Its clock stood still while it was saved, and of the disk with the programs it may have kept an old block.
        self.run(f"date -s @{time.time():.0f} && blockdev --flushbufs /dev/vdb && mount -t ext4 -o ro /dev/vdb /sluice", limit_s=20)
        return self

    def restore(self):
        deadline = time.monotonic() + SAVE_LIMIT_S
        self.listen(deadline)  # first: the agent must never find its port closed
        self.qmp("migrate-incoming", uri=f"file:{self.saved.state}")
        while self.qmp("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise GuestError(f"{self.name}: the saved state does not start:\n{self.tail('qemu.log')}")
            time.sleep(0.02)
        self.qmp("cont")  # it was stopped to be saved

    def restart(self):
        self.saved, self.root = None, f"snapshot=on,format=raw,file={os.path.join(IMAGE, 'root.ext4')}"
        super().restart()


class HostMachine(RunsJobs):
    """This host, where KVM runs guests in hardware; the same interface as OuterMachine."""

    is_emulated = False

    def __init__(self, directory, name="host"):
        self.name, self.scratch = name, os.path.join(directory, name)
        self.running = {}

    def start(self):
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)
        path = ":".join([*programs.folders(), os.environ["PATH"], "/usr/sbin", "/sbin"])
        self.environment = dict(os.environ, PATH=path, GUEST=GUEST_IMAGE, HOME=self.scratch)
        return self

    def wait_for_boot(self):
        return self

    def kill(self):
        for process in self.running.values():
            process.kill()
            process.communicate()
        self.running = {}

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.kill()

    def tail(self, name, lines=30):
        return ""

    def begin(self, command):
        process = subprocess.Popen(["sh", "-c", command], env=self.environment, cwd=self.scratch, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.running[process.pid] = process
        return process.pid

    def finish(self, ident, limit_s=120, check=True):
        try:
            output, _ = self.running[ident].communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as expired:
            raise GuestError(f"{self.name}: no answer within {limit_s} s") from expired
        status = self.running.pop(ident).returncode
        if not check:
            return status, output
        if status:
            raise GuestError(f"{self.name}: exit status {status}:\n{output}")
        return output

    def is_finished(self, ident):
        return self.running[ident].poll() is not None

    def run(self, command, limit_s=120, check=True):
        return self.finish(self.begin(command), limit_s, check)


def require_user_of_vms():
    try:
        pwd.getpwnam(USER_OF_VMS)
    except KeyError as unknown:
        if os.geteuid() == 0:
            raise NoOuterMachine(f"root starts no VM without a user {USER_OF_VMS}: useradd --system {USER_OF_VMS}") from unknown


def machine_with_kvm(directory):
    """Not yet started. Raises NoOuterMachine if there is no way to have one."""
    if has_kvm():
        require_user_of_vms()
        build_image()
        return HostMachine(directory)
    build_outer_image()
    return OuterMachine(directory)


def fresh_machine_after_failure(test):
    """What every test here is (conftest.py). An emulated machine gets stuck now and then, its kernel crashes, or its guests end in triple
    faults, under QEMU's own VMM, too: up to four of some seventy tests. So two failures of a test may be the emulator's; three, each in
    a fresh machine, are the code's. The others are reported as warnings. On a host with KVM there is one try."""

    @functools.wraps(test)
    def tried(kvm, **settings):
        for _ in range(TRIES - 1):
            try:
                return test(kvm=kvm, **settings)
            except (AssertionError, GuestError, OSError) as failure:
                if not kvm.is_emulated:
                    raise
                warnings.warn(f"{test.__name__}: once more in a fresh outer machine, after: {failure}", stacklevel=1)
                kvm.restart()
        return test(kvm=kvm, **settings)

    return tried
