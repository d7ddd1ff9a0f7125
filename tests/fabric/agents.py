"""Every host of a fabric with a sluiced of its own, each in its host's namespace."""

import json
import os
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build"))
SLUICED = os.path.join(BUILD, "src", "control", "sluiced")


class Agents:
    """`promises` is name of the VM -> settings of its vNIC; without an entry there is no promise."""

    def __init__(self, fabric, directory, promises):
        self.fabric, self.directory, self.promises, self.processes = fabric, str(directory), promises, {}
        self.key = os.path.join(self.directory, "cluster.key")
        with open(os.open(self.key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(os.urandom(32).hex())

    def path(self, host, name):
        return os.path.join(self.directory, f"{host.name}.{name}")

    def configure(self, host):
        hosts = [{"name": other.name, "address": other.address, "serves": [vm.address for vm in other.vms]}
                 for other in self.fabric.hosts]
        nics = [{"name": vm.label, "netdev": vm.netdev, "addresses": [vm.address], **self.promises.get(vm.label, {})}
                for vm in host.vms]
        with open(self.path(host, "yaml"), "w") as file:
            json.dump({"network": {"host": host.name, "uplink": "up0", "link": f"{self.fabric.link_mbit}Mbit", "key": self.key,
                                   "hosts": hosts}, "nics": nics}, file)  # JSON is YAML

    def start(self, host):
        self.configure(host)
        with open(self.path(host, "log"), "ab") as log:
            self.processes[host] = host.popen([SLUICED, "--config", self.path(host, "yaml"), "--control",
                                               self.path(host, "control")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not os.path.exists(self.path(host, "control")):
            if self.processes[host].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("sluiced does not start:\n" + self.log(host))
            time.sleep(0.05)

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
