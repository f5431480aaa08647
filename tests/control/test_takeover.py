"""A person takes the robot from a policy, drives it, and gives it back: in the lock-step twin, under the full guard."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.drive import deployed_guard
from robot_il.control.controllers import LinearController, PolicyController
from robot_il.control.device import State
from robot_il.control.guard import Decision
from robot_il.control.loop import ControlLoop
from robot_il.control.lqr import lqr_gain
from robot_il.control.replay import recorded_intent, replay
from robot_il.control.takeover import LARGEST_LAG_M, LARGEST_VELOCITY_M_S, RecordedTakeOver, TakeOver, VelocityDriver
from robot_il.learning.build import Request, build_dataset
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_RATE_HZ, TASKS, TORQUE_LIMIT_NM
from sim.conditions import nominal
from sim.lockstep import LockstepLink
from sim.twin import Twin

TASK = TASKS["drive"]
TAKEN, BACK = 1.0, 4.0


def policy() -> PolicyController:
    law = LinearController(lqr_gain(load_robot(), TASK), TASK)
    gain, bias = law.identity["gain"], 0.2 * law.identity["gain"][-1]
    return PolicyController(lambda seen: bias - float(np.dot(gain, seen)), TASK, {"path": "none"})


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds: the policy drives, from 1 s to 4 s a person who goes backwards, then the policy again."""
    path = tmp_path_factory.mktemp("takeover") / "shared.mcap"
    driver = VelocityDriver(load_robot())
    controller = TakeOver(policy(), driver)
    guard = deployed_guard(controller, "reference")
    config = {"fallback": guard.fallback.identity, "limits": asdict(guard.limits), "region": guard.region.to_json()}
    session = Session("drive", "unlabeled", controller.identity, config=config)
    with contextlib.closing(Twin(load_robot(), nominal(TASK), 3)) as twin:
        link = LockstepLink(twin)
        driven = 0

        def at_the_keys(state: State, decision: Decision) -> None:
            nonlocal driven
            driven += decision.source > 0
            if driven == TAKEN * CONTROL_RATE_HZ:
                controller.take()
                driver.ask(-0.3)
            if driven == BACK * CONTROL_RATE_HZ:
                controller.give_back()

        with contextlib.closing(SerialDevice(link)) as device, Recorder(path, session, lossless=True) as recorder:
            device.open()
            loop = ControlLoop(device, link.clock, guard, recorder, at_the_keys)
            loop.observe(5)
            report = loop.run(6 * CONTROL_RATE_HZ)
    assert (report.controlled, report.rescued) == (6 * CONTROL_RATE_HZ, 0)
    return path


def driven_ticks(log: Path) -> np.ndarray:
    ticks = read_log(log).ticks
    return ticks[ticks["source"] == 1]


def test_the_person_drives_from_the_next_state_on_until_they_give_the_robot_back(log: Path) -> None:
    ticks = driven_ticks(log)
    theirs = np.isfinite(ticks["intent"])
    assert theirs.nonzero()[0].tolist() == list(range(int(TAKEN * 200), int(BACK * 200)))
    np.testing.assert_array_equal(ticks["intent"][theirs], ticks["controller_torque"][theirs])


def test_the_robot_goes_where_the_person_wants(log: Path) -> None:
    velocity = driven_ticks(log)["velocity"]
    assert velocity[180:200].mean() > 0.05
    assert velocity[760:800].mean() == pytest.approx(-0.3, abs=0.1)


def test_no_change_of_hands_makes_the_torque_jump(log: Path) -> None:
    limited = driven_ticks(log)["limited_torque"]
    assert np.abs(np.diff(limited)).max() <= 800.0 / CONTROL_RATE_HZ + 1e-5
    assert np.abs(np.diff(limited)[[199, 799]]).max() < 0.3 * TORQUE_LIMIT_NM


def test_a_shared_run_replays_bit_for_bit(log: Path) -> None:
    guard = deployed_guard(policy(), "reference")
    recorded = read_log(log).ticks
    controller = RecordedTakeOver(policy(), recorded_intent(recorded))
    assert replay(recorded, controller, guard.fallback, guard.limits, guard.region).bit_equal


def test_what_the_person_did_can_be_learned_from_alone(log: Path) -> None:
    dataset = build_dataset(Request({"expert": [log]}, "drive", seed=0, takeovers=True))
    assert len(dataset) == pytest.approx((BACK - TAKEN) * CONTROL_RATE_HZ, abs=5)


def test_the_driver_keeps_to_what_is_allowed_and_begins_at_rest() -> None:
    driver = VelocityDriver(load_robot())
    driver.ask(100.0)
    assert driver.wanted_m_s == LARGEST_VELOCITY_M_S
    driver.ask(-100.0)
    assert driver.wanted_m_s == -LARGEST_VELOCITY_M_S
    driver.reset()
    still = State(**dict.fromkeys(State._fields, 0))
    assert driver.torque(still) == pytest.approx(0.0)


def test_a_robot_that_was_pushed_away_does_not_hurry_back() -> None:
    driver = VelocityDriver(load_robot())
    still = State(**dict.fromkeys(State._fields, 0))
    driver.torque(still)
    near, far = (driver.torque(still._replace(position=metres)) for metres in (LARGEST_LAG_M, 10.0))
    assert far == pytest.approx(near)


def test_taking_over_twice_is_taking_over_once() -> None:
    driver = VelocityDriver(load_robot())
    shared = TakeOver(policy(), driver)
    shared.take()
    driver.ask(0.2)
    shared.take()
    assert driver.wanted_m_s == 0.2
    shared.reset()
    assert not shared.taken
