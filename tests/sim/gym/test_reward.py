"""What a step is worth."""

from __future__ import annotations

import pytest

from robot_il.robot import load_robot
from robot_il.tasks import TASKS, find_task
from sim.twin import Truth

pytest.importorskip("gymnasium", reason="the extra [gym] is not installed")

from sim.gym.reward import Reward


def truth(**figures):
    return Truth(**{name: figures.get(name, 0.0) for name in Truth._fields})


def test_the_reward_is_one_at_the_target_and_follows_its_formula():
    robot = load_robot()
    reward = Reward(robot, find_task("drive_turn@0.4"))
    assert reward(truth(velocity=0.4, yaw_rate=0.5), 0.0) == 1.0
    # each of these deviations is the one that the LQR's weights tolerate, so each costs 1
    assert reward(truth(velocity=0.4, yaw_rate=0.5, pitch=0.1), 0.0) == pytest.approx(1 / 2)
    assert reward(truth(velocity=1.0, yaw_rate=0.5, pitch_rate=-1.0), 2.5) == pytest.approx(1 / 4)
    assert reward(truth(velocity=0.4), 0.0) == pytest.approx(1 / 2)
    assert reward(truth(velocity=0.4, yaw_rate=0.5, position=9.0), 0.0) == 1.0
    assert Reward(robot, TASKS["stand"])(truth(position=0.3), 0.0) == pytest.approx(1 / 2)
    assert Reward(robot, TASKS["stand"])(truth(yaw_rate=9.0), 0.0) == 1.0
    assert Reward(robot, TASKS["stand"], heading=True)(truth(yaw_rate=0.5), 0.0) == pytest.approx(1 / 2)


def test_a_light_robots_reward_counts_its_own_weights():
    robot = load_robot("two_wheeled")
    assert robot.lqr is not None
    assert Reward(robot, TASKS["stand"])(truth(), robot.lqr.torque_nm) == pytest.approx(1 / 2)
