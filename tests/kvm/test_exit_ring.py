"""Exit rings, seen by a guest without an operating system: guest/bare, run by bare_machine."""

import json
import re

import pytest

GUEST = "$(command -v sluice-bare-guest)"
WAYS = pytest.mark.parametrize("way", ["split", "own"])


class Run:
    """A run of the bare guest: what it and bare_machine have said."""

    def __init__(self, kvm, way, vcpus, command_line):
        self.status, self.said = kvm.run(f"bare_machine {GUEST} {way} {vcpus} '{command_line}'", limit_s=90, check=False)

    def count(self, name):
        return int(re.search(rf"^count {name} (\d+)$", self.said, re.MULTILINE).group(1))

    def has_line(self, line):
        return line in (said.strip() for said in self.said.splitlines())


@WAYS
def test_the_ring_does_what_its_page_says(kvm, way):
    run = Run(kvm, way, 1, "test 100")
    assert run.status == 0 and "FAILED" not in run.said and run.has_line("done"), run.said
    assert run.has_line("written by the exit ring")
    assert run.count("rings_stopped") == 0
    assert run.count("refused") == 1


@WAYS
def test_a_ring_that_breaks_the_protocol_is_stopped_alone(kvm, way):
    run = Run(kvm, way, 2, "test 100")
    assert run.status == 0 and "FAILED" not in run.said and run.has_line("ok broken neighbour"), run.said
    assert run.count("rings_stopped") == 1
    assert len(re.findall("the exit ring of vCPU 1 is not served any more", run.said)) == 1


@WAYS
def test_requests_are_no_exits(kvm, way):
    few, many = Run(kvm, way, 1, "test 1000"), Run(kvm, way, 1, "test 41000")
    assert few.status == 0 and many.status == 0, few.said + many.said
    requests = sum(many.count(kind) - few.count(kind) for kind in ("synchronous", "asynchronous"))
    assert abs(requests - 40000) < 1000  # the port is asked now and then whether it takes more of the text
    # The rest are doorbells, and interrupts of the machine that the guest's CPU is taken for.
    assert many.count("kvm_exits") - few.count("kvm_exits") < requests / 10
    assert many.count("user_exits") - few.count("user_exits") < requests / 100


@WAYS
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_hostile_guest_harms_nobody(kvm, way, seed):
    run = Run(kvm, way, 2, f"hostile {seed} 3000")
    assert run.status == 0 and run.has_line("survived"), run.said
    assert len(re.findall("not served any more", run.said)) == run.count("rings_stopped") <= 2


@WAYS
def test_a_machine_is_turned_off_by_the_ring(kvm, way):
    run = Run(kvm, way, 1, "off")
    assert run.status == 0, run.said


def test_bench_exits_measures_every_way(kvm):
    status, said = kvm.run(f"sluice bench exits --samples 11 --json --guest {GUEST}", limit_s=90, check=False)
    assert status == 0, said
    result = json.loads(said)
    assert {way["name"] for way in result["ways"]} >= {"cpuid", "port_read", "memory_read", "ring_nothing", "ring_post"}
    assert all(way[where]["wait_cycles"] >= 0 for way in result["ways"] for where in ("own_core", "split"))
    assert result["is_emulated"] == bool(result["note"] and "mean nothing" in result["note"])
