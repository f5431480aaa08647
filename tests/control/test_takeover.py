"""A person takes the robot from a policy, drives it, and gives it back: in the lock-step twin, under the full guard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.drive import deployed_guard
from robot_il.control.controllers import LinearController, PolicyController
from robot_il.control.device import State
from robot_il.control.guard import GuardLimits
from robot_il.control.lqr import lqr_gain
from robot_il.control.replay import recorded_intent, replay
from robot_il.control.takeover import LARGEST_LAG_M, LARGEST_VELOCITY_M_S, RecordedTakeOver, VelocityDriver
from robot_il.control.teleop import GIVE_BACK_S
from robot_il.learning.build import Request, build_dataset
from robot_il.recording.reader import read_log
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_RATE_HZ, TORQUE_LIMIT_NM
from robot_il.tasks import TASKS
from tests.cli.hand_flights import fly, pushed

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
    report = fly(
        path,
        lambda t: pushed(-0.6) if TAKEN <= t < BACK else pushed(deadman=False),
        6,
        "shared",
        policy(),
        task="drive",
    )
    assert (report.controlled, report.rescued) == (6 * CONTROL_RATE_HZ, 0)
    return path


def driven_ticks(log: Path) -> np.ndarray:
    ticks = read_log(log).ticks
    return ticks[ticks["source"] == 1]


def persons_ticks(log: Path) -> np.ndarray:
    """Indices of the driven ticks that are marked as the person's."""
    return np.isfinite(driven_ticks(log)["intent"]).nonzero()[0]


def test_the_person_drives_in_one_piece_from_moving_the_stick_until_it_has_rested(log: Path) -> None:
    ticks, theirs = driven_ticks(log), persons_ticks(log)
    moved = (ticks["stick_forward"] != 0).nonzero()[0]
    assert theirs.tolist() == list(range(moved[0], theirs[-1] + 1))
    assert theirs[-1] == pytest.approx(moved[-1] + GIVE_BACK_S * CONTROL_RATE_HZ, abs=2)
    assert moved[0] == pytest.approx(TAKEN * CONTROL_RATE_HZ, abs=20)
    np.testing.assert_array_equal(ticks["intent"][theirs], ticks["controller_torque"][theirs])


def test_the_log_tells_when_hands_changed(log: Path) -> None:
    recorded = read_log(log)
    ticks = driven_ticks(log)
    changes = [event for event in recorded.events if event["name"] in ("take_over", "give_back")]
    assert [event["name"] for event in changes] == ["take_over", "give_back"]
    first, last = ticks["host_receive_ns"][persons_ticks(log)[[0, -1]]]
    assert changes[0]["host_ns"] == pytest.approx(first, abs=5e6)
    assert changes[1]["host_ns"] == pytest.approx(last, abs=6e6)


def test_the_robot_goes_where_the_person_wants(log: Path) -> None:
    ticks, theirs = driven_ticks(log), persons_ticks(log)
    assert ticks["velocity"][: theirs[0]][-20:].mean() > 0.05
    assert ticks["velocity"][theirs[200:-120]].mean() == pytest.approx(-0.3, abs=0.1)


def test_no_change_of_hands_makes_the_torque_jump(log: Path) -> None:
    limited, theirs = driven_ticks(log)["limited_torque"], persons_ticks(log)
    jumps = np.abs(np.diff(limited))
    assert jumps.max() <= 800.0 / CONTROL_RATE_HZ + 1e-5
    assert jumps[[theirs[0] - 1, theirs[-1]]].max() < 0.3 * TORQUE_LIMIT_NM


def test_a_shared_run_replays_bit_for_bit(log: Path) -> None:
    guard = deployed_guard(policy(), "reference", GuardLimits(**read_log(log).session.config["limits"]))
    recorded = read_log(log).ticks
    controller = RecordedTakeOver(policy(), recorded_intent(recorded))
    assert replay(recorded, controller, guard.fallback, guard.limits, guard.region).bit_equal


def test_what_the_person_did_can_be_learned_from_alone(log: Path) -> None:
    dataset = build_dataset(Request({"expert": [log]}, "drive", seed=0, takeovers=True))
    assert len(dataset) == pytest.approx(len(persons_ticks(log)), abs=5)


def test_the_driver_keeps_to_what_is_allowed_and_begins_at_rest() -> None:
    driver = VelocityDriver(load_robot())
    driver.ask(100.0)
    assert driver.wanted_m_s == LARGEST_VELOCITY_M_S
    driver.ask(-100.0)
    assert driver.wanted_m_s == -LARGEST_VELOCITY_M_S
    driver.reset()
    assert driver.wanted_m_s == 0.0
    still = State(**dict.fromkeys(State._fields, 0))
    assert driver.torque(still) == pytest.approx(0.0)


def test_a_robot_that_was_pushed_away_does_not_hurry_back() -> None:
    driver = VelocityDriver(load_robot())
    still = State(**dict.fromkeys(State._fields, 0))
    driver.torque(still)
    near, far = (driver.torque(still._replace(position=metres)) for metres in (LARGEST_LAG_M, 10.0))
    assert far == pytest.approx(near)
