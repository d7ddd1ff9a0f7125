"""What bandwidth promises are tested, measured and shown with: VMs, promises, traffic, and what is looked at.

`play` runs the traffic on a stage and returns the measures by name: bandwidths of whole frames in Mbit/s, parts of 1,
or milliseconds (None: never). Rules for all: only vNICs of the first host are contended for, and a sender's host promises
it for sending what its receiver is promised, so that HTB at the senders has its chance.
"""

import dataclasses
import time

from link import GUARANTEE, LINK, MAX

SLACK = 0.9  # in tests, what noise on the machine may cost; docs/benchmarks.md has what is reached
DROPPED = 0.001  # of the packets towards the first host, once rates have settled
SETTLE_S = 3  # a crowd takes its time to gather, and TCP to find its rate
FLOW_S = 60  # longer than any scenario; flows end with their fabric


@dataclasses.dataclass(frozen=True)
class Scenario:
    title: str
    vms: dict  # name -> number of its host
    promises: dict
    play: object


GUARDED = {"victim": {"receive": {"min": f"{GUARANTEE}Mbit"}}, "sender": {"send": {"min": f"{GUARANTEE}Mbit"}}}
VICTIM_AND_CROWD = {"victim": 0, "crowd": 0, "sender": 1, "other1": 1, "other2": 2, "other3": 3}
OTHERS = ("other1", "other2", "other3")


def shares(watch):
    return {"victim": watch.mbit("victim"), "total": watch.mbit("victim", "crowd"), "dropped": watch.dropped}


def flood(stage):
    for other in OTHERS:
        stage.udp(other, "crowd", FLOW_S)


def play_ninety_nine(stage):
    stage.tcp("other2", "crowd", FLOW_S, flows=99)
    stage.tcp("sender", "victim", FLOW_S)
    time.sleep(SETTLE_S)
    return shares(stage.watch(4))


def play_flood(stage):
    flood(stage)
    stage.tcp("sender", "victim", FLOW_S)
    time.sleep(SETTLE_S)
    return shares(stage.watch(4))


def play_return(stage, crowd):
    """The guaranteed one is idle, then wants all at once."""
    crowd(stage)
    time.sleep(2)
    idle = stage.watch(2)
    returns = time.monotonic()
    stage.tcp("sender", "victim", FLOW_S)
    time.sleep(1)
    back = stage.watch(1.5)
    recovery_s = stage.series.time_to("victim", 0.97 * GUARANTEE, returns)
    return {"others": idle.mbit("crowd"), "victim": back.mbit("victim"),
            "recovery_ms": None if recovery_s is None else 1000 * recovery_s}


def play_return_to_tcp(stage):
    return play_return(stage, lambda stage: stage.tcp("other2", "crowd", FLOW_S, flows=8))


def play_return_to_udp(stage):
    return play_return(stage, flood)


SENDERS = [f"sender{number}" for number in range(1, 9)]


def play_incast(stage):
    """Half of them have two flows, so that an even division is the control's and not TCP's."""
    stage.tcp_all([(sender, "victim", 1 + number % 2) for number, sender in enumerate(SENDERS)], FLOW_S)
    time.sleep(SETTLE_S)
    before = [stage.sent(sender) for sender in SENDERS]
    watch = stage.watch(4)
    after = [stage.sent(sender) for sender in SENDERS]
    rates = [(end_bytes - start_bytes) / (end - start) for (start, start_bytes), (end, end_bytes) in zip(before, after)]
    return {"total": watch.mbit("victim"), "dropped": watch.dropped, "evenness": min(rates) / max(rates)}


WEIGHTS = {"one": 1, "two": 2, "four": 4}


def play_weights(stage):
    """Who has the least weight has the most flows."""
    stage.tcp_all([(f"to_{name}", name, 8 // weight) for name, weight in WEIGHTS.items()], FLOW_S)
    time.sleep(SETTLE_S)
    watch = stage.watch(4)
    total = watch.mbit(*WEIGHTS)
    errors = [abs(watch.mbit(name) / total / (weight / sum(WEIGHTS.values())) - 1) for name, weight in WEIGHTS.items()]
    return {**{name: watch.mbit(name) for name in WEIGHTS}, "total": total, "error": max(errors)}


def play_maximum(stage):
    stage.udp("other1", "capped", FLOW_S)
    stage.tcp("other2", "capped", FLOW_S, flows=4)
    stage.udp("throttled", "open", FLOW_S)
    time.sleep(2)
    watch = stage.watch(4)
    return {"receives": watch.mbit("capped"), "sends": watch.mbit("open")}


def play_both_directions(stage):
    stage.tcp_all([("victim", "peer", 4), ("peer", "victim", 4)], FLOW_S)
    for one, other in (("crowd", "rowdy"), ("rowdy", "crowd")):
        stage.udp(one, other, FLOW_S)
    time.sleep(SETTLE_S)
    watch = stage.watch(4)
    return {"victim": watch.mbit("victim"), "peer": watch.mbit("peer"), "dropped": watch.dropped}


def play_same_host(stage):
    """What its neighbour sends to the victim never sees the link, but is part of what the victim receives."""
    stage.tcp_all([("neighbour", "victim", 1), ("neighbour", "capped", 4)], FLOW_S)
    stage.udp("other2", "crowd", FLOW_S)
    stage.udp("other3", "crowd", FLOW_S)
    time.sleep(SETTLE_S)
    watch = stage.watch(4)
    return {"victim": watch.mbit("victim"), "capped": watch.mbit("capped"), "total": watch.mbit("victim", "capped", "crowd"),
            "dropped": watch.dropped}


NINETY_NINE = Scenario("One TCP flow against 99", VICTIM_AND_CROWD, GUARDED, play_ninety_nine)
FLOOD = Scenario(f"One TCP flow against UDP from three hosts, {LINK} Mbit/s each", VICTIM_AND_CROWD, GUARDED, play_flood)
RETURN_TO_TCP = Scenario("A return after a pause, to TCP", VICTIM_AND_CROWD, GUARDED, play_return_to_tcp)
RETURN_TO_UDP = Scenario("A return after a pause, to UDP from three hosts", VICTIM_AND_CROWD, GUARDED, play_return_to_udp)
INCAST = Scenario("Incast, eight senders, one and two flows in turns",
                  {"victim": 0, **{sender: host for host, sender in enumerate(SENDERS, 1)}}, {}, play_incast)
WEIGHTED = Scenario("Weights 1:2:4, flows 8:4:2",
                    {**dict.fromkeys(WEIGHTS, 0), **{f"to_{name}": host for host, name in enumerate(WEIGHTS, 1)}},
                    {name: {"weight": weight} for name, weight in WEIGHTS.items()}, play_weights)
MAXIMUM = Scenario(f"A maximum of {MAX} Mbit/s: receiving, and sending",
                   {"capped": 0, "open": 0, "other1": 1, "other2": 2, "throttled": 2},
                   {"capped": {"receive": {"max": f"{MAX}Mbit"}}, "throttled": {"send": {"max": f"{MAX}Mbit"}}}, play_maximum)
BOTH_WAYS = {"receive": {"min": f"{GUARANTEE}Mbit"}, "send": {"min": f"{GUARANTEE}Mbit"}}
BOTH_DIRECTIONS = Scenario(f"Four TCP flows each way against UDP of {LINK} Mbit/s each way",
                           {"victim": 0, "crowd": 0, "peer": 1, "rowdy": 1}, {"victim": BOTH_WAYS, "peer": BOTH_WAYS},
                           play_both_directions)
SAME_HOST = Scenario("A neighbour on the same host, against UDP from two hosts",
                     {"victim": 0, "capped": 0, "crowd": 0, "neighbour": 0, "other2": 1, "other3": 2},
                     {"victim": {"receive": {"min": f"{GUARANTEE}Mbit"}}, "capped": {"receive": {"max": f"{MAX}Mbit"}}},
                     play_same_host)

SCENARIOS = (NINETY_NINE, FLOOD, RETURN_TO_TCP, RETURN_TO_UDP, INCAST, WEIGHTED, MAXIMUM, BOTH_DIRECTIONS, SAME_HOST)
