"""sluiced as the tests run it: started, killed, restarted, asked."""

import json
import os
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build"))
SLUICE = os.path.join(BUILD, "src", "cli", "sluice")
SLUICED = os.path.join(BUILD, "src", "control", "sluiced")


def sidecore_cpu():
    return max(os.sched_getaffinity(0))


class Sluiced:
    """One daemon, with one pool in `directory` and the disks given (name -> settings in YAML)."""

    def __init__(self, directory, disks, pool="", backend="file", poll="50us"):
        self.directory, self.process = str(directory), None
        self.control = self.path("control.sock")
        os.makedirs(self.path("pool"), exist_ok=True)
        lines = ["sidecores:", f"  - {{name: io0, cpu: {sidecore_cpu()}, poll: {poll}}}", "pools:",
                 f"  - {{name: pool, backend: {backend}, path: {self.path('pool')}{', ' + pool if pool else ''}}}",
                 "disks:"]
        for name, settings in disks.items():
            lines.append(f"  - {{name: {name}, socket: {self.socket(name)}, {settings}}}")
        with open(self.path("sluice.yaml"), "w") as file:
            file.write("\n".join(lines) + "\n")

    def path(self, name):
        return os.path.join(self.directory, name)

    def socket(self, disk):
        return self.path(disk + ".sock")

    def image(self, disk):
        return self.path(f"pool/{disk}.img")

    # ---- life ----

    def start(self):
        self.log = open(self.path("sluiced.log"), "ab")
        self.process = subprocess.Popen([SLUICED, "--config", self.path("sluice.yaml"), "--control", self.control],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.ask("pool.list")
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("sluiced does not start:\n" + self.log_text()) from None
                time.sleep(0.02)

    def kill(self):
        """As the kernel's OOM killer does it."""
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self):
        """As systemd does it; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        self.log.close()
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.kill()

    # ---- looking ----

    def log_text(self):
        with open(self.path("sluiced.log"), errors="replace") as file:
            return file.read()

    def ask(self, method, **parameters):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(10)
            stream.connect(self.control)
            stream.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
                           + b"\n")
            answer = json.loads(stream.makefile().readline())
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    def disk(self, name):
        shown = self.ask("disk.show", name=name)
        return {**shown, **shown["statistics"]}

    def sidecore(self):
        return self.ask("pool.show", name="pool")["sidecore"]

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def guest_mappings(self):
        """Guest memory that the daemon has mapped, by /proc."""
        with open(f"/proc/{self.process.pid}/maps") as file:
            return [line for line in file if "memory-backend-memfd" in line]


def eventually(is_true, limit_s=20, every_s=0.05):
    deadline = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(every_s)
