"""A running guest moves to another QEMU, or is paused. What the device writes into its memory meanwhile must move too."""

import hashlib
import os

import pytest
from daemon import Sluiced
from guest import Disk, Guest

MIB = 1 << 20
# Reads the disk into the page cache, bit by bit over some seconds. The guest's CPU never writes to those pages, so what
# arrives after they have been copied moves only if the device says that it has written. (The disk stays open: the cache
# goes with the last close.)
READ_SLOWLY = ("sleep 1000 </dev/vda & i=0; while [ $i -lt 128 ]; do "
               "dd if=/dev/vda of=/dev/null bs=64k skip=$i count=1 2>/dev/null; i=$((i+1)); usleep 50000; done")


@pytest.mark.parametrize("packed", (False, True), ids=("split", "packed"))
def test_a_guest_migrates_while_it_reads(tmp_path, packed):
    """Two front ends at once need two sockets; the image is read-only, so both disks may have it open."""
    image = tmp_path / "shared.img"
    image.write_bytes(os.urandom(8 * MIB))
    with Sluiced(tmp_path, {name: f"image: {image}, read_only: true, serial: shared" for name in ("here", "there")}) as daemon:
        source = Guest([Disk(daemon.socket("here"), packed=packed)], str(tmp_path), "source")
        destination = Guest([Disk(daemon.socket("there"), packed=packed)], str(tmp_path), "destination",
                            incoming=f"unix:{tmp_path}/migration")
        try:
            source.start().wait_for_boot()
            destination.start()
            reading = source.begin(READ_SLOWLY)
            source.migrate_to(destination)
            destination.finish(reading)
            assert daemon.disk("here")["reads"] > 0 and daemon.disk("there")["reads"] > 0
            assert destination.run("md5sum </dev/vda").split()[0] == hashlib.md5(image.read_bytes()).hexdigest()
            destination.run("dd if=/dev/vda of=/dev/null bs=64k iflag=direct")
            assert daemon.disk("there")["errors"] == 0
            assert not daemon.disk("here")["is_connected"]
        finally:
            source.kill()
            destination.kill()


def test_a_paused_guest_goes_on_where_it_was(tmp_path):
    with Sluiced(tmp_path, {"disk": "size: 8MiB"}) as daemon:
        with Guest([Disk(daemon.socket("disk"))], str(tmp_path)) as machine:
            reading = machine.begin("fio --name=v --filename=/dev/vda --rw=randwrite --bs=16k --size=8M --verify=crc32c "
                                    "--verify_fatal=1 --ioengine=libaio --iodepth=16 --direct=1 --loops=8 --minimal")
            for _ in range(5):
                machine.qmp("stop")
                machine.qmp("cont")
                machine.run("true")
            machine.finish(reading)
            assert not daemon.disk("disk")["is_broken"]
