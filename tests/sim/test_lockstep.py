from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from firmware_bridge.protocol import Decoder, encode
from robot_il.robot import Robot
from sim.conditions import Conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin


@pytest.fixture
def twin(robot: Robot) -> Iterator[Twin]:
    made = Twin(robot, Conditions(), 0, boot_id=5)
    yield made
    made.close()


def test_time_stands_still_while_the_host_thinks(twin: Twin) -> None:
    link = LockstepLink(twin)
    before = link.clock.now_ns()
    time.sleep(0.01)
    assert link.clock.now_ns() == before


def test_reading_passes_virtual_time_up_to_the_deadline_and_not_beyond(twin: Twin) -> None:
    link = LockstepLink(twin)
    while link.read(link.clock.now_ns() + 4_000_000):
        pass
    start = link.clock.now_ns()
    assert link.read(start) == b""
    assert link.clock.now_ns() == start


def test_states_come_every_five_milliseconds_of_virtual_time(twin: Twin) -> None:
    link, decoder = LockstepLink(twin), Decoder()
    arrivals = []
    while len(arrivals) < 20:
        messages = decoder.feed(link.read(link.clock.now_ns() + 20_000_000))
        if any(name == "STATE" for name, _ in messages):
            arrivals.append(link.clock.now_ns())
    assert {later - earlier for earlier, later in itertools.pairwise(arrivals)} == {5_000_000}


@pytest.mark.parametrize("latency_ms", [0, 1, 7])
def test_bytes_take_the_lines_latency_each_way(twin: Twin, latency_ms: int) -> None:
    link, decoder = LockstepLink(twin, latency_ms), Decoder()
    link.read(link.clock.now_ns() + 50_000_000)
    sent_ns = link.clock.now_ns()
    link.write(encode("TIME_REQUEST", 1))
    reply = None
    while reply is None:
        for name, values in decoder.feed(link.read(sent_ns + 1_000_000_000)):
            if name == "TIME_REPLY":
                reply = values
    assert reply[1] * 1000 == sent_ns + latency_ms * 1_000_000
    # The answer leaves with the tick that follows the request.
    assert link.clock.now_ns() == sent_ns + (2 * latency_ms + 1) * 1_000_000


def test_closing_delivers_what_is_on_the_line(twin: Twin) -> None:
    link = LockstepLink(twin, 50)
    link.write(encode("ESTOP"))
    link.close()
    twin.step()
    assert [event["event"] for event in twin.events] == ["estopped"]
