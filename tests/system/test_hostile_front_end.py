"""Front ends and guests that do what they can against the daemon, while a neighbour verifies its data."""

import contextlib
import os
import random
import socket
import struct
import subprocess
import threading
import time

import pytest
from daemon import SLUICE, Sluiced, eventually
from front_end import (ADD_MEM_REG, BELL_MAX, FLUSH, GET_FEATURES, GET_VRING_BASE, INDIRECT, IOERR, NEXT, OK,
                       PACKED, READ, REM_MEM_REG, REQUESTS, SET_BACKEND_REQ_FD, SET_FEATURES, SET_INFLIGHT_FD, SET_LOG_BASE,
                       SET_MEM_TABLE, USER_BASE, WRITABLE, WRITE, WRITE_ZEROES, FrontEnd)

DATA = 8 << 20  # guest address of a buffer


class Neighbour(threading.Thread):
    """Writes another disk of the pool and compares what it reads back, over and over."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_process, self.is_leaving, self.outputs = daemon, False, []

    def __enter__(self):
        self.start()
        self.advances()
        return self

    def __exit__(self, *unused):
        self.is_leaving = True
        self.join()

    def run(self):
        command = [SLUICE, "bench", "disk", self.daemon_process.socket("good"), "--verify", "--destroy-data",
                   "--interrupts", "--duration=600s"]
        while not self.is_leaving:
            self.began = time.monotonic()
            self.bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            output = self.bench.communicate()[0]
            if self.bench.returncode != 0:
                self.outputs.append(output)
                return

    def requests(self):
        shown = self.daemon_process.disk("good")
        assert shown["errors"] == 0 and not self.outputs, self.outputs
        return shown["reads"] + shown["writes"]

    def advances(self):
        """A hundred more requests are answered."""
        before = self.requests()
        eventually(lambda: self.requests() > before + 100, limit_s=5)

    def while_it_runs(self, look):
        """What `look` finds while the same front end is connected, from before to after."""
        while True:
            began = self.began
            found = look()
            if began == self.began and time.monotonic() > began + 0.5 and self.bench.poll() is None:
                return found
            time.sleep(0.05)


def resources(daemon):
    """Descriptors, threads and guests' mappings of the daemon, but for what comes and goes by itself."""
    process = f"/proc/{daemon.process.pid}"
    descriptors = 0
    for fd in os.listdir(f"{process}/fd"):
        with contextlib.suppress(OSError):
            descriptors += not os.readlink(f"{process}/fd/{fd}").startswith("socket:")
    with open(f"{process}/maps") as maps:
        mappings = sum("memfd:" in line for line in maps)
    threads = 0
    for task in os.listdir(f"{process}/task"):
        with contextlib.suppress(OSError), open(f"{process}/task/{task}/comm") as name:
            threads += not name.read().startswith("iou-")
    return descriptors, threads, mappings


def answers(path):
    """Does the disk serve an honest front end?"""
    with FrontEnd(path) as front_end:
        queue = front_end.start_queue()
        queue.request(0, READ, 0, [(DATA, 4096)])
        eventually(lambda: queue.used_index() == 1)
        return queue.status(0) == OK


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with Sluiced(tmp_path_factory.mktemp("hostile"), {"evil": "size: 64MiB", "good": "size: 64MiB"}) as daemon:
        with Neighbour(daemon) as daemon.neighbour:
            yield daemon
        assert daemon.stop() == 0


@pytest.fixture
def evil(daemon):
    """The socket of the disk to attack; afterwards everything has to be as it was."""
    before = daemon.neighbour.while_it_runs(lambda: resources(daemon))
    yield daemon.socket("evil")
    assert daemon.process.poll() is None, daemon.log_text()[-2000:]
    daemon.neighbour.advances()
    assert answers(daemon.socket("evil"))
    eventually(lambda: not daemon.disk("evil")["is_connected"])
    eventually(lambda: resources(daemon) == before, limit_s=5)


# ---- the in-flight region ----

def test_an_inflight_region_for_fewer_descriptors_than_the_ring_has_is_not_written_beyond(evil):
    with FrontEnd(evil) as front_end:
        front_end.send(SET_INFLIGHT_FD, struct.pack("QQHHI", 4096, 0, 4, 1, 0), [front_end.file(4096)])
        front_end.start_queue(index=3, size=1024)
        front_end.sync()


def test_an_inflight_region_made_before_the_ring_format_changed_is_not_written_beyond(evil):
    with FrontEnd(evil) as front_end:
        front_end.send(SET_INFLIGHT_FD, struct.pack("QQHHI", 4096, 0, 1, 128, 0), [front_end.file(4096)])
        front_end.send_u64(SET_FEATURES, front_end.features | PACKED)
        front_end.start_queue(size=128)
        front_end.sync()


def test_an_inflight_region_full_of_nonsense_breaks_only_its_own_ring(evil):
    chance = random.Random(1)
    for features in (0, PACKED) * 10:
        with FrontEnd(evil) as front_end:
            region = front_end.file(1 << 16)
            front_end.send_u64(SET_FEATURES, front_end.features | features)
            os.pwrite(region, chance.randbytes(1 << 16), 0)
            os.pwrite(region, struct.pack("QHH", 0, 1, 64), 0)  # a header that is taken for an old region's
            front_end.send(SET_INFLIGHT_FD, struct.pack("QQHHI", 1 << 16, 0, 1, 64, 0), [region])
            front_end.start_queue(size=64)
            front_end.sync()


# ---- messages ----

def test_messages_with_too_many_descriptors_leak_none(evil):
    for count in (9, 16, 17, 40):
        with FrontEnd(evil) as front_end:
            front_end.send(SET_MEM_TABLE, b"\0" * 8, [front_end.memory_fd] * count)
            with pytest.raises(ConnectionError):
                front_end.sync()


def random_payload(chance, size):
    """Words that are small, huge or random, as a queue's index or a size might be."""
    words = [chance.choice([0, 1, 2, 3, 64, 1024, 4096, 1 << 20, 1 << 62, (1 << 64) - 1, USER_BASE,
                            chance.getrandbits(64)]) for _ in range(size // 8 + 1)]
    if chance.random() < 0.5:
        return b"".join(struct.pack("Q", word) for word in words)[:size]
    return b"".join(struct.pack("II", word & 3, chance.choice([0, 1, 7, 256, 1024])) for word in words)[:size]


def test_random_messages_neither_crash_nor_leak(evil):
    for seed in range(40):
        chance = random.Random(seed)
        with FrontEnd(evil) as front_end:
            queue = front_end.start_queue(size=64)
            pool = [front_end.memory_fd, front_end.file(1 << 16), front_end.bell(), front_end.socket.fileno()]
            front_end.discard_replies()
            try:
                for number in range(20):
                    request, size = chance.choice(REQUESTS)
                    queue.request(number, READ, number, [(DATA, 4096)])
                    front_end.send(request, random_payload(chance, size), chance.choices(pool, k=chance.choice([0, 1, 8])),
                                   chance.choice([1, 9]))
            except ConnectionError:
                pass


def test_memory_that_is_not_there_is_refused(evil):
    huge, top = 1 << 63, (1 << 64) - 4096
    with FrontEnd(evil) as front_end:
        for region in ((1 << 30, 0, 1 << 40, 0), (1 << 30, huge, 1 << 40, 0), (top, 8192, 1 << 40, 0),
                       (1 << 30, 8192, top, 0), (1 << 30, 8192, 1 << 40, top), (1 << 30, 4096, 1 << 40, 16 << 20),
                       (0, 4096, 1 << 40, 0), (4096, 1 << 20, 1 << 40, 0)):
            assert not front_end.is_accepted(ADD_MEM_REG, struct.pack("QQQQQ", 0, *region), [front_end.memory_fd])


def test_no_front_end_takes_all_address_space(evil):
    with FrontEnd(evil) as front_end:
        sparse = front_end.file(1 << 46)
        for size in (1 << 46, 1 << 45, (1 << 44) - (1 << 20)):
            assert not front_end.is_accepted(ADD_MEM_REG, struct.pack("QQQQQ", 0, 1 << 50, size, 1 << 50, 0), [sparse])
        front_end.ask(SET_LOG_BASE, struct.pack("QQ", 1 << 45, 0), [sparse])
        assert not front_end.is_accepted(SET_INFLIGHT_FD, struct.pack("QQHHI", 1 << 45, 0, 1, 64, 0), [sparse])


def test_a_dirty_log_that_is_not_there_is_refused(evil):
    top = (1 << 64) - 4096
    with FrontEnd(evil) as front_end:
        front_end.start_queue()
        for size, offset in ((0, 0), (4096, top), (top, 8192), (8192, 0), (4096, 4096), (1, 1 << 63)):
            front_end.ask(SET_LOG_BASE, struct.pack("QQ", size, offset), [front_end.file(4096)])


# ---- descriptors ----

def test_a_call_descriptor_that_is_full_holds_nothing_up(evil):
    with FrontEnd(evil) as front_end:
        queue = front_end.start_queue(call=front_end.bell(BELL_MAX, flags=0))
        for number in range(20):
            queue.request(number, READ, number, [(DATA, 4096)])
        eventually(lambda: queue.used_index() == 20, limit_s=5)
        front_end.ask(GET_VRING_BASE, struct.pack("II", 0, 0))


def test_an_error_descriptor_that_is_full_holds_nothing_up(evil):
    with FrontEnd(evil) as front_end:
        queue = front_end.start_queue()
        front_end.send_u64(14, 0, [front_end.bell(BELL_MAX, flags=0)])
        front_end.sync()
        queue.set_available(1000)
        queue.kick()
        eventually(front_end.needs_reset, limit_s=5)
        front_end.ask(GET_VRING_BASE, struct.pack("II", 0, 0))


def test_kicks_without_end_leave_the_neighbour_its_turn(evil, daemon):
    with FrontEnd(evil) as front_end:
        queues = [front_end.start_queue(index) for index in range(4)]
        front_end.sync()
        before, end = daemon.neighbour.requests(), time.monotonic() + 1
        while time.monotonic() < end:
            for queue in queues:
                queue.kick()
        assert daemon.neighbour.requests() - before > 250


# ---- memory ----

def test_memory_truncated_under_requests_stops_only_its_own_disk(evil):
    for _ in range(5):
        with FrontEnd(evil) as front_end:
            queue = front_end.start_queue()
            for number in range(64):
                queue.request(number, WRITE if number % 2 else READ, number, [(DATA + 4096 * number, 4096)], kick=False)
            queue.kick()
            os.ftruncate(front_end.memory_fd, 0)
            for _ in range(10):
                queue.kick()
                front_end.sync()


def test_regions_truncated_in_service_stop_only_their_own_disk(evil):
    with FrontEnd(evil) as front_end:
        log, region = front_end.file(1 << 16), front_end.file(1 << 16)
        front_end.ask(SET_LOG_BASE, struct.pack("QQ", 1 << 16, 0), [log])
        front_end.send(SET_INFLIGHT_FD, struct.pack("QQHHI", 1 << 16, 0, 1, 256, 0), [region])
        queue = front_end.start_queue()
        front_end.sync()
        os.ftruncate(log, 0)
        os.ftruncate(region, 0)
        for number in range(64):
            queue.request(number, READ, number, [(DATA, 4096)])
        eventually(lambda: queue.used_index() == 64, limit_s=5)


def test_memory_can_be_changed_with_requests_in_flight(evil):
    region = struct.pack("QQQQQ", 0, 1 << 30, 1 << 20, 1 << 40, 0)
    with FrontEnd(evil) as front_end:
        queue = front_end.start_queue()
        for number in range(200):
            queue.request(number % 80, READ, 0, [(DATA, 1 << 20)])
            front_end.send(ADD_MEM_REG, region, [front_end.memory_fd])
            front_end.send(REM_MEM_REG, region)
            front_end.share_memory()
        front_end.sync()
        eventually(lambda: queue.used_index() == 200, limit_s=5)


def test_a_front_end_that_goes_away_with_requests_in_flight_leaves_nothing_behind(evil):
    for _ in range(30):
        with FrontEnd(evil) as front_end:
            queue = front_end.start_queue()
            for number in range(80):
                queue.request(number, READ, number, [(DATA, 1 << 20)], kick=False)
            queue.kick()
            front_end.sync()


# ---- rings ----

def test_rings_that_lie_on_top_of_each_other_break_only_themselves(evil):
    with FrontEnd(evil) as front_end:
        queues = [front_end.start_queue(index, place=0) for index in range(4)]
        for number in range(64):
            queues[0].request(number, READ, number, [(queues[0].used, 4096), (queues[0].descriptors, 4096)])
        for queue in queues:
            queue.kick()
        front_end.sync()


def test_a_ring_that_is_written_while_it_is_read_breaks_only_itself(evil):
    chance = random.Random(2)
    for features in (0, PACKED):
        for _ in range(20):
            with FrontEnd(evil) as front_end:
                front_end.send_u64(SET_FEATURES, front_end.features | features)
                queue = front_end.start_queue(size=64, base=0x80008000 if features else 0)
                front_end.sync()
                for number in range(400):
                    queue.describe(chance.randrange(64), chance.choice([0, DATA, queue.headers, chance.getrandbits(64)]),
                                   chance.choice([0, 1, 16, 512, 4096, 1 << 20, (1 << 32) - 1]),
                                   chance.getrandbits(3) | chance.choice([0, 0x80, 0x8000]), chance.randrange(64))
                    queue.offer(chance.randrange(64), kick=number % 8 == 0)


def test_indexes_beyond_the_ring_break_it(evil):
    for jump in (257, 0x7fff, 0xffff):
        with FrontEnd(evil) as front_end:
            queue = front_end.start_queue()
            queue.set_available(jump)
            queue.kick()
            eventually(front_end.needs_reset, limit_s=5)


def test_chains_of_empty_buffers_may_not_be_so_long_that_the_neighbour_waits(evil):
    rows = 300
    with FrontEnd(evil) as front_end:
        queue = front_end.start_queue()
        for row in range(rows):
            struct.pack_into("QIHH", front_end.memory, DATA + 16 * row, DATA, 0, NEXT, row + 1)
        struct.pack_into("QIHH", front_end.memory, DATA + 16 * (rows - 1), DATA, 1, WRITABLE, 0)
        queue.describe(0, DATA, 16 * rows, INDIRECT)
        queue.offer(0)
        eventually(front_end.needs_reset, limit_s=5)


# ---- requests ----

def test_sectors_beyond_the_disk_are_errors_and_nothing_else(evil):
    last = 64 << 11  # sectors of 64 MiB
    places = [last, last - 7, 1 << 55, (1 << 55) - 1, 1 << 63, (1 << 64) - 1]
    with FrontEnd(evil) as front_end:
        queue = front_end.start_queue()
        for number, sector in enumerate(places):
            queue.request(number, WRITE, sector, [(DATA, 4096)])
        eventually(lambda: queue.used_index() == len(places))
        assert {queue.status(number) for number in range(len(places))} == {IOERR}


def test_ranges_beyond_the_disk_or_the_limits_are_errors_and_nothing_else(evil):
    ranges = [(0, 0xffffffff), ((64 << 11) - 1, 2), ((1 << 64) - 1, 1), (1 << 55, 1), (0, 0), (0, (1 << 16) + 1)]
    with FrontEnd(evil) as front_end:
        queue = front_end.start_queue()
        for number, (sector, count) in enumerate(ranges):
            struct.pack_into("QII", front_end.memory, DATA + 16 * number, sector, count, 0)
            queue.request(number, WRITE_ZEROES, 0, [(DATA + 16 * number, 16)])
        eventually(lambda: queue.used_index() == len(ranges))
        assert [queue.status(number) for number in range(len(ranges))] == [IOERR] * len(ranges)


# ---- removal ----

@pytest.fixture
def victim(daemon):
    """Connects to a disk that has to be removable in time, whatever its front ends do, which stay until then."""
    front_ends = []

    def connect():
        front_ends.append(FrontEnd(daemon.socket("victim"), memory_bytes=64 << 20))
        return front_ends[-1]
    daemon.ask("disk.add", name="victim", size="1GiB", pool="pool", socket=daemon.socket("victim"),
               slo={"limit": {"iops": "1", "iops_burst": "1"}})
    yield connect
    began = time.monotonic()
    daemon.ask("disk.remove", name="victim", delete_image=True)
    assert time.monotonic() < began + 6
    daemon.neighbour.advances()
    for front_end in front_ends:
        front_end.close()


def queue_many(front_end, daemon):
    """Requests that the limit holds for an hour."""
    queue = front_end.start_queue(size=256)
    for number in range(80):
        queue.request(number, READ, 0, [(DATA, 48 << 20)], kick=False)
    queue.kick()
    eventually(lambda: daemon.disk("victim")["in_flight"] > 70, limit_s=5)


def test_a_message_that_never_ends_does_not_hold_up_the_removal_of_its_disk(victim):
    front_end = victim()
    front_end.socket.sendall(struct.pack("III", SET_MEM_TABLE, 1, 264))

    def trickle():
        with contextlib.suppress(OSError):
            while True:
                front_end.socket.sendall(b"\0")
                time.sleep(1)
    threading.Thread(target=trickle, daemon=True).start()


def test_replies_that_nobody_reads_do_not_hold_up_the_removal_of_their_disk(victim):
    front_end = victim()
    front_end.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            front_end.send(GET_FEATURES)


def test_a_request_channel_that_nobody_reads_does_not_hold_up_the_removal_of_its_disk(victim, daemon):
    front_end = victim()
    front_end.channel = socket.socketpair()
    front_end.channel[0].setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            front_end.channel[0].send(b"\0" * 4096)
    front_end.channel[0].setblocking(True)
    front_end.send(SET_BACKEND_REQ_FD, b"", [front_end.channel[0].fileno()])
    front_end.sync()
    daemon.ask("disk.set", name="victim", size="2GiB")


def test_requests_for_hours_do_not_hold_up_the_removal_of_their_disk(victim, daemon):
    queue_many(victim(), daemon)


def test_a_stop_that_waits_for_hours_does_not_hold_up_the_removal_of_its_disk(victim, daemon):
    front_end = victim()
    queue_many(front_end, daemon)
    front_end.send(GET_VRING_BASE, struct.pack("II", 0, 0))


def test_requests_of_a_front_end_that_has_gone_do_not_hold_up_the_next_one(victim, daemon):
    front_end = victim()
    queue_many(front_end, daemon)
    front_end.socket.shutdown(socket.SHUT_RDWR)
    front_end = victim()
    queue = front_end.start_queue()
    queue.request(0, FLUSH, 0)
    eventually(lambda: queue.used_index() == 1, limit_s=5)


# ---- images ----

def test_an_image_that_is_cut_off_in_service_gives_errors_to_its_own_guest(evil, daemon):
    with FrontEnd(evil) as front_end:
        queue = front_end.start_queue()
        os.truncate(daemon.image("evil"), 0)
        queue.request(0, READ, 8, [(DATA, 4096)])
        queue.request(1, READ, 7, [(DATA, 1 << 20), (DATA + 1, 512)])
        eventually(lambda: queue.used_index() == 2)
        assert [queue.status(0), queue.status(1)] == [IOERR, IOERR]
        os.truncate(daemon.image("evil"), 64 << 20)
        queue.request(2, READ, 8, [(DATA, 4096)])
        eventually(lambda: queue.used_index() == 3)
        assert queue.status(2) == OK


def test_what_is_not_an_image_is_refused_at_once(daemon):
    os.mkfifo(daemon.path("pool/fifo"))
    os.symlink("loop", daemon.path("pool/loop"))
    os.symlink("nowhere", daemon.path("pool/dangling"))
    for image in ("fifo", "loop", "dangling", ".", "/dev/null", "/dev/tty", "/proc/self/mem", daemon.control,
                  "good.img", daemon.path("pool/../pool/good.img")):
        with pytest.raises(RuntimeError):
            daemon.ask("disk.add", name="other", size="1MiB", pool="pool", image=image, socket=daemon.path("other.sock"))
    daemon.neighbour.advances()
