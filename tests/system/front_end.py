"""A vhost-user front end and its driver in a few lines, for tests that do what no honest one does."""

import array
import contextlib
import mmap
import os
import socket
import struct
import threading

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE, SET_LOG_BASE = 1, 2, 3, 5, 6
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE, SET_BACKEND_REQ_FD = 15, 16, 18, 21
GET_CONFIG, GET_INFLIGHT_FD, SET_INFLIGHT_FD = 24, 31, 32
ADD_MEM_REG, REM_MEM_REG, SET_STATUS, GET_STATUS = 37, 38, 39, 40

VERSION_1, PACKED, PROTOCOL_FEATURES = 1 << 32, 1 << 34, 1 << 30
NEED_REPLY, NO_FD = 8, 1 << 8
READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES = 0, 1, 4, 11, 13
NEXT, WRITABLE, INDIRECT = 1, 2, 4
BELL_MAX = 2**64 - 2  # a write to an eventfd that holds this blocks
OK, IOERR, UNSUPPORTED, UNTOUCHED = 0, 1, 2, 0xff

# What is known, with the size of its payload.
REQUESTS = [(1, 0), (2, 8), (3, 0), (4, 0), (5, 264), (6, 16), (8, 8), (9, 40), (10, 8), (11, 8), (12, 8), (13, 8),
            (14, 8), (15, 0), (16, 8), (17, 0), (18, 8), (21, 0), (24, 268), (25, 268), (31, 24), (32, 24), (34, 0),
            (36, 0), (37, 40), (38, 40), (39, 8), (40, 0)]

RING_BYTES = 1 << 20  # of memory for each queue: rings, headers, status bytes
USER_BASE = 0x7000_0000_0000


class FrontEnd:
    """A connection with some shared memory. Everything is public, to be broken as a test likes."""

    def __init__(self, path, memory_bytes=16 << 20, features=VERSION_1 | PROTOCOL_FEATURES, attach=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.memory_bytes, self.fds = memory_bytes, []
        self.memory_fd = os.memfd_create("hostile")
        os.ftruncate(self.memory_fd, memory_bytes)
        self.memory = mmap.mmap(self.memory_fd, memory_bytes)
        self.features = features
        if attach:
            self.send_u64(SET_FEATURES, features)
            self.ask(GET_PROTOCOL_FEATURES)
            self.send_u64(SET_PROTOCOL_FEATURES, 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 12 | 1 << 15 | 1 << 16)
            self.share_memory()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # closing alone waits for who reads replies
        self.socket.close()
        for fd in self.fds + [self.memory_fd]:
            os.close(fd)
        self.fds = []
        self.memory.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    # ---- messages ----

    def send(self, request, payload=b"", fds=(), flags=1):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([struct.pack("III", request, flags, len(payload)) + payload], rights)

    def send_u64(self, request, value, fds=()):
        self.send(request, struct.pack("Q", value), fds)

    def receive(self):
        header = self.receive_bytes(12)
        return self.receive_bytes(struct.unpack("III", header)[2])

    def receive_bytes(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionResetError("the back end has disconnected")
            data += more
        return data

    def ask(self, request, payload=b"", fds=()):
        self.send(request, payload, fds)
        return self.receive()

    def is_accepted(self, request, payload=b"", fds=()):
        """Send a message that has no reply, and ask whether it was done."""
        self.send(request, payload, fds, 1 | NEED_REPLY)
        return struct.unpack("Q", self.receive())[0] == 0

    def discard_replies(self):
        """Answers are for those who wait for them; a full socket would end the connection."""
        threading.Thread(target=self.receive_all, daemon=True).start()

    def receive_all(self):
        with contextlib.suppress(OSError):
            while self.socket.recv(4096):
                pass

    def sync(self):
        """All messages so far have been handled when this returns."""
        self.ask(GET_FEATURES)

    # ---- setting up ----

    def share_memory(self):
        self.send(SET_MEM_TABLE, struct.pack("IIQQQQ", 1, 0, 0, self.memory_bytes, USER_BASE, 0), [self.memory_fd])

    def bell(self, value=0, flags=os.EFD_NONBLOCK):
        self.fds.append(os.eventfd(0, flags))
        os.write(self.fds[-1], struct.pack("Q", value))
        return self.fds[-1]

    def file(self, size):
        self.fds.append(os.memfd_create("hostile"))
        os.ftruncate(self.fds[-1], size)
        return self.fds[-1]

    def start_queue(self, index=0, size=256, call=None, kick=None, base=0, place=None):
        """Rings of queue `index` in its own part of the memory, or that of queue `place`; returns the queue."""
        queue = SplitQueue(self, index if place is None else place, size)
        self.send(SET_VRING_NUM, struct.pack("II", index, size))
        self.send(SET_VRING_BASE, struct.pack("II", index, base))
        self.send(SET_VRING_ADDR, struct.pack("IIQQQQ", index, 0, USER_BASE + queue.descriptors, USER_BASE + queue.used,
                                              USER_BASE + queue.available, 0))
        queue.kick_fd = self.bell() if kick is None else kick
        queue.call_fd = self.bell() if call is None else call
        self.send_u64(SET_VRING_KICK, index, [queue.kick_fd])
        self.send_u64(SET_VRING_CALL, index, [queue.call_fd])
        self.send(SET_VRING_ENABLE, struct.pack("II", index, 1))
        return queue

    def needs_reset(self):
        return bool(struct.unpack("Q", self.ask(GET_STATUS))[0] & 0x40)


class SplitQueue:
    """The driver's side of a split ring."""

    def __init__(self, front_end, place, size):
        self.memory, self.size = front_end.memory, size
        self.descriptors = place * RING_BYTES
        self.available = self.descriptors + 16 * size
        self.used = (self.available + 6 + 2 * size + 4095) // 4096 * 4096
        self.headers = (self.used + 6 + 8 * size + 4095) // 4096 * 4096  # 32 bytes each: header, and status at byte 16
        self.available_index = 0

    def describe(self, slot, address, length, flags=0, following=0):
        struct.pack_into("QIHH", self.memory, self.descriptors + 16 * slot, address, length, flags, following)

    def offer(self, head, kick=True):
        struct.pack_into("H", self.memory, self.available + 4 + 2 * (self.available_index % self.size), head)
        self.available_index = (self.available_index + 1) & 0xffff
        self.set_available(self.available_index)
        if kick:
            self.kick()

    def set_available(self, index):
        struct.pack_into("H", self.memory, self.available + 2, index)

    def kick(self):
        os.write(self.kick_fd, struct.pack("Q", 1))

    def used_index(self):
        return struct.unpack_from("H", self.memory, self.used + 2)[0]

    def status(self, slot):
        return self.memory[self.headers + 32 * slot + 16]

    def request(self, slot, kind, sector, data=(), kick=True):
        """Three or more descriptors from 3 * slot on: header, data (address, length), status."""
        header = self.headers + 32 * slot
        struct.pack_into("IIQB", self.memory, header, kind, 0, sector, UNTOUCHED)
        index = 3 * slot
        self.describe(index, header, 16, NEXT, index + 1)
        for address, length in data:
            index += 1
            self.describe(index, address, length, NEXT | (WRITABLE if kind == READ else 0), index + 1)
        self.describe(index + 1, header + 16, 1, WRITABLE)
        self.offer(3 * slot, kick)
