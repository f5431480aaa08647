"""The planning controller: deterministic, within limits, made again from a log, and better than the LQR at its edge."""

from __future__ import annotations

import json

import numpy as np
import pytest

from robot_il.cli.rollout import Rollout
from robot_il.control.device import State
from robot_il.control.guard import GuardLimits
from robot_il.control.lqr import lqr_gain, lqr_law
from robot_il.control.mpc import PredictiveController, predictive
from robot_il.control.pendulum import NonlinearPendulum
from robot_il.errors import ConfigError
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_PERIOD_S, LIMITS, STATE_SIGNALS
from robot_il.tasks import TASKS, find_task

ROBOTS = ("reference", "two_wheeled")
SLEW_NM = GuardLimits().torque_slew_nm_s * CONTROL_PERIOD_S


def state(**said):
    at_rest = dict.fromkeys((signal.name for signal in STATE_SIGNALS), 0)
    return State(**at_rest | {"height": float("nan")} | said)


def wandering(seed, count=40):
    random = np.random.default_rng(seed)
    rows = np.cumsum(random.normal(size=(count, 4)) * [0.02, 0.2, 0.01, 0.05], axis=0)
    return [state(**dict(zip(("pitch", "pitch_rate", "position", "velocity"), row, strict=True))) for row in rows]


@pytest.mark.parametrize("name", ROBOTS)
def test_the_same_states_give_the_same_torques_again_after_a_reset_and_in_a_log(name):
    controller = predictive(load_robot(name), TASKS["stand"])
    again = PredictiveController.from_identity(json.loads(json.dumps(controller.identity)))
    states = wandering(3)
    first = [controller.torque(each) for each in states]
    controller.reset()
    assert [controller.torque(each) for each in states] == first
    assert [again.torque(each) for each in states] == first
    assert again.identity == controller.identity


@pytest.mark.parametrize("name", ROBOTS)
def test_answers_keep_to_the_torque_and_slew_limits(name):
    robot = load_robot(name)
    controller = predictive(robot, TASKS["stand_up"])
    last, most = 0.0, 2.0 * min(LIMITS.wheel_torque_nm, robot.drive.torque_limit_nm)
    for lean in (0.6, 0.6, 0.6, -0.6, -0.6, -0.6, 0.6, 0.0):
        answer = controller.torque(state(pitch=lean))
        assert abs(answer) <= most
        assert abs(answer - last) <= SLEW_NM * (1 + 1e-12)
        last = answer
    assert most == pytest.approx(8.0 if name == "reference" else 0.9)


def test_it_plans_from_where_the_robot_will_be_when_the_answer_acts():
    robot = load_robot()
    controller = predictive(robot, TASKS["stand"])
    pendulum = controller._solver(robot.height_m)[0].problem.pendulum
    assert isinstance(pendulum, NonlinearPendulum)
    seen = state(pitch=0.2, pitch_rate=-0.4, velocity=0.3)
    first = controller.torque(seen)
    delay_s = controller.identity["delay_s"]
    assert CONTROL_PERIOD_S < delay_s < 2 * CONTROL_PERIOD_S
    at = pendulum.advance((0.2, -0.4, 0.0, 0.3), 0.0, delay_s - CONTROL_PERIOD_S)
    assert controller._predict(pendulum, seen) == pendulum.advance(at, first, CONTROL_PERIOD_S)


def test_near_upright_it_answers_about_as_the_lqr_does():
    robot = load_robot()
    lean = 0.02
    answer = predictive(robot, TASKS["stand"]).torque(state(pitch=lean))
    assert answer == pytest.approx(-lqr_gain(robot, TASKS["stand"])[0] * lean, rel=0.25)


def test_it_plans_with_the_pendulum_of_the_height_that_the_legs_hold():
    robot = load_robot()
    controller = predictive(robot, TASKS["height"])
    answers = {}
    for height in (*robot.heights_m, robot.height_m, float("nan")):
        controller.reset()
        answers[height] = controller.torque(state(pitch=0.05, height=height))
    low, high, nominal, unknown = answers.values()
    assert unknown == nominal
    assert len({low, high, nominal}) == 3


@pytest.mark.parametrize("name", ["drive", "drive_turn", "drive@-0.4"])
def test_it_drives_at_the_speed_that_the_task_asks_for(name):
    task = find_task(name)
    rollout = Rollout("reference", task, 3.0)
    episode = rollout.run(predictive(rollout.robot, task), lqr_law(rollout.robot, task), rollout.conditions(1), 1)
    assert episode.survived
    assert episode.drift_m < 0.8


def test_a_task_that_does_not_show_the_balance_is_refused():
    task = find_task("stand")
    blind = type(task)(**{**task.__dict__, "observation": ("pitch_rate",)})
    with pytest.raises(ConfigError):
        predictive(load_robot(), blind)


def test_it_stands_up_from_where_the_lqr_falls():
    rollout = Rollout("reference", TASKS["stand_up"], 1.5)
    fallback = lqr_law(rollout.robot, rollout.task)
    draws = range(4)
    caught = {
        who: sum(
            rollout.run(make(rollout.robot, rollout.task), fallback, rollout.conditions(seed), seed).survived
            for seed in draws
        )
        for who, make in (("lqr", lqr_law), ("mpc", predictive))
    }
    assert caught["mpc"] >= caught["lqr"] + 2
