"""vNICs and the network from the command line, under running traffic: what it says, and what it does."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest
from agents import BUILD, Agents
from daemon import eventually
from fabric import Fabric

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

SLUICE = os.path.join(BUILD, "src", "cli", "sluice")
LINK = 200  # Mbit/s
METRICS = 9157


class Network:
    """Two hosts: VMs 'web' and 'bulk' on the first, the sender on the second."""

    def __init__(self, fabric, directory):
        self.fabric, (self.host, self.other) = fabric, fabric.hosts
        self.web, self.bulk = self.host.add_vm("web"), self.host.add_vm("bulk")
        self.sender = self.other.add_vm("sender")
        self.agents = Agents(fabric, directory, {"web": {"receive": {"min": "50Mbit", "max": "100Mbit"}}})

    def control(self, host=None):
        return self.agents.path(host or self.host, "control")

    def sluice(self, *words, host=None):
        return subprocess.run([SLUICE, "--control", self.control(host), *map(str, words)], capture_output=True, text=True,
                              timeout=60)

    def does(self, *words, **where):
        done = self.sluice(*words, **where)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refuses(self, *words, **where):
        done = self.sluice(*words, **where)
        assert done.returncode == 1
        return done.stderr

    def nic(self, name):
        return json.loads(self.does("--json", "nic", "show", name))

    def names(self):
        return [nic["name"] for nic in json.loads(self.does("--json", "nic", "list"))]

    def configure(self, change, host=None):
        """Change the file of a host."""
        file = self.agents.path(host or self.host, "yaml")
        with open(file) as stream:
            settings = json.load(stream)
        change(settings)
        with open(file, "w") as stream:
            json.dump(settings, stream)

    def flow(self, receiver, port, seconds=60):
        receiver.listen(port, "-1")
        self.sender.popen(["iperf3", "-c", receiver.address, "-p", port, "-t", seconds], stdout=subprocess.DEVNULL)

    def rate(self, vm, seconds=2):
        """What it receives, in Mbit/s."""
        def received():
            return json.loads(vm.ip("-s", "-j", "link", "show", "eth0"))[0]["stats64"]["rx"]["bytes"]
        before, started = received(), time.monotonic()
        time.sleep(seconds)
        return (received() - before) * 8e-6 / (time.monotonic() - started)

    def qdisc(self, netdev):
        return json.loads(self.host.tc("-j", "qdisc", "show", "dev", netdev, "root"))[0]["kind"]

    def end(self, number):
        process = self.agents.processes[self.host]
        process.send_signal(number)  # `ip netns exec` has become the daemon
        return process.wait(timeout=30)


@pytest.fixture
def network(tmp_path):
    with Fabric(hosts=2, link_mbit=LINK) as fabric:
        network = Network(fabric, tmp_path)
        with network.agents:
            yield network


def test_promises_change_under_running_traffic(network):
    network.flow(network.web, 6001)
    assert 70 < network.rate(network.web, 3) < 110
    network.does("nic", "set", "web", "--receive-min", "10Mbit", "--receive-max", "30Mbit")
    time.sleep(1)
    assert 15 < network.rate(network.web) < 40
    network.does("nic", "set", "web", "--receive-max", "none")
    time.sleep(1)
    assert network.rate(network.web) > 100
    assert network.nic("web")["receive"]["min_bytes_per_s"] == 10e6 / 8  # what is not named stays
    assert network.nic("web")["receive"]["max_bytes_per_s"] is None


def test_a_vnic_comes_and_goes_under_running_traffic(network):
    late = network.host.add_vm("late")
    others = [{"name": host.name, "address": host.address, "serves": [vm.address for vm in host.vms]}
              for host in network.fabric.hosts]
    network.configure(lambda settings: settings["network"].update(hosts=others), network.other)
    network.does("reload", host=network.other)
    network.flow(late, 6002)
    added = network.does("nic", "add", "late", "--netdev", late.netdev, "--address", late.address, "--receive-max", "40Mbit")
    assert added == f"vNIC late on {late.netdev}\n"
    time.sleep(1)
    assert 20 < network.rate(late) < 50
    assert "late" in network.names() and "name: late" in network.does("export")
    network.does("nic", "remove", "late")
    assert "late" not in network.names() and "name: late" not in network.does("export")
    time.sleep(1)
    assert network.rate(late) > 70


def test_a_netdev_that_is_not_there_is_waited_for(network):
    said = network.does("nic", "add", "later", "--netdev", "nowhere0", "--address", "10.0.1.99")
    assert said == "vNIC later on nowhere0, which is not there yet\n"
    assert not network.nic("later")["is_present"]


def test_what_does_not_fit_is_refused_with_what_is_missing(network):
    said = network.refuses("nic", "set", "bulk", "--receive-min", "180Mbit")
    assert "bulk" in said and "36 Mbit" in said  # 50 + 180 of 194
    said = network.refuses("nic", "add", "more", "--netdev", "nowhere0", "--send-min", "1Gbit")
    assert "more" in said and "Mbit" in said
    assert "not a bandwidth" in network.refuses("nic", "set", "bulk", "--receive-min", "5 parsecs")
    assert "weight: '-1' is not" in network.refuses("nic", "set", "bulk", "--weight", "-1")
    assert "there is no vNIC 'wb'; did you mean 'web'?" in network.refuses("nic", "show", "wb")
    assert "there is a vNIC 'web' already" in network.refuses("nic", "add", "web", "--netdev", "nowhere0")
    assert network.nic("bulk")["receive"]["min_bytes_per_s"] == 0


def test_a_pair_says_who_limits_it(network):
    network.flow(network.web, 6001)
    eventually(lambda: any(flow["peer"] == "10.0.2.1" and flow["direction"] == "receive"
                           for flow in network.nic("web")["flows"]))
    def limited():
        flows = json.loads(network.does("--json", "nic", "show", "sender", host=network.other))["flows"]
        return any(flow["limited_by"] == network.host.name for flow in flows)
    eventually(limited)


def test_top_repeats_itself_where_there_is_no_terminal(network):
    network.flow(network.web, 6001)
    time.sleep(2)
    said = network.does("net", "top", "--count", 2, "--interval", "200ms")
    assert said.count("uplink up0 of 200Mbit") == 2
    assert said.count("LIMITED BY") == 2
    assert re.search(r"^web +receive +all +\S+Mbit +50Mbit ", said, re.M)
    shown = json.loads(network.does("--json", "net", "top", "--count", 1))
    assert shown["nics"][0]["name"] == "web" and shown["network"]["uplink"] == "up0"


def test_top_has_the_screen_of_a_terminal_until_q(network):
    main, terminal = pty.openpty()
    top = subprocess.Popen([SLUICE, "--control", network.control(), "net", "top", "--interval", "200ms"], stdin=terminal,
                           stdout=terminal, env={**os.environ, "TERM": "xterm", "LINES": "20", "COLUMNS": "100"})
    os.close(terminal)
    seen = b""
    while b"uplink up0 of 200Mbit" not in seen or b"q: quit" not in seen:
        seen += os.read(main, 4096)
    os.write(main, b"q")
    assert top.wait(timeout=20) == 0
    os.close(main)


def test_the_network_and_the_daemon_are_shown(network):
    assert "uplink up0 of 200Mbit" in network.does("net", "show")
    assert "2 vNICs" in network.does("status")
    assert re.search(r"^web +v-web +in force ", network.does("nic", "list"), re.M)
    assert "vNIC web on v-web, in force" in network.does("nic", "show", "web")


def test_a_reload_changes_removes_and_adds_vnics(network):
    def change(settings):
        web, bulk = settings["nics"]
        web["receive"] = {"min": "20Mbit", "max": "30Mbit"}
        bulk["name"] = "heavy"
    network.flow(network.web, 6001)
    network.configure(change)
    network.does("reload")
    assert network.names() == ["web", "heavy"]
    time.sleep(1)
    assert 15 < network.rate(network.web) < 40


def test_a_reload_refuses_what_is_fixed_and_changes_nothing(network):
    def change(settings):
        settings["network"]["link"] = "300Mbit"
        settings["nics"] = []
    network.configure(change)
    assert "network.link" in network.refuses("reload")
    assert network.names() == ["web", "bulk"]


def test_a_successor_finds_everything_in_force(network):
    assert network.qdisc("up0") == "htb"
    assert network.end(signal.SIGUSR1) == 0
    assert network.qdisc("up0") == "htb"
    network.agents.start(network.host)
    eventually(lambda: network.names() == ["web", "bulk"])


def test_stopping_puts_netdevs_back(network):
    assert network.qdisc("up0") == network.qdisc("v-web") == "htb"
    assert network.end(signal.SIGTERM) == 0
    assert network.qdisc("up0") != "htb" and network.qdisc("v-web") != "htb"


def test_metrics_tell_of_vnics_and_pairs(network):
    network.configure(lambda settings: settings.update(control={"metrics": f"127.0.0.1:{METRICS}"}))
    network.end(signal.SIGUSR1)
    with open(network.agents.path(network.host, "log"), "ab") as log:
        network.host.popen([os.path.join(BUILD, "src", "control", "sluiced"), "--config",
                            network.agents.path(network.host, "yaml"), "--control", network.control()], stdout=log, stderr=log)
    eventually(lambda: network.sluice("status").returncode == 0)
    network.flow(network.web, 6001)
    time.sleep(2)
    text = network.host.run("/usr/bin/python3", "-c", "import urllib.request;"
                            f"print(urllib.request.urlopen('http://127.0.0.1:{METRICS}/metrics').read().decode())")
    assert 'sluice_nic_promised_min_bytes_per_second{nic="web",direction="receive"} 6250000\n' in text
    assert 'sluice_nic_present{nic="web",netdev="v-web"} 1\n' in text
    pair = re.search(r'^sluice_pair_bytes_total{nic="web",peer="10.0.2.1",direction="receive",limited_by="[^"]*"} (\S+)$',
                     text, re.M)
    assert float(pair[1]) > 1e6
    assert re.search(r"^sluice_agent_periods_total{.*} [1-9]", text, re.M)
