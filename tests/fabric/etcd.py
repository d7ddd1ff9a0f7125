"""A real etcd of three members, in the switch's namespace of a fabric: what a fleet's hosts find each other by."""

import os
import shutil
import signal
import subprocess
import time

from fabric import FabricError

MEMBERS = 3
WITHOUT_LEADER = ("DeadlineExceeded", "no leader", "leader changed", "request timed out")  # what is said until one is elected
ETCD, ETCDCTL = shutil.which("etcd"), shutil.which("etcdctl")


def certificates(directory, addresses):
    """An authority, and what it says of a server at these addresses and of a client; returns their directory."""
    tls = os.path.join(str(directory), "tls")
    os.mkdir(tls)

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=tls, check=True, capture_output=True, timeout=60)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "1")
    for name in ("server", "client"):
        with open(os.path.join(tls, "extensions"), "w") as file:
            file.write("subjectAltName=" + ",".join(f"IP:{address}" for address in addresses))
        openssl("req", *key, "-keyout", f"{name}.key", "-out", "request", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1",
                "-extfile", "extensions", "-out", f"{name}.pem")
    return tls


class Etcd:
    """`tls` is a directory with ca.pem, server.pem, server.key, client.pem and client.key; clients must then show theirs."""

    def __init__(self, fabric, directory, tls=None):
        self.switch, self.directory, self.tls, self.user, self.processes = fabric.switch, str(directory), tls, None, {}
        self.addresses = [f"10.0.200.{index + 1}" for index in range(MEMBERS)]
        for address in self.addresses:
            self.switch.ip("addr", "add", f"{address}/16", "dev", "br0")

    def client_url(self, index):
        return f"{'https' if self.tls else 'http'}://{self.addresses[index]}:2379"

    def peer_url(self, index):
        return f"http://{self.addresses[index]}:2380"

    @property
    def endpoints(self):
        return [self.client_url(index) for index in range(MEMBERS)]

    def secrets(self):
        if not self.tls:
            return []
        return ["--client-cert-auth", "--trusted-ca-file", f"{self.tls}/ca.pem", "--cert-file", f"{self.tls}/server.pem",
                "--key-file", f"{self.tls}/server.key"]

    def start(self, index):
        cluster = ",".join(f"m{other}={self.peer_url(other)}" for other in range(MEMBERS))
        with open(os.path.join(self.directory, f"etcd{index}.log"), "ab") as log:
            self.processes[index] = self.switch.popen(
                [ETCD, "--name", f"m{index}", "--data-dir", os.path.join(self.directory, f"etcd{index}"),
                 "--listen-client-urls", self.client_url(index), "--advertise-client-urls", self.client_url(index),
                 "--listen-peer-urls", self.peer_url(index), "--initial-advertise-peer-urls", self.peer_url(index),
                 "--initial-cluster", cluster, "--initial-cluster-token", self.switch.name, *self.secrets()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, index):
        """As the kernel's OOM killer does it."""
        self.processes[index].kill()
        self.processes[index].wait()
        del self.processes[index]

    def wipe(self, index):
        shutil.rmtree(os.path.join(self.directory, f"etcd{index}"))

    def pause(self, index, is_paused=True):
        """A member that neither answers nor refuses."""
        self.processes[index].send_signal(signal.SIGSTOP if is_paused else signal.SIGCONT)

    def ctl(self, *words, endpoints=None, **options):
        """While there is a leader; one that is lost is replaced in seconds."""
        words = [ETCDCTL, "--endpoints", ",".join(endpoints or self.endpoints), "--dial-timeout", "2s", "--command-timeout", "3s",
                 *words]
        if self.tls:
            words += ["--cacert", f"{self.tls}/ca.pem", "--cert", f"{self.tls}/client.pem", "--key", f"{self.tls}/client.key"]
        if self.user:
            words += ["--user", self.user]
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.switch.run(*words, env=dict(os.environ, ETCDCTL_API="3"), **options)
            except FabricError as error:
                if not any(reason in str(error) for reason in WITHOUT_LEADER) or time.monotonic() > deadline:
                    raise

    def leader(self):
        """Its index, as soon as there is one."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for line in self.ctl("endpoint", "status", endpoints=[self.client_url(index) for index in self.processes]).splitlines():
                fields = [field.strip() for field in line.split(",")]
                if fields[4] == "true":
                    return self.endpoints.index(fields[0])
        raise RuntimeError("etcd has no leader")

    def wait(self):
        """Until it serves."""
        self.ctl("get", "/")

    def __enter__(self):
        for index in range(MEMBERS):
            self.start(index)
        self.wait()
        return self

    def __exit__(self, *unused):
        for process in self.processes.values():
            process.kill()
            process.wait()
