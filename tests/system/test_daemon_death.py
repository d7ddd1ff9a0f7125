"""The daemon dies, in whatever way and at whatever moment; guests stall, go on, and miss nothing."""

import random
import subprocess
import time

import pytest
from daemon import SLUICE, Sluiced, eventually
from guest import Disk, Guest, survives_death_in_handshake

KILLS = 20
# Writes and reads back until a file says that it is enough; fails at the first byte that is wrong.
VERIFY = ("while [ ! -e /tmp/enough ]; do fio --name=v --filename=/dev/vda --rw=randwrite --bsrange=4k-32k --size=12M "
          "--verify=crc32c --verify_fatal=1 --ioengine=libaio --iodepth=32 --direct=1 --minimal >/dev/null || exit 1; done; "
          "echo verified")
FORMATS = [(packed, queues) for packed in (False, True) for queues in (1, 4)]


def wait_for_a_moment(daemon, chance):
    """Before the guest is back, while it shakes hands (some milliseconds), or amid its I/O."""
    if not survives_death_in_handshake():
        eventually(lambda: daemon.disk("disk")["reads"] + daemon.disk("disk")["writes"] > 0)
        time.sleep(chance.uniform(0, 1))
    elif chance.random() < 0.3:
        time.sleep(chance.uniform(0, 1))
    else:
        eventually(lambda: daemon.disk("disk")["is_connected"], every_s=0.002)
        time.sleep(chance.uniform(0, 0.02) if chance.random() < 0.5 else chance.uniform(0.1, 1))


@pytest.mark.parametrize("packed,queues", FORMATS, ids=[f"{'packed' if p else 'split'}{q}" for p, q in FORMATS])
def test_killed_twenty_times_under_verification(tmp_path, packed, queues):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    daemon = Sluiced(tmp_path, {"disk": f"size: 64MiB, queues: {queues}"}).start()
    try:
        with Guest([Disk(daemon.socket("disk"), queues=queues, packed=packed)], str(tmp_path), cpus=queues) as machine:
            verification = machine.begin(VERIFY)
            for _ in range(KILLS):
                wait_for_a_moment(daemon, chance)
                daemon.kill()
                daemon.start()
            machine.run("touch /tmp/enough")
            assert "verified" in machine.finish(verification, limit_s=180), f"seed {seed}\n{daemon.log_text()}"
            eventually(lambda: daemon.disk("disk")["in_flight"] == 0)
            assert daemon.disk("disk")["errors"] == 0
    finally:
        daemon.kill()


def test_killed_before_its_first_completion(tmp_path):
    """A limit in deep debt holds back everything, so the daemon dies with all that it took from the guest in flight."""
    limit = "slo: {limit: {bytes_per_s: 512, bytes_burst: 512}}"
    with Sluiced(tmp_path, {"disk": f"size: 64MiB, {limit}"}) as slow:
        subprocess.run([SLUICE, "bench", "disk", slow.socket("disk"), "--requests=1", "--size=1MiB"], check=True,
                       stdout=subprocess.DEVNULL)
        reads = slow.disk("disk")["read_bytes"]
        guest = Guest([Disk(slow.socket("disk"))], str(tmp_path)).start()
        try:
            # The kernel's first read, of the partition table, waits for the limit.
            eventually(lambda: slow.disk("disk")["in_flight"] > 0, limit_s=60)
            assert slow.ask("pool.show", name="pool")["bytes"] == reads
            slow.kill()
            with Sluiced(tmp_path, {"disk": "size: 64MiB"}) as daemon:
                guest.wait_for_boot()
                guest.run("dd if=/dev/vda of=/dev/null bs=4k count=100 iflag=direct")
                assert daemon.disk("disk")["in_flight"] == 0
        finally:
            guest.kill()


def test_a_guest_may_start_before_the_daemon(tmp_path):
    daemon = Sluiced(tmp_path, {"disk": "size: 8MiB"})
    guest = Guest([Disk(daemon.socket("disk"))], str(tmp_path)).start()
    try:
        time.sleep(1)
        with daemon:
            if guest.process.poll() is not None:
                pytest.skip("this QEMU gives up when nobody listens at its start")
            guest.wait_for_boot()
            guest.run("dd if=/dev/vda of=/dev/null bs=4k count=10 iflag=direct")
    finally:
        guest.kill()


def test_stopped_and_started_again_the_guest_goes_on(tmp_path):
    daemon = Sluiced(tmp_path, {"disk": "size: 32MiB"}).start()
    try:
        with Guest([Disk(daemon.socket("disk"))], str(tmp_path)) as machine:
            for _ in range(3):
                assert daemon.stop() == 0
                time.sleep(0.5)
                daemon.start()
                machine.run("dd if=/dev/zero of=/dev/vda bs=64k count=16 oflag=direct")
    finally:
        daemon.kill()
