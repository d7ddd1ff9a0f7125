"""A machine in QEMU that serves commands: what guests and the outer machine of the tests with KVM have in common.

Commands go through a virtio port to tests/guest/agent, any number at the same time. Whatever waits has a time limit.
"""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time

BOOT_LIMIT_S = 120


class GuestError(Exception):
    pass


def qemu_version(qemu):
    text = subprocess.run([qemu, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, re.search(r"version (\d+)\.(\d+)", text).groups()))


class Machine:
    """What inherits says in `command` how QEMU is started: the serial console's output must go to console.log, the agent's port
    to the socket `agent`, and QMP to the socket `qmp`."""

    def __init__(self, directory, name):
        self.name, self.directory = name, os.path.join(directory, name)
        self.process = self.serial = self.qmp_stream = None
        self.answers, self.events, self.next_id = {}, threading.Condition(), 0
        self.is_ready = False

    # ---- life ----

    def command(self):
        raise NotImplementedError

    def start(self):
        self.is_ready = False
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        self.log = open(self.path("qemu.log"), "wb")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        return self

    def path(self, name):
        return os.path.join(self.directory, name)

    def wait_for_boot(self):
        deadline = time.monotonic() + BOOT_LIMIT_S
        self.listen(deadline)
        # What is sent before the agent listens is lost, so wait for its first word.
        with self.events:
            while not self.is_ready:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise GuestError(f"{self.name} does not boot:\n{self.tail('console.log')}\n{self.tail('qemu.log')}")
                self.events.wait(1)
        return self

    def listen(self, deadline):
        self.serial = self.connect("agent", deadline)
        threading.Thread(target=self.read_answers, daemon=True).start()

    def connect(self, name, deadline):
        while True:
            stream = socket.socket(socket.AF_UNIX)
            try:
                stream.connect(self.path(name))
                return stream
            except OSError:
                stream.close()
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise GuestError(f"{self.name}: QEMU does not start:\n{self.tail('qemu.log')}") from None
                time.sleep(0.05)

    def __enter__(self):
        try:
            return self.start().wait_for_boot()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *unused):
        self.kill()

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.log.close()
        for stream in (self.serial, self.qmp_stream):
            if stream:
                stream.close()
        self.process = self.serial = self.qmp_stream = None

    def tail(self, name, lines=30):
        try:
            with open(self.path(name), errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return ""

    # ---- commands ----

    def read_answers(self):
        try:
            for line in self.serial.makefile("rb"):
                fields = line.split()
                if fields == [b"ready"]:
                    with self.events:
                        self.is_ready = True
                        self.events.notify_all()
                if len(fields) >= 2 and fields[0].isdigit():
                    output = base64.b64decode(fields[2]).decode(errors="replace") if len(fields) > 2 else ""
                    with self.events:
                        self.answers[int(fields[0])] = (int(fields[1]), output)
                        self.events.notify_all()
        except (OSError, ValueError):
            pass  # the machine is gone; whoever waits runs into the limit

    def begin(self, command):
        """Starts a command in the machine; returns what `finish` wants."""
        self.next_id += 1
        encoded = base64.b64encode(command.encode()).decode()
        self.serial.sendall(f"{self.next_id} {encoded}\n".encode())
        return self.next_id

    def finish(self, ident, limit_s=120, check=True):
        """Waits for a command that was begun; returns its output, or (status, output) without `check`."""
        deadline = time.monotonic() + limit_s
        with self.events:
            while ident not in self.answers:
                if not self.events.wait(max(0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise GuestError(f"{self.name}: no answer within {limit_s} s\n{self.tail('console.log')}")
            status, output = self.answers.pop(ident)
        if not check:
            return status, output
        if status:
            raise GuestError(f"{self.name}: exit status {status}:\n{output}\n{self.tail('console.log', 5)}")
        return output

    def is_finished(self, ident):
        with self.events:
            return ident in self.answers

    def run(self, command, limit_s=120, check=True):
        return self.finish(self.begin(command), limit_s, check)

    # ---- QEMU ----

    def qmp(self, command, **arguments):
        if not self.qmp_stream:
            self.qmp_stream = self.connect("qmp", time.monotonic() + 10)
            self.qmp_file = self.qmp_stream.makefile("rwb", buffering=0)
            self.qmp_file.readline()
            self.qmp("qmp_capabilities")
        self.qmp_file.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.qmp_file.readline())
            if "error" in answer:
                raise GuestError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
