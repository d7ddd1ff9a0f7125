"""Hosts that find each other in a real etcd, of which members, or all, are lost."""

import json
import os
import subprocess
import time

import pytest
from agents import Agents
from daemon import SLUICE, eventually
from etcd import ETCD, Etcd, certificates
from fabric import Fabric

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
              pytest.mark.skipif(not ETCD, reason="there is no etcd")]

LEASE = 5  # seconds
RESTING = 2 * LEASE  # what lapses has lapsed
AWAY = "etcd is away"


class Fleet:
    """A receiver that takes 100 Mbit/s on the first host, a sender on the second, and the third without a vNIC."""

    def __init__(self, fabric, etcd, directory, **settings):
        self.fabric, self.etcd, self.next_port = fabric, etcd, 6000
        self.here, self.there, self.third = fabric.hosts
        self.receiver, self.sender = self.here.add_vm("receiver"), self.there.add_vm("sender")
        self.agents = Agents(fabric, directory, {"receiver": {"receive": {"max": "100Mbit"}}},
                             {"endpoints": etcd.endpoints, "lease": f"{LEASE}s", **settings})

    def __enter__(self):
        self.agents.__enter__()
        eventually(lambda: all(self.knows(host, 3, 2) for host in self.fabric.hosts))
        return self

    def __exit__(self, *unused):
        self.agents.__exit__(*unused)

    def cache(self, host):
        """Where its daemon keeps what is known of others."""
        return os.path.join(self.agents.path(host, "run"), f"{host.name}.cluster")

    def status(self, host):
        return self.agents.ask(host, "daemon.status")["cluster"]

    def knows(self, host, hosts, nics):
        status = self.status(host)
        return status["is_connected"] and (status["hosts"], status["nics"]) == (hosts, nics)

    def is_away(self):
        return any(AWAY in self.agents.log(host) for host in self.fabric.hosts)

    def limits(self, host):
        """Classes below those of vNICs: what other hosts have asked this one to hold back."""
        classes = [line.split()[2] for line in host.tc("class", "show", "dev", "up0").splitlines()]
        return [name for name in classes if 0x1000 <= int(name.split(":")[1], 16) < 0xf000]

    def is_held_back(self, host, sender=None):
        """Does a limit of the receiver's host arrive at the sender's? Then each has found the other."""
        eventually(lambda: not self.limits(host))
        self.next_port += 1
        self.receiver.listen(self.next_port, "-1")
        flow = (sender or self.sender).popen(["iperf3", "-c", self.receiver.address, "-p", self.next_port, "-t", 3, "-u",
                                              "-b", "200M", "-l", 1448], stdout=subprocess.DEVNULL)
        was_held = False
        while flow.poll() is None:
            was_held |= bool(self.limits(host))
            time.sleep(0.1)
        eventually(lambda: not self.limits(host))
        return was_held

    def sluice(self, host, *words):
        return subprocess.run([SLUICE, "--control", self.agents.path(host, "control"), *words], check=True, capture_output=True,
                              text=True, timeout=60).stdout

    def put(self, name, **value):
        self.etcd.ctl("put", f"/sluice/{name}", json.dumps(value))


@pytest.fixture
def fabric():
    with Fabric(hosts=3) as built:
        yield built


@pytest.fixture
def fleet(fabric, tmp_path):
    with Etcd(fabric, tmp_path) as etcd, Fleet(fabric, etcd, tmp_path) as started:
        yield started


def test_hosts_find_each_other(fleet):
    assert fleet.is_held_back(fleet.there)


def test_a_vm_that_moves_is_held_back_where_it_is(fleet):
    fleet.sender.ip("link", "del", "eth0")  # the old host does not know yet
    moved = fleet.third.add_vm("sender2")
    moved.ip("addr", "flush", "dev", "eth0")
    moved.ip("addr", "add", f"{fleet.sender.address}/16", "dev", "eth0")
    moved.address = fleet.sender.address
    fleet.agents.kill(fleet.third)
    fleet.agents.start(fleet.third)
    eventually(lambda: fleet.knows(fleet.here, 3, 3))
    assert fleet.is_held_back(fleet.third, moved)


def test_a_vnic_that_comes_and_goes_meanwhile_is_known_to_all(fleet):
    late = fleet.third.add_vm("late")
    fleet.sluice(fleet.third, "nic", "add", "late", "--netdev", late.netdev, "--address", late.address)
    eventually(lambda: fleet.knows(fleet.here, 3, 3))
    assert fleet.is_held_back(fleet.third, late)
    fleet.sluice(fleet.third, "nic", "remove", "late")
    eventually(lambda: fleet.knows(fleet.here, 3, 2))


def test_a_host_that_is_stopped_is_gone_for_others(fleet):
    fleet.agents.processes[fleet.third].terminate()
    eventually(lambda: fleet.knows(fleet.here, 2, 2))


def test_one_lost_member_is_not_noticed(fleet):
    followers = [index for index in range(3) if index != fleet.etcd.leader()]
    for lose in (lambda: followers[0], fleet.etcd.leader):
        lost = lose()
        fleet.etcd.kill(lost)
        fleet.put(f"hosts/h{lost}", address="10.0.0.77")
        eventually(lambda: all(fleet.knows(host, 4, 2) for host in fleet.fabric.hosts))
        assert fleet.is_held_back(fleet.there)
        fleet.etcd.ctl("del", f"/sluice/hosts/h{lost}")
        fleet.etcd.start(lost)
        fleet.etcd.wait()
        eventually(lambda: all(fleet.knows(host, 3, 2) for host in fleet.fabric.hosts))
    assert not fleet.is_away()


def test_a_member_that_hangs_is_left_for_another(fleet):
    asked = fleet.etcd.endpoints.index(fleet.status(fleet.here)["member"])
    fleet.etcd.pause(asked)
    try:
        others = [url for url in fleet.etcd.endpoints if url != fleet.etcd.endpoints[asked]]
        eventually(lambda: all(fleet.status(host)["member"] in others for host in fleet.fabric.hosts))
        fleet.etcd.ctl("put", "/sluice/hosts/h9", '{"address": "10.0.0.77"}', endpoints=others)
        eventually(lambda: all(fleet.knows(host, 4, 2) for host in fleet.fabric.hosts))
    finally:
        fleet.etcd.pause(asked, False)


def test_an_outage_changes_nothing_and_is_survived_by_a_restart(fleet):
    eventually(lambda: all(os.path.exists(fleet.cache(host)) for host in fleet.fabric.hosts))
    for index in (0, 1):
        fleet.etcd.kill(index)
    eventually(lambda: not any(fleet.status(host)["is_connected"] for host in fleet.fabric.hosts))
    assert fleet.is_held_back(fleet.there)
    assert "cluster: etcd is away for" in fleet.sluice(fleet.there, "status")
    for host in (fleet.here, fleet.there):
        fleet.agents.kill(host)
        fleet.agents.start(host)
    assert fleet.is_held_back(fleet.there)
    assert not fleet.status(fleet.there)["is_connected"]
    time.sleep(RESTING)
    assert (fleet.status(fleet.there)["hosts"], fleet.status(fleet.there)["nics"]) == (3, 2)
    assert fleet.agents.log(fleet.third).count(AWAY) == 1
    for index in (0, 1):
        fleet.etcd.start(index)
    fleet.etcd.wait()
    eventually(lambda: all(fleet.knows(host, 3, 2) for host in fleet.fabric.hosts))
    assert fleet.is_held_back(fleet.there)


def test_a_host_that_was_cut_off_learns_what_it_has_missed_after_a_compaction(fleet):
    fleet.put("hosts/before", address="10.0.0.77")
    eventually(lambda: fleet.knows(fleet.third, 4, 2))
    fleet.third.ip("link", "set", "up0", "down")
    eventually(lambda: not fleet.status(fleet.third)["is_connected"])
    fleet.etcd.ctl("del", "/sluice/hosts/before")
    for index in range(3):
        fleet.put(f"hosts/after{index}", address="10.0.0.78")
    revision = json.loads(fleet.etcd.ctl("get", "/sluice", "-w", "json"))["header"]["revision"]
    fleet.etcd.ctl("compact", str(revision))
    fleet.third.ip("link", "set", "up0", "up")
    eventually(lambda: all(fleet.knows(host, 6, 2) for host in fleet.fabric.hosts))


def test_a_host_that_dies_is_forgotten_and_one_that_restarts_is_not(fleet):
    fleet.agents.kill(fleet.there)
    fleet.agents.start(fleet.there)
    time.sleep(RESTING)
    assert fleet.knows(fleet.here, 3, 2)
    fleet.agents.kill(fleet.there)
    eventually(lambda: fleet.knows(fleet.here, 2, 1))


def test_a_lease_or_a_key_that_is_lost_is_replaced(fleet):
    fleet.etcd.ctl("del", "--prefix", "/sluice/")
    eventually(lambda: all(fleet.knows(host, 3, 2) for host in fleet.fabric.hosts))
    for lease in fleet.etcd.ctl("lease", "list").split()[3:]:
        fleet.etcd.ctl("lease", "revoke", lease)
    eventually(lambda: all(fleet.knows(host, 3, 2) for host in fleet.fabric.hosts))


def test_an_etcd_that_has_lost_everything_is_told_again(fleet):
    for index in range(5):
        fleet.put("hosts/h9", address=f"10.0.0.{index + 1}")  # so that the new one's revision is behind
    eventually(lambda: fleet.knows(fleet.here, 4, 2))
    for index in range(3):
        fleet.etcd.kill(index)
        fleet.etcd.wipe(index)
    for index in range(3):
        fleet.etcd.start(index)
    fleet.etcd.wait()
    eventually(lambda: all(fleet.knows(host, 3, 2) for host in fleet.fabric.hosts))


def test_a_large_cluster_is_read_in_pages(fleet):
    for first in range(0, 1000, 100):
        values = {index: json.dumps({"addresses": [f"10.1.{index // 100}.{index % 100}"]}) for index in range(first, first + 100)}
        puts = [f"put /sluice/nics/{fleet.third.name}/n{index} {json.dumps(value)}" for index, value in values.items()]
        fleet.etcd.ctl("txn", input="\n" + "\n".join(puts) + "\n\n\n")
    eventually(lambda: all(fleet.knows(host, 3, 1002) for host in fleet.fabric.hosts))
    fleet.agents.kill(fleet.here)
    os.truncate(fleet.cache(fleet.here), 0)
    fleet.agents.start(fleet.here)
    eventually(lambda: fleet.knows(fleet.here, 3, 1002))


def test_a_namesake_is_told_of(fleet):
    fleet.put(f"hosts/{fleet.third.name}", address="10.0.0.77")
    eventually(lambda: f"another host is named '{fleet.third.name}', too" in fleet.agents.log(fleet.third))
    assert "another host" not in fleet.agents.log(fleet.here)


def test_what_makes_no_sense_in_etcd_is_left_out(fleet):
    fleet.etcd.ctl("put", "/sluice/hosts/bad", "junk")
    fleet.etcd.ctl("put", "/sluice/nics/bad", "{}")
    for index in range(6):  # together more than an answer may have
        fleet.etcd.ctl("put", f"/sluice/hosts/huge{index}", input=" " * (1 << 20))
    fleet.put("hosts/good", address="10.0.0.77")
    eventually(lambda: all(fleet.knows(host, 4, 2) for host in fleet.fabric.hosts))
    assert "etcd's key /sluice/hosts/bad has a value that is not a JSON object; it is left out" in fleet.agents.log(fleet.here)
    fleet.agents.kill(fleet.here)
    fleet.agents.start(fleet.here)
    eventually(lambda: fleet.knows(fleet.here, 4, 2))


def test_certificates_are_asked_for_and_shown(fabric, tmp_path):
    tls = certificates(tmp_path, ["10.0.200.1", "10.0.200.2", "10.0.200.3"])
    secrets = {"ca": f"{tls}/ca.pem", "cert": f"{tls}/client.pem", "cert_key": f"{tls}/client.key"}
    with Etcd(fabric, tmp_path, tls) as etcd, Fleet(fabric, etcd, tmp_path, **secrets) as fleet:
        assert fleet.is_held_back(fleet.there)


def test_a_user_shows_its_password_and_does_so_again_when_asked(fabric, tmp_path):
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    with Etcd(fabric, tmp_path) as etcd:
        for words in ("user add root:root", "user grant-role root root", "user add sluice:secret", "role add sluice",
                      "role grant-permission sluice --prefix=true readwrite /sluice/", "user grant-role sluice sluice",
                      "auth enable"):
            etcd.ctl(*words.split())
        etcd.user = "root:root"
        with Fleet(fabric, etcd, tmp_path, user="sluice", password_file=str(password)) as fleet:
            fleet.put("hosts/h9", address="10.0.0.77")
            eventually(lambda: fleet.knows(fleet.here, 4, 2))
            for index in range(3):  # tokens are members' memory
                etcd.kill(index)
            for index in range(3):
                etcd.start(index)
            etcd.wait()
            fleet.put("hosts/h8", address="10.0.0.77")
            eventually(lambda: all(fleet.knows(host, 5, 2) for host in fabric.hosts))
