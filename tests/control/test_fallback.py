"""The fallback: where it comes to rest, and what a log needs of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from robot_il.control.controllers import LinearController
from robot_il.control.fallback import Fallback, cost_from_anywhere, fallback_from_identity, lqr_fallback, place_to_rest
from robot_il.control.lqr import lqr_gain, solve_lqr
from robot_il.control.schedule import as_told
from robot_il.robot import load_robot
from robot_il.tasks import TASKS

from .test_guard import HEIGHT_M, state

ROBOT = load_robot()
GAIN, COST = solve_lqr(ROBOT, TASKS["stand"])
POINTS = np.random.default_rng(0).normal(size=(20, 3)) * [0.1, 0.5, 0.5]


@pytest.mark.parametrize("moving", POINTS[:5])
def test_no_other_place_to_rest_costs_less(moving: np.ndarray) -> None:
    def cost(offset: float) -> float:
        z = np.array([moving[0], moving[1], offset, moving[2]])
        return float(z @ COST @ z)

    best = float(place_to_rest(COST) @ moving)
    assert cost(best) == pytest.approx(float(moving @ cost_from_anywhere(COST) @ moving))
    assert cost(best) < min(cost(best - 1e-3), cost(best + 1e-3))


def test_a_robot_far_from_where_it_was_armed_is_caught_by_the_same_torque() -> None:
    for pitch, rate, velocity in POINTS:
        torques = []
        for position in (0.0, 30.0, -7.0):
            fallback = lqr_fallback(ROBOT)
            torques.append(fallback.torque(state(pitch=pitch, pitch_rate=rate, velocity=velocity, position=position)))
        assert torques == pytest.approx([torques[0]] * 3, abs=1e-9)


def test_a_robot_at_rest_is_held_where_it_is_and_not_called_home() -> None:
    fallback = lqr_fallback(ROBOT)
    assert fallback.torque(state(position=5.0)) == pytest.approx(0.0)
    assert fallback.torque(state(position=5.1)) == pytest.approx(-GAIN[2] * 0.1)


def test_the_place_is_kept_until_the_next_reset() -> None:
    fallback = lqr_fallback(ROBOT)
    fallback.torque(state(position=1.0))
    away = state(position=2.0)
    assert fallback.torque(away) == pytest.approx(-GAIN[2])
    fallback.reset()
    assert fallback.torque(away) == pytest.approx(0.0)


def test_a_moving_robot_comes_to_rest_ahead() -> None:
    fallback = lqr_fallback(ROBOT)
    fallback.torque(state(velocity=1.0))
    assert fallback._place > 0.2


def test_near_its_place_it_is_the_lqr() -> None:
    fallback, law = lqr_fallback(ROBOT), LinearController(lqr_gain(ROBOT, TASKS["stand"]), TASKS["stand"])
    fallback.torque(state())
    for pitch, rate, velocity in POINTS:
        there = state(pitch=pitch, pitch_rate=rate, velocity=velocity, position=0.03)
        assert fallback.torque(there) == pytest.approx(law.torque(there))


def test_a_logs_fallback_is_made_again_to_the_bit() -> None:
    given = lqr_fallback(ROBOT)
    again = fallback_from_identity(json.loads(json.dumps(given.identity)))
    assert isinstance(again, Fallback)
    low, high = ROBOT.heights_m
    heights = np.linspace(low - 0.1, high + 0.1, len(POINTS))
    states = [
        state(pitch=p, pitch_rate=r, velocity=v, position=v, height=as_told(h))
        for (p, r, v), h in zip(POINTS, heights, strict=True)
    ]
    assert [again.torque(s) for s in states] == [given.torque(s) for s in states]


def test_the_fallback_of_an_earlier_releases_log_is_the_lqr_that_it_names() -> None:
    law = LinearController(GAIN, TASKS["stand"])
    again = fallback_from_identity(law.identity)
    assert isinstance(again, LinearController)
    assert again.identity == law.identity


def test_a_log_that_says_too_little_of_its_fallback_is_noticed() -> None:
    with pytest.raises(KeyError):
        fallback_from_identity({"name": "fallback", "gain": [1, 2, 3, 4]})


def test_an_earlier_releases_fallback_is_the_same_at_every_height() -> None:
    identity = {"name": "fallback", "gain": GAIN.tolist(), "rest": place_to_rest(COST).tolist()}
    for height_m in (0.0, 0.2, HEIGHT_M, float("nan")):
        again, now = fallback_from_identity(identity), lqr_fallback(ROBOT)
        for pitch, rate, velocity in POINTS:
            there = state(pitch=pitch, pitch_rate=rate, velocity=velocity)
            assert again.torque(there._replace(height=height_m)) == now.torque(there)


@pytest.mark.parametrize("height_m", ROBOT.postures.knots_m)
def test_at_every_height_it_is_the_lqr_of_that_height_and_rests_where_that_costs_least(height_m: float) -> None:
    gain, cost = solve_lqr(ROBOT, TASKS["stand"], height_m)
    for moving in POINTS:
        fallback = lqr_fallback(ROBOT)
        pitch, rate, velocity = moving
        here = state(pitch=pitch, pitch_rate=rate, velocity=velocity, height=as_told(height_m))
        away = float(place_to_rest(cost) @ moving)
        assert fallback.torque(here) == pytest.approx(-float(gain @ [pitch, rate, away, velocity]), rel=1e-9)


def test_the_place_to_rest_is_kept_while_the_gain_goes_with_the_height() -> None:
    low_m, high_m = map(as_told, ROBOT.heights_m)
    fallback = lqr_fallback(ROBOT)
    fallback.torque(state(position=1.0, height=low_m))
    gain = solve_lqr(ROBOT, TASKS["stand"], high_m)[0]
    assert fallback.torque(state(position=1.5, height=high_m)) == pytest.approx(-0.5 * gain[2])
