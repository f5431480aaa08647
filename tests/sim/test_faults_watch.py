"""The onlooker measures the age of what the wheels act on, and asks the firmware nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from firmware_bridge.protocol import Decoder, encode
from robot_il.spec import LIMITS
from sim.conditions import Conditions
from sim.fault_scene import Fault, Scene
from sim.fault_watch import WheelWatch, lean
from tests.sim.conftest import Drive

PERIOD_MS = 5


@pytest.fixture
def watched(drive: Callable[..., Drive]) -> tuple[Drive, WheelWatch, list[int]]:
    """A balanced twin, its onlooker, and the numbers of the STATEs that it has sent since."""
    flown = drive(Conditions())
    flown.arm()
    flown.balance(0.2)
    return flown, WheelWatch(flown.twin), []


def go_on(watched, ms: int) -> None:
    flown, watch, numbers = watched
    decoder = Decoder()
    for _ in range(ms):
        flown.twin.step()
        data = flown.twin.transmit()
        watch.sent(data)
        numbers += [values[1] for name, values in decoder.feed(data) if name == "STATE"]
        watch.look()


def command(watched, state_seq: int, torque: float = 0.5, height: float | None = None) -> None:
    """Bytes for the onlooker alone: what the MCU makes of them is another matter."""
    flown, watch, _ = watched
    height = flown.twin.firmware.height if height is None else height
    watch.received(encode("COMMAND", 1, state_seq, torque, torque, height))


def keep_driven(watched) -> None:
    flown, _, _ = watched
    flown.twin.drives.distort = lambda left, right: (1.0, 1.0)


def test_the_age_counts_from_the_state_that_was_answered(watched) -> None:
    keep_driven(watched)
    go_on(watched, 12)
    command(watched, watched[2][0])
    sent_us = watched[1]._sent_us[watched[2][0]]
    watched[1].driven_us = 0
    go_on(watched, 3)
    assert watched[1].driven_us == watched[0].twin.world_us - sent_us


@pytest.mark.parametrize("torque", [float("nan"), float("inf"), LIMITS.wheel_torque_nm * 1.01])
def test_a_command_that_no_mcu_may_take_is_not_fresh(watched, torque) -> None:
    go_on(watched, 12)
    before = watched[1]._fresh_us
    command(watched, watched[2][-1], torque)
    assert watched[1]._fresh_us == before


@pytest.mark.parametrize("height", [float("nan"), 0.19, 0.39])
def test_a_command_with_a_height_that_no_leg_holds_is_not_fresh(watched, height) -> None:
    go_on(watched, 12)
    before = watched[1]._fresh_us
    command(watched, watched[2][-1], height=height)
    assert watched[1]._fresh_us == before
    command(watched, watched[2][-1], height=watched[0].twin.heights_m[1])
    assert watched[1]._fresh_us > before


def test_a_repeated_or_older_answer_and_one_to_no_state_are_not_fresh(watched) -> None:
    go_on(watched, 22)
    command(watched, watched[2][-1])
    fresh = watched[1]._fresh_us
    for number in (watched[2][-1], watched[2][0], 4_000_000_000):
        command(watched, number)
        assert watched[1]._fresh_us == fresh


def test_wheels_that_are_off_add_no_time(watched) -> None:
    go_on(watched, 200)  # the MCU stops after the timeout
    after = watched[1].driven_us
    go_on(watched, 200)
    assert watched[1].driven_us == after


def test_time_driven_beyond_the_tilt_limit_is_counted(watched) -> None:
    keep_driven(watched)
    go_on(watched, 100)
    assert watched[1].driven_down_us == 0
    while lean(watched[0].twin) <= LIMITS.tilt_rad:
        go_on(watched, 1)
    before = watched[1].driven_down_us
    go_on(watched, 50)
    assert watched[1].driven_down_us == before + 50_000


def test_the_lean_is_the_angle_to_the_vertical(drive) -> None:
    assert lean(drive(Conditions(initial_pitch_rad=-0.3)).twin) == pytest.approx(0.3)


class Marked(Fault):
    """Writes down when it begins and how often it steps."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.steps = 0

    def begin(self, scene: Scene) -> None:
        self.begun.append(scene.twin.world_us)

    def step(self, scene: Scene) -> None:
        self.steps += 1
        assert scene.since_ms == self.steps


def test_a_fault_begins_once_so_long_after_the_release_and_then_steps_every_millisecond(drive) -> None:
    flown, fault = drive(Conditions()), Marked()
    scene = Scene(flown.twin, fault, random.Random(0), 40)
    scene.pass_time(100)
    assert fault.begun == []
    flown.arm()
    flown.balance(0.02)
    start = flown.twin.world_us
    scene.pass_time(100)
    assert fault.begun == [start + 40_000]
    assert fault.steps == 60
    assert scene.begun_us == fault.begun[0]


def test_a_frozen_host_gets_what_came_meanwhile_when_it_wakes(drive) -> None:
    scene = Scene(drive(Conditions()).twin, Fault(), random.Random(0), 1000)
    scene.read(scene.clock.now_ns() + 20_000_000)
    scene.freeze(50)
    before = scene.clock.now_ns()
    states = [name for name, _ in Decoder().feed(scene.read(before + 10_000_000)) if name == "STATE"]
    assert scene.clock.now_ns() >= before + 50_000_000
    assert len(states) >= 50 // PERIOD_MS
    assert len(Decoder().feed(scene.read(scene.clock.now_ns() + 10_000_000))) == 1


def test_a_slow_host_writes_later(drive) -> None:
    scene = Scene(drive(Conditions()).twin, Fault(), random.Random(0), 1000)
    scene.answer_ms = 7
    before = scene.clock.now_ns()
    scene.write(encode("DISARM"))
    assert scene.clock.now_ns() == before + 7_000_000
    assert scene.last_written == encode("DISARM")
