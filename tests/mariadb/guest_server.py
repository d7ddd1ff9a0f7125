"""MariaDB in a guest in QEMU, asked from here: its tables are in a module of the host's, its system tables on a disk of Sluice, and its port
is forwarded. Killing it is killing QEMU."""

import dataclasses
import os
import socket
import sys

from server import ROOT, SERVER, Server

sys.path.insert(0, os.path.join(ROOT, "tests", "mariadb-guest"))

from database_guest import DatabaseGuest, NoDatabaseGuest, Region, build_database_image, make_data_disk  # noqa: E402, F401

GUEST_ADDRESS = "10.0.2.15/24"  # of QEMU's own network


def free_port():
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


@dataclasses.dataclass
class ForwardedPort:
    """The guest's port for MariaDB, as one of this host's."""
    port: int

    def arguments(self, index):
        return ["-netdev", f"user,id=forwarded{index},restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:3306",
                "-device", f"virtio-net-pci,netdev=forwarded{index}"]


class GuestServer(Server):
    """A Server whose process is the guest's machine."""

    def __init__(self, directory, disk_socket, region):
        super().__init__(directory, None)
        self.port = free_port()
        os.makedirs(self.directory, exist_ok=True)
        self.guest = DatabaseGuest(disk_socket, self.directory, Region(region), devices=[ForwardedPort(self.port)])

    @property
    def process(self):
        return self.guest.process

    @process.setter
    def process(self, unused):
        """There is none before the guest's."""

    def start(self):
        self.guest.kill()  # what is left of the last one, here
        self.guest.start().wait_for_boot()
        self.guest.run(f"ip link set lo up; ip addr add {GUEST_ADDRESS} dev eth0 && ip link set eth0 up")
        self.guest.run("sed -i 's/^skip-networking/bind-address = 0.0.0.0/' /etc/my.cnf")
        self.guest.start_server()
        return self

    def client(self, *options):
        return [os.path.join(SERVER, "bin", "mariadb"), "--no-defaults", "--host=127.0.0.1", f"--port={self.port}", "--protocol=tcp", "--skip-ssl",
                "--user=root", "-N", "-B", *options]
