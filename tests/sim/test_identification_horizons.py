from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robot_il.robot import Robot
from sim.identification.data import Stretch
from sim.identification.equations import SCALE
from sim.identification.horizons import METHODS, SIGNALS, compare
from sim.identification.identify import profile_values
from sim.identification.linear import LinearModel

from .pendulums import recorded

HORIZONS_S = (0.05, 0.25)


@pytest.fixture(scope="module")
def flown() -> Stretch:
    from robot_il.robot import load_robot

    robot = load_robot()
    return recorded(robot, profile_values(robot), 4.0, 0)


def test_the_twin_knows_a_robot_like_itself_better_than_line_and_persistence(robot: Robot, flown: Stretch) -> None:
    errors = compare(robot, flown, HORIZONS_S, 0.4)
    assert errors is not None
    sizes = {name: errors.rms(name) for name in METHODS}
    for column, signal in enumerate(SIGNALS):
        assert sizes["twin"][1, column] < 0.5 * sizes["linear"][1, column], signal
        assert sizes["twin"][1, column] < 0.5 * sizes["persistence"][1, column], signal
    assert sizes["twin"][1, 0] < 0.01


def test_a_robot_with_weaker_drives_is_told_from_the_twin(robot: Robot, flown: Stretch) -> None:
    values = profile_values(robot)
    values[SCALE] = 0.75
    errors = compare(robot, recorded(robot, values, 4.0, 0), HORIZONS_S, 0.4)
    like = compare(robot, flown, HORIZONS_S, 0.4)
    assert errors is not None
    assert like is not None
    assert errors.rms("twin")[1, 0] > 3.0 * like.rms("twin")[1, 0]


def test_persistence_misses_by_just_what_the_robot_changed(robot: Robot, flown: Stretch) -> None:
    errors = compare(robot, flown, HORIZONS_S, 0.4)
    assert errors is not None
    start = round(0.4 * len(flown))
    rate = flown.outputs[1]
    begins = np.arange(start, len(flown) - 50 - 1, 20)
    assert errors.missed["persistence"][:, 0, 1] == pytest.approx(rate[begins] - rate[begins + 10], abs=0.02)
    assert errors.missed["persistence"].shape == (len(begins), 2, len(SIGNALS))


def test_every_millisecond_of_torque_counts(robot: Robot, flown: Stretch) -> None:
    fine = dataclasses.replace(flown, torque=np.repeat(flown.torque, 5, axis=1))
    coarse, same = compare(robot, flown, (0.1,), 0.4), compare(robot, fine, (0.1,), 0.4)
    assert coarse is not None
    assert same is not None
    assert same.missed["twin"] == pytest.approx(coarse.missed["twin"], abs=1e-9)


def test_a_stretch_that_is_too_short_says_nothing(robot: Robot, flown: Stretch) -> None:
    short = Stretch(flown.period_s, flown.torque[:150], flown.outputs[:, :150])
    assert compare(robot, short, HORIZONS_S, 0.4) is None


def test_least_squares_finds_a_linear_robot_exactly_and_smooths_its_state() -> None:
    random = np.random.default_rng(0)
    F = np.eye(4) + 0.005 * np.array([[0, 1, 0, 0], [30, 0, 0, 0.1], [0, 0, 0, 1], [-20, 0.2, 0, -0.3]], float)
    G, g = np.array([0.0, -0.05, 0.0, 0.2]), np.array([0.0, 1e-3, 0.0, 0.0])
    torque = random.normal(size=300)
    states = [np.array([0.01, 0.0, 0.0, 0.0])]
    for value in torque[1:]:
        states.append(F @ states[-1] + G * (value + 40.0 * states[-1][0]) + g)
    applied = torque + 40.0 * np.array([states[max(0, k - 1)][0] for k in range(300)])
    outputs = np.array(states).T
    model = LinearModel.fitted([Stretch(0.005, applied[:, None], outputs)])
    assert model.transition == pytest.approx(F, abs=1e-9)
    assert model.response == pytest.approx(G, abs=1e-9)
    window = np.arange(100, 151)
    noise = np.array([np.inf, 1e-3, 1e-3, np.inf])
    end = model.smoothed(outputs[None][..., window], applied[None, window[1:]], noise)[0]
    assert end == pytest.approx(outputs[:, 150], abs=1e-7)
    ahead = model.predicted(end[None], applied[None, 151:171])[0]
    assert ahead[-1] == pytest.approx(outputs[:, 170], abs=1e-6)
