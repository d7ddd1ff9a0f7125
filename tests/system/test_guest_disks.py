"""What a guest does with its disks, over both ring formats, one and four queues, event index on and off."""

import itertools
import os
import subprocess

import pytest
from daemon import Sluiced, eventually
from guest import Disk, Guest, GuestError

VERIFY = ("fio --name=v --filename={device} --rw=randwrite --bsrange=512-128k --size={size} --verify=crc32c --verify_fatal=1 "
          "--ioengine=libaio --iodepth=16 --direct=1 --minimal >/dev/null && echo verified")
COMBINATIONS = list(itertools.product((False, True), (1, 4), (False, True)))


def label(packed, queues, event_index):
    return f"{'packed' if packed else 'split'}{queues}{'e' if event_index else 'f'}"


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """One guest with a disk for each combination."""
    directory = tmp_path_factory.mktemp("matrix")
    names = [label(*combination) for combination in COMBINATIONS]
    with Sluiced(directory, {name: "size: 64MiB, queues: 4" for name in names}) as daemon:
        disks = [Disk(daemon.socket(label(p, q, e)), queues=q, packed=p, event_index=e) for p, q, e in COMBINATIONS]
        with Guest(disks, str(directory), cpus=4) as machine:
            yield daemon, machine


def device_of(machine, name):
    return machine.run(f"grep -lx {name} /sys/block/vd*/serial").split("/")[3]


@pytest.mark.parametrize("packed,queues,event_index", COMBINATIONS, ids=[label(*c) for c in COMBINATIONS])
def test_fio_finds_every_byte_that_it_wrote(matrix, packed, queues, event_index):
    daemon, machine = matrix
    name = label(packed, queues, event_index)
    device = device_of(machine, name)
    assert len(machine.run(f"ls /sys/block/{device}/mq").split()) == queues
    assert "verified" in machine.run(VERIFY.format(device="/dev/" + device, size="16M"))
    assert daemon.disk(name)["errors"] == 0


@pytest.mark.parametrize("packed", (False, True), ids=("split", "packed"))
def test_a_file_system_holds_what_is_put_into_it(matrix, packed):
    _, machine = matrix
    device = device_of(machine, label(packed, 4, True))
    machine.run(f"mkfs.ext4 -q /dev/{device} && mount /dev/{device} /mnt && cp /bin/busybox /mnt/ && umount /mnt && "
                f"echo 3 >/proc/sys/vm/drop_caches && mount /dev/{device} /mnt && cmp /bin/busybox /mnt/busybox && umount /mnt")


def test_discard_frees_space_on_the_host(matrix):
    daemon, machine = matrix
    name = label(False, 1, True)
    device = device_of(machine, name)
    machine.run(f"dd if=/dev/urandom of=/dev/{device} bs=1M count=32 oflag=direct 2>/dev/null")
    before = os.stat(daemon.image(name)).st_blocks
    machine.run(f"blkdiscard -o 0 -l 33554432 /dev/{device}")
    assert os.stat(daemon.image(name)).st_blocks <= before - 32 * 2048
    assert daemon.disk(name)["discards"] > 0


def test_write_zeroes_reads_as_zeroes(matrix):
    daemon, machine = matrix
    name = label(True, 4, False)
    device = device_of(machine, name)
    machine.run(f"dd if=/dev/urandom of=/dev/{device} bs=1M count=4 oflag=direct 2>/dev/null && "
                f"/bin/blkdiscard -z -o 1048576 -l 2097152 /dev/{device} && dd if=/dev/{device} bs=1M skip=1 count=2 2>/dev/null | "
                "cmp -n 2097152 - /dev/zero")
    assert daemon.disk(name)["write_zeroes"] > 0


def test_reads_beyond_the_end_fail_and_nothing_else_does(tmp_path):
    """The guest's kernel stops such reads itself, so it is made to believe in a larger disk than there is."""
    with Sluiced(tmp_path, {"small": "size: 8MiB", "other": "size: 8MiB"}) as daemon:
        with Guest([Disk(daemon.socket("small")), Disk(daemon.socket("other"))], str(tmp_path)) as machine:
            status, _ = machine.run("dd if=/dev/vda of=/dev/null bs=4k skip=2048 count=1 iflag=direct 2>&1 | grep -q '^0+0'",
                                    check=False)
            assert status == 0
            os.truncate(daemon.image("small"), 4 << 20)
            status, _ = machine.run("dd if=/dev/vda of=/dev/null bs=4k skip=1500 count=1 iflag=direct", check=False)
            assert status != 0
            machine.run("dd if=/dev/vda of=/dev/null bs=4k count=100 iflag=direct")
            machine.run("dd if=/dev/vdb of=/dev/null bs=4k count=100 iflag=direct")
            assert daemon.disk("small")["errors"] > 0
            assert daemon.disk("other")["errors"] == 0


def test_a_read_only_disk_cannot_be_written(tmp_path):
    with Sluiced(tmp_path, {"fixed": "size: 8MiB"}):
        pass
    with Sluiced(tmp_path, {"fixed": "read_only: true"}) as daemon:
        with Guest([Disk(daemon.socket("fixed"))], str(tmp_path)) as machine:
            assert machine.run("cat /sys/block/vda/ro").strip() == "1"
            status, _ = machine.run("dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct", check=False)
            assert status != 0
            machine.run("dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct")


def test_a_running_guest_sees_its_disk_grow(tmp_path):
    with Sluiced(tmp_path, {"growing": "size: 8MiB"}) as daemon:
        with Guest([Disk(daemon.socket("growing"))], str(tmp_path)) as machine:
            assert machine.run("cat /sys/block/vda/size").strip() == str(8 * 2048)
            daemon.ask("disk.set", name="growing", size="16MiB")
            eventually(lambda: machine.run("cat /sys/block/vda/size").strip() == str(16 * 2048))
            machine.run("dd if=/dev/zero of=/dev/vda bs=1M seek=15 count=1 oflag=direct")


def test_a_guest_boots_from_its_disk(tmp_path):
    import guest
    with Sluiced(tmp_path, {"root": "size: 64MiB"}) as daemon:
        tree = tmp_path / "tree"
        tree.mkdir()
        subprocess.run(["cpio", "-idm", "--quiet"], cwd=tree, check=True,
                       stdin=open(os.path.join(guest.IMAGE, "initramfs.cpio"), "rb"))
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree), daemon.image("root")], check=True)
        with Guest([Disk(daemon.socket("root"), queues=4)], str(tmp_path), root="/dev/vda") as machine:
            assert "/dev/vda / ext4" in machine.run("cat /proc/mounts")
            machine.run("dd if=/dev/urandom of=/file bs=1M count=8 2>/dev/null && sync && echo 3 >/proc/sys/vm/drop_caches && "
                        "md5sum /file >/sum && md5sum -c /sum")


def test_two_guests_at_once_keep_to_their_own_disks(tmp_path):
    with Sluiced(tmp_path, {"one": "size: 32MiB, queues: 4", "two": "size: 32MiB, queues: 4"}) as daemon:
        with Guest([Disk(daemon.socket("one"), queues=4)], str(tmp_path), "first") as first, \
                Guest([Disk(daemon.socket("two"), packed=True)], str(tmp_path), "second") as second:
            runs = [(machine, machine.begin(VERIFY.format(device="/dev/vda", size="16M"))) for machine in (first, second)]
            for machine, run in runs:
                assert "verified" in machine.finish(run)


@pytest.mark.parametrize("packed", (False, True), ids=("split", "packed"))
def test_a_guest_killed_in_mid_request_leaves_nothing_behind(tmp_path, packed):
    with Sluiced(tmp_path, {"disk": "size: 64MiB, queues: 4"}) as daemon:
        for _ in range(3):
            with Guest([Disk(daemon.socket("disk"), queues=4, packed=packed)], str(tmp_path)) as machine:
                machine.begin("fio --name=x --filename=/dev/vda --rw=randwrite --bs=64k --iodepth=64 --ioengine=libaio "
                              "--direct=1 --time_based --runtime=60")
                eventually(lambda: daemon.disk("disk")["in_flight"] > 0)
                assert daemon.guest_mappings()
            eventually(lambda: not daemon.disk("disk")["is_connected"])
            assert daemon.guest_mappings() == []
            assert daemon.disk("disk")["in_flight"] == 0
