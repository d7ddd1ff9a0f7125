"""Every host of a fabric with a sluiced of its own, each in its host's namespace."""

import json
import os
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build"))
SLUICED = os.environ.get("SLUICED") or os.path.join(BUILD, "src", "control", "sluiced")


class Agents:
    """`promises` is name of the VM -> settings of its vNIC; without an entry there is no promise.

    With `etcd`, the network's settings of that name, hosts find each other there; else all are told of all.
    """

    def __init__(self, fabric, directory, promises, etcd=None):
        self.fabric, self.directory, self.promises, self.etcd, self.processes = fabric, str(directory), promises, etcd, {}
        self.key = os.path.join(self.directory, "cluster.key")
        with open(os.open(self.key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(os.urandom(32).hex())

    def path(self, host, name):
        return os.path.join(self.directory, f"{host.name}.{name}")

    def others(self, host):
        if self.etcd:
            return {"address": host.address, "etcd": self.etcd}
        return {"hosts": [{"name": other.name, "address": other.address, "serves": [f"{vm.address}, {vm.mac}" for vm in other.vms]}
                          for other in self.fabric.hosts]}

    def configure(self, host):
        nics = [{"name": vm.label, "netdev": vm.netdev, "addresses": [vm.address, vm.mac], **self.promises.get(vm.label, {})}
                for vm in host.vms]
        with open(self.path(host, "yaml"), "w") as file:
            json.dump({"network": {"host": host.name, "uplink": "up0", "link": f"{self.fabric.link_mbit}Mbit", "key": self.key,
                                   **self.others(host)}, "nics": nics}, file)  # JSON is YAML

    def start(self, host):
        self.configure(host)
        os.makedirs(self.path(host, "run"), exist_ok=True)
        command = [SLUICED, "--config", self.path(host, "yaml"), "--control", self.path(host, "control")]
        with open(self.path(host, "log"), "ab") as log:
            # A namespace's commands have mounts of their own, so every host has a /run/sluice of its own.
            self.processes[host] = host.popen(["sh", "-c", 'mkdir -p /run/sluice && mount --bind "$0" /run/sluice && exec "$@"',
                                               self.path(host, "run"), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self.answers(host):
            if self.processes[host].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("sluiced does not start:\n" + self.log(host))
            time.sleep(0.05)

    def answers(self, host):
        try:
            return self.ask(host, "daemon.status")
        except OSError:
            return None

    def ask(self, host, method):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(10)
            stream.connect(self.path(host, "control"))
            stream.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode() + b"\n")
            return json.loads(stream.makefile().readline())["result"]

    def log(self, host):
        with open(self.path(host, "log"), errors="replace") as file:
            return file.read()

    def kill(self, host):
        self.processes[host].kill()
        self.processes[host].wait()

    def __enter__(self):
        for host in self.fabric.hosts:
            self.start(host)
        return self

    def __exit__(self, *unused):
        for process in self.processes.values():
            process.kill()
            process.wait()
