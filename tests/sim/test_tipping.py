from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from robot_il.robot import Robot
from robot_il.spec import LIMITS, Mode
from robot_il.tasks import TASKS
from sim.conditions import Conditions, nominal, sample_conditions
from sim.hand import TIP_RATE_RAD_S
from tests.sim.conftest import Drive

DriveMaker = Callable[..., Drive]


def names(drive: Drive) -> list[str]:
    return [event["event"] for event in drive.twin.events]


def tipped(pitch: float, **changes: float) -> Conditions:
    return dataclasses.replace(nominal(TASKS["stand_up"]), tipped_rad=pitch, **changes)


@pytest.mark.parametrize("pitch", [-0.5, 0.6])
def test_the_hand_tips_an_armed_robot_beyond_the_arming_limit_and_the_gyro_sees_it(
    drive: DriveMaker, pitch: float
) -> None:
    assert abs(pitch) > LIMITS.arm_tilt_rad
    host = drive(tipped(pitch))
    host.arm()
    host.balance(0.9 * abs(pitch) / TIP_RATE_RAD_S)
    assert host.twin.held
    assert host.twin.tipping
    late = host.states[40:]
    rate = np.sign(pitch) * TIP_RATE_RAD_S
    assert [state.pitch_rate for state in late] == pytest.approx([rate] * len(late), abs=0.1)
    assert [state.mode for state in host.states] == [Mode.ARMED] * len(host.states)
    host.balance(0.2)
    assert names(host) == ["armed", "tipped", "released"]
    first = next(truth for truth in host.truths if truth.time_s > 0.0)
    assert first.pitch == pytest.approx(pitch, abs=0.02)


def test_wheels_on_the_floor_turn_back_against_the_leaning_body(drive: DriveMaker) -> None:
    host = drive(tipped(0.5))
    host.arm()
    angle = host.twin.plant.joints[0][0]
    host.balance(0.52)
    released = next(number for number, truth in enumerate(host.truths) if truth.time_s > 0.0)
    assert host.twin.plant.joints[0][0] != angle
    assert host.states[released].position == pytest.approx(0.0, abs=0.02)
    assert host.states[released].velocity == pytest.approx(0.0, abs=0.1)


def test_nothing_is_judged_before_the_hand_lets_go(drive: DriveMaker) -> None:
    host = drive(dataclasses.replace(tipped(0.6), fall_tilt_rad=0.5))
    host.arm()
    host.balance(0.57)
    assert host.twin.truth.pitch > 0.5
    assert not host.twin.fallen
    host.balance(0.1)
    assert host.twin.fallen


def test_a_robot_that_is_thrown_leans_on_and_rolls_as_it_is_let_go(drive: DriveMaker) -> None:
    host = drive(tipped(0.3, initial_pitch_rate_rad_s=2.0, initial_velocity_m_s=1.0))
    host.arm()
    host.balance(0.32)
    first = next(truth for truth in host.truths if truth.time_s > 0.0)
    assert first.pitch_rate == pytest.approx(2.0, abs=0.6)
    assert first.velocity == pytest.approx(1.0, abs=0.3)


def test_where_the_mcu_stops_meanwhile_the_hand_takes_the_robot_back(drive: DriveMaker) -> None:
    host = drive(tipped(0.6), picked_up=True)
    host.arm()
    host.balance(0.2)
    host.device.request("disarm")
    host.wait(1.0)
    assert names(host) == ["armed", "tipped", "disarmed", "set_upright"]
    assert host.twin.held
    assert host.twin.truth.pitch == pytest.approx(0.0, abs=1e-9)
    host.arm()
    host.balance(0.3)
    assert names(host)[4:] == ["armed", "tipped"]


def test_after_a_fall_the_robot_is_tipped_anew(drive: DriveMaker) -> None:
    host = drive(tipped(0.3), picked_up=True)
    host.arm()
    host.balance(0.4)
    host.wait(2.5)
    host.device.request("disarm")
    host.arm()
    host.balance(0.4)
    assert names(host).count("tipped") == 2
    assert names(host)[-1] == "released"
    assert host.truths[-1].time_s < 0.2


def test_the_same_draw_tips_alike(drive: DriveMaker, robot: Robot) -> None:
    ends = []
    for _ in range(2):
        host = drive(sample_conditions(TASKS["stand_up"], 5, robot), 5)
        host.arm()
        host.balance(0.6)
        ends.append(host.truths[-1])
    assert ends[0] == ends[1]
