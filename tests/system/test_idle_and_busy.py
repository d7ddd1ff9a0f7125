"""An idle daemon burns no CPU, and a busy one makes guests take no exits: both from counters."""

import time

from daemon import Sluiced
from guest import Disk, Guest


def test_idle_with_attached_disks_it_uses_under_a_hundredth_of_a_core(tmp_path):
    names = [f"disk{i}" for i in range(8)]
    with Sluiced(tmp_path, {name: "size: 8MiB, queues: 4" for name in names}) as daemon:
        with Guest([Disk(daemon.socket(name), queues=4) for name in names], str(tmp_path), cpus=4):
            time.sleep(1)
            before, started = daemon.cpu_seconds(), time.monotonic()
            polls = daemon.sidecore()["polls_idle"]
            time.sleep(5)
            used = daemon.cpu_seconds() - before
            assert used < 0.01 * (time.monotonic() - started)
            assert daemon.sidecore()["polls_idle"] - polls < 50


def test_under_load_it_takes_hardly_any_kicks(tmp_path):
    with Sluiced(tmp_path, {"disk": "size: 64MiB"}, backend="ram", poll="2ms") as daemon:
        with Guest([Disk(daemon.socket("disk"))], str(tmp_path)) as machine:
            before = daemon.sidecore()
            machine.run("fio --name=x --filename=/dev/vda --rw=randread --bs=4k --iodepth=32 --ioengine=libaio --direct=1 "
                        "--time_based --runtime=5 --minimal")
            after = daemon.sidecore()
            requests = daemon.disk("disk")["reads"]
            kicks = after["kicks_received"] - before["kicks_received"]
            print(f"{requests} requests, {kicks} kicks, {after['calls_sent'] - before['calls_sent']} calls")
            assert requests > 1000
            assert kicks < requests / 20
