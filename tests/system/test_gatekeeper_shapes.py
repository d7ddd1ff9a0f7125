"""Promises in all shapes: many senders, weights, maxima, both directions, one host."""

import os

import pytest
import scenarios
from control import Gatekeeper
from link import CAPACITY, GUARANTEE, MAX
from noise import second_try
from scenarios import DROPPED, SLACK
from stage import perform

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@second_try
def test_incast_overflows_nothing_and_is_divided_evenly():
    seen = perform(scenarios.INCAST, Gatekeeper)
    assert seen["total"] >= SLACK * CAPACITY
    assert seen["dropped"] < DROPPED
    assert seen["evenness"] >= SLACK


@second_try
def test_weights_divide_what_is_not_promised():
    seen = perform(scenarios.WEIGHTED, Gatekeeper)
    assert seen["total"] >= SLACK * CAPACITY
    assert seen["error"] <= 0.05


@second_try
def test_a_maximum_is_respected_and_reached():
    seen = perform(scenarios.MAXIMUM, Gatekeeper)
    for rate in (seen["receives"], seen["sends"]):
        assert SLACK * MAX <= rate <= 1.02 * MAX


@second_try
def test_guarantees_hold_in_both_directions_at_once():
    seen = perform(scenarios.BOTH_DIRECTIONS, Gatekeeper)
    assert seen["victim"] >= SLACK * GUARANTEE
    assert seen["peer"] >= SLACK * GUARANTEE
    assert seen["dropped"] < DROPPED


@second_try
def test_a_neighbour_on_the_same_host_is_a_sender_like_others():
    seen = perform(scenarios.SAME_HOST, Gatekeeper)
    assert seen["victim"] >= SLACK * GUARANTEE
    assert SLACK * MAX <= seen["capped"] <= 1.02 * MAX
