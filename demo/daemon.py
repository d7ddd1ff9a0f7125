"""sluiced for the demo: started, asked, stopped."""

import json
import os
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build")), "src", "control", "sluiced")


class Daemon:
    def __init__(self, directory, configuration):
        self.control = os.path.join(directory, "control")
        self.file = os.path.join(directory, "sluice.yaml")
        self.log = os.path.join(directory, "sluiced.log")
        with open(self.file, "w") as file:
            json.dump(configuration, file)  # JSON is YAML

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "--config", self.file, "--control", self.control],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.ask("daemon.status")
                return self
            except OSError:
                if self.process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                self.process.kill()
                with open(self.log) as log:
                    raise SystemExit("sluiced does not start:\n" + log.read()[-2000:]) from None

    def __exit__(self, *unused):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, method, **parameters):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(20)
            stream.connect(self.control)
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
            stream.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(stream.makefile().readline())
        if "error" in answer:
            raise SystemExit("sluiced: " + answer["error"]["message"])
        return answer["result"]

    def disk(self, name):
        return self.ask("disk.show", name=name)

    def pool(self):
        return self.ask("pool.show", name="pool")

    def wait_for_guests(self, names):
        deadline = time.monotonic() + 30
        while not all(self.disk(name)["is_connected"] for name in names):
            if time.monotonic() > deadline:
                raise SystemExit("the guests do not come back to their disks")
            time.sleep(0.1)
