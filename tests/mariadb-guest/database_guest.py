"""A guest with MariaDB, sysbench and the engine SLUICE: its data directory is on a disk of Sluice, and modules of the host are
reached through memory that a device shares.

    with DatabaseGuest("/run/sluice/data.sock", work_directory, Region("/dev/shm/store")) as guest:
        guest.start_server()
        print(guest.sql("select 1"))
"""

import dataclasses
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "guest"))

from guest import Disk, Guest  # noqa: E402

IMAGE = os.path.join(ROOT, "build", "mariadb-guest")
CANNOT_BE_HAD = 77  # tests/mariadb-guest/build's exit status without a server that loads the engine
DATA_DEVICE = "/dev/vdb"
SERVER_LIMIT_S = 180


class NoDatabaseGuest(Exception):
    """There is no MariaDB that the engine can be built for."""


def build_database_image():
    """Builds the guest's root and a data disk unless they are there."""
    status = subprocess.run([os.path.join(ROOT, "tests", "mariadb-guest", "build"), IMAGE], check=False).returncode
    if status == CANNOT_BE_HAD:
        raise NoDatabaseGuest("no MariaDB whose source and packages can be downloaded")
    if status:
        raise subprocess.CalledProcessError(status, "tests/mariadb-guest/build")


def make_data_disk(path):
    """A copy of the data disk as it is after installation; holes stay holes."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", os.path.join(IMAGE, "data.ext4"), path], check=True)


class RootDisk:
    """QEMU's own, so that what is read to start programs is not among what Sluice counts. Nobody sees what is written to it."""

    def arguments(self, index):
        return ["-drive", f"file={os.path.join(IMAGE, 'root.ext4')},format=raw,if=none,id=root{index},snapshot=on",
                "-device", f"virtio-blk-pci,drive=root{index}"]


@dataclasses.dataclass
class Region:
    """A module's channel, which the module has made."""
    path: str

    def arguments(self, index):
        size = os.path.getsize(self.path)
        return ["-object", f"memory-backend-file,id=region{index},share=on,mem-path={self.path},size={size}",
                "-device", f"ivshmem-plain,memdev=region{index}"]


class DatabaseGuest(Guest):
    """`devices`: others that it has besides."""

    def __init__(self, socket, directory, region, name="database", memory="512M", devices=()):
        super().__init__([RootDisk(), Disk(socket), region, *devices], directory, name, root="/dev/vda", memory=memory)

    def start_server(self):
        self.run(f"serve-database {DATA_DEVICE}", limit_s=SERVER_LIMIT_S)

    def stop_server(self):
        self.run("kill $(cat /run/mariadb.pid) && while [ -e /run/mariadb.pid ]; do sleep 1; done; umount /data")

    def is_alive(self):
        return self.process.poll() is None

    def sql(self, statements, limit_s=120):
        """The rows, columns separated by tabs, without headings."""
        return self.run(f"mariadb --defaults-file=/etc/my.cnf -N -B -e {shlex.quote(statements)}", limit_s)

    def module_sleeps(self):
        """How often the server has not polled for the module's answer any more, and slept."""
        return int(self.sql("show global status like 'sluice_sleeps'").split()[1])
