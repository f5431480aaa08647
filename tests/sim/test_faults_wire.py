"""What each fault of the line does to frames, and that it does it for as long and as often as it says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from firmware_bridge.protocol import Decoder, encode
from robot_il.robot import Robot
from sim.conditions import Conditions
from sim.fault_scene import Scene
from sim.fault_wire import LINE_BYTES_MS, Delay, Drop, Duplicate, Flip, Flood, Reorder, Truncate, WireFault
from sim.lockstep import LATENCY_MS, Channel
from sim.twin import Twin

FRAMES = [encode("COMMAND", number, number, 0.5, -0.5, 0.0) for number in range(1, 201)]


@pytest.fixture
def scene(robot: Robot) -> Iterator[Callable[[WireFault], Scene]]:
    """Makes scenes in which a fault of the line has just begun."""
    twins: list[Twin] = []

    def make(fault: WireFault) -> Scene:
        twins.append(Twin(robot, Conditions(), 0))
        made = Scene(twins[-1], fault, random.Random(4), 1)
        fault.begin(made)
        return made

    yield make
    for twin in twins:
        twin.close()


def arrivals(channel: Channel, every_us: int = 5000) -> list[tuple[int, bytes]]:
    """Sends all frames, one every so often, and looks every millisecond: (ms, bytes)."""
    found = []
    for us in range(0, every_us * len(FRAMES) + 500_000, 1000):
        index, rest = divmod(us, every_us)
        if rest == 0 and index < len(FRAMES):
            channel.put(us, FRAMES[index])
        if data := channel.take(us):
            found.append((us // 1000, data))
    return found


def whole(channel: Channel) -> list[int]:
    """Numbers of the commands that arrive whole, in order."""
    decoder = Decoder()
    return [values[0] for _, data in arrivals(channel) for _, values in decoder.feed(data)]


def test_a_good_line_delivers_everything_after_its_latency(scene) -> None:
    channel = Channel(1000 * LATENCY_MS)
    assert arrivals(channel) == [(5 * index + LATENCY_MS, frame) for index, frame in enumerate(FRAMES)]


@pytest.mark.parametrize("to", ["mcu", "host"])
def test_only_the_direction_that_is_named_is_hit(scene, to) -> None:
    made = scene(Drop(to))
    hit, spared = (made.to_mcu, made.to_host) if to == "mcu" else (made.to_host, made.to_mcu)
    assert whole(hit) == []
    assert len(whole(spared)) == len(FRAMES)


@pytest.mark.parametrize("kind", [Drop, Flip, Truncate])
def test_a_share_of_the_frames_is_lost_and_the_others_come_whole(scene, kind) -> None:
    numbers = whole(scene(kind("mcu", share=0.2)).to_mcu)
    assert 0.7 * len(FRAMES) < len(numbers) < 0.9 * len(FRAMES)
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("kind", [Drop, Flip, Truncate])
def test_no_frame_survives_where_all_are_hit(scene, kind) -> None:
    assert whole(scene(kind("mcu")).to_mcu) == []


def test_delayed_frames_come_so_much_later(scene) -> None:
    made = scene(Delay("mcu", late_ms=40))
    assert arrivals(made.to_mcu) == [(5 * index + LATENCY_MS + 40, frame) for index, frame in enumerate(FRAMES)]


def test_what_was_sent_after_a_delayed_frame_does_not_overtake_it(scene) -> None:
    made = scene(Delay("mcu", late_ms=40))
    made.to_mcu.put(0, FRAMES[0])
    made.to_mcu.damage = None
    made.to_mcu.put(0, FRAMES[1])
    assert made.to_mcu.take(40_000) == b""
    assert made.to_mcu.take(41_000) == FRAMES[0] + FRAMES[1]


def test_duplicates_come_so_often(scene) -> None:
    numbers = whole(scene(Duplicate("mcu", copies=3)).to_mcu)
    assert numbers == [number for number in range(1, len(FRAMES) + 1) for _ in range(3)]


def test_of_two_reordered_frames_the_second_comes_first(scene) -> None:
    numbers = whole(scene(Reorder("mcu")).to_mcu)
    assert numbers == [number for pair in range(1, len(FRAMES), 2) for number in (pair + 1, pair)]


@pytest.mark.parametrize(("ms", "expected"), [(None, 300), (100, 100)])
def test_a_flood_fills_the_line_for_as_long_as_it_says(scene, ms, expected) -> None:
    fault = Flood("mcu", ms=ms)
    made = scene(fault)
    for since in range(1, 301):
        made.since_ms = since
        fault.step(made)
    assert len(made.to_mcu.flush()) == expected * LINE_BYTES_MS


def test_a_burst_ends_when_its_time_is_over(scene) -> None:
    fault = Drop("mcu", ms=80)
    made = scene(fault)
    for since in range(1, 81):
        assert made.to_mcu.damage is not None
        made.since_ms = since
        fault.step(made)
    assert made.to_mcu.damage is None
