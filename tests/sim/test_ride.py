"""An episode answered torque by torque against the same one in the control loop."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController, PolicyController, observer
from robot_il.control.lqr import STATE, lqr_gain, lqr_law
from robot_il.errors import LinkError
from robot_il.recording.schema import TICK_DTYPE
from robot_il.robot import load_robot
from robot_il.spec import LIMITS, STATE_SIGNALS, Mode
from robot_il.tasks import TASKS, Task, find_task
from sim.conditions import Conditions, nominal, sample_conditions
from sim.engine import ENGINES
from sim.physics import bullet
from sim.ride import Ride

SECONDS = 2.0


class Ticks:
    """Keeps what the loop logged."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []

    def tick(self, row: bytes) -> None:
        self.rows.append(row)

    def event(self, name: str, **detail: object) -> None:
        pass

    def hand(self, row: bytes) -> None:
        pass

    def driven(self) -> np.ndarray:
        ticks = np.frombuffer(b"".join(self.rows), dtype=TICK_DTYPE)
        return ticks[ticks["source"] == 1]


def law(robot, task: Task):
    """A policy for any task: the standing LQR's gains on what of its state the task observes, and a wobble."""
    gains = dict(zip(STATE, lqr_gain(robot, TASKS["stand"]), strict=True))
    weights = [-gains.get(name, 0.0) for name in task.observation]
    speed = task.target_velocity_m_s

    def torque(observation: tuple[float, ...]) -> float:
        off = [value - speed * (name == "velocity") for name, value in zip(task.observation, observation, strict=True)]
        return float(np.dot(weights, off)) + 0.1 * np.sin(1000.0 * observation[0])

    return torque


@pytest.mark.parametrize("width", ["usual", "plausible"])
@pytest.mark.parametrize("robot_name", ["reference", "two_wheeled"])
@pytest.mark.parametrize("task_name", [*TASKS, "drive@0.4"])
def test_the_same_policy_sees_and_sends_the_same_as_in_the_control_loop(robot_name, task_name, width):
    robot, task = load_robot(robot_name), find_task(task_name)
    conditions, policy = sample_conditions(task, 5, robot, width), law(robot, task)
    sink, rollout = Ticks(), Rollout(robot_name, task, SECONDS)
    fallback = LinearController(lqr_gain(robot, TASKS["stand"]), TASKS["stand"])
    rollout.run(PolicyController(policy, task, {}), fallback, conditions, 5, sink)
    ticks = sink.driven()
    observe = observer(task)
    with contextlib.closing(Ride(robot, task, conditions, 5)) as ride:
        for tick in ticks:
            assert ride.state == tuple(tick[signal.name] for signal in STATE_SIGNALS)
            ride.drive(policy(observe(ride.state)))
            assert np.float32(ride.torque_nm) == tick["limited_torque"]
    assert len(ticks) > 20


def test_a_robot_that_leans_too_far_to_be_armed_is_refused_and_its_client_given_back():
    robot, before = load_robot(), bullet.connect(bullet.DIRECT)
    bullet.disconnect(before)
    with pytest.raises(LinkError, match="an MCU that arms within 1 s; came DISARMED"):
        Ride(robot, TASKS["stand"], Conditions(initial_pitch_rad=LIMITS.arm_tilt_rad + 0.1), 0)
    after = bullet.connect(bullet.DIRECT)
    bullet.disconnect(after)
    assert after == before


def test_torques_beyond_the_limits_are_cut_on_the_host_and_reach_the_drives_as_sent():
    with contextlib.closing(Ride(load_robot(), TASKS["stand"], nominal(TASKS["stand"]), 0)) as ride:
        ride.drive_wheels(-9.0, 9.0)
        assert ride.torque_nm == 0.0
        ride.drive_wheels(-9.0, 9.0)
        ride.drive_wheels(-9.0, 9.0)
        assert ride.state.applied_left == -LIMITS.wheel_torque_nm
        assert ride.state.applied_right == LIMITS.wheel_torque_nm
        assert ride.state.rejected == 0


def test_a_ride_that_coasts_ends_in_a_stop_by_the_watchdog():
    with contextlib.closing(Ride(load_robot(), TASKS["stand"], nominal(TASKS["stand"]), 0)) as ride:
        ride.drive(0.0)
        ride.drive(0.0)
        assert (ride.end, ride.time_s) == ("", 0.01)
        ride.coast(LIMITS.command_timeout_ms + 20)
        assert ride.twin.mode == Mode.STOPPED
        ride.drive(0.0)
        assert ride.end == "mcu stopped"


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_carries_a_ride(engine):
    pytest.importorskip(engine, reason=f"the extra for {engine} is not installed")
    robot, task = load_robot(), TASKS["stand"]
    law = lqr_law(robot, task)
    with contextlib.closing(Ride(robot, task, Conditions(initial_pitch_rad=0.05), 0, engine)) as ride:
        for _ in range(300):
            ride.drive(law.torque(ride.state))
        assert ride.end == ""
        assert abs(ride.truth.pitch) < 0.02
