from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robot_il.errors import ConfigError
from robot_il.robot import Drive, Robot
from sim.shaft import Shaft

STEP_S = 0.001
WHEEL = 5e-4
"""Inertia in kg m^2 of the wheel that the shaft turns, free in the air."""


def geared(robot: Robot, **changes: float) -> Drive:
    return dataclasses.replace(robot.drive, **({"gear_ratio_1": 10.0, "rotor_inertia_kg_m2": 2e-6} | changes))


class Bench:
    """A wheel in the air at the end of a shaft, moved on as the engine moves its joints: rate first, angle after."""

    def __init__(self, drive: Drive, wheel_rate: float = 0.0) -> None:
        self.shaft = Shaft(drive, WHEEL, STEP_S)
        self.joint = [0.0, wheel_rate]
        self.shaft.reset(self.joint)

    def turn(self, motor_nm: float, steps: int) -> np.ndarray:
        """(steps, 4): angle and rate of the wheel, angle and rate of the rotor."""
        rows = []
        for _ in range(steps):
            torque = self.shaft.transmit(motor_nm, self.joint)
            self.joint[1] += torque / WHEEL * STEP_S
            self.joint[0] += self.joint[1] * STEP_S
            rows.append((*self.joint, self.shaft.angle_rad, self.shaft.rate))
        return np.array(rows)


def test_rotor_and_wheel_together_gain_speed_as_one_body_of_both_inertias(robot: Robot) -> None:
    rows = Bench(geared(robot)).turn(0.05, 300)
    reflected = 2e-6 * 10.0**2
    assert rows[-1, 1] == pytest.approx(0.05 * 0.3 / (WHEEL + reflected), rel=0.01)
    assert rows[-1, 3] == pytest.approx(rows[-1, 1], rel=0.01)


def test_the_contact_conserves_momentum_and_brings_both_to_one_speed(robot: Robot) -> None:
    bench = Bench(geared(robot, backlash_rad=0.02), wheel_rate=3.0)
    bench.shaft.rate = 0.0
    reflected = 2e-4
    rows = bench.turn(0.0, 3000)
    momentum = WHEEL * rows[:, 1] + reflected * rows[:, 3]
    assert momentum == pytest.approx(np.full(3000, WHEEL * 3.0), rel=1e-9)
    kinetic = WHEEL * rows[:, 1] ** 2 + reflected * rows[:, 3] ** 2
    assert kinetic[-1] < WHEEL * 9.0
    assert rows[-1, 3] == pytest.approx(rows[-1, 1], abs=0.3)


def test_in_the_play_the_wheel_feels_nothing_until_the_rotor_has_crossed_half_of_it(robot: Robot) -> None:
    gap, torque, inertia = 0.04, 0.01, 2e-4
    rows = Bench(geared(robot, backlash_rad=gap)).turn(torque, 60)
    first = int(np.argmax(rows[:, 1] > 0.0))
    crossed = np.sqrt(2.0 * (gap / 2) * inertia / torque) / STEP_S
    assert first == pytest.approx(crossed, abs=2)
    assert np.all(rows[:first, 1] == 0.0)


def test_a_reversal_loses_the_whole_play(robot: Robot) -> None:
    bench = Bench(geared(robot, backlash_rad=0.03))
    bench.turn(0.02, 200)
    ahead = bench.shaft.angle_rad - bench.joint[0]
    bench.turn(-0.02, 2000)
    behind = bench.shaft.angle_rad - bench.joint[0]
    assert ahead - behind == pytest.approx(0.03, abs=0.004)


@pytest.mark.parametrize("wheel", [1e-6, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("rotor", [1e-9, 1e-6, 1e-3])
def test_whatever_the_inertias_the_contact_stays_calm(robot: Robot, wheel: float, rotor: float) -> None:
    shaft = Shaft(geared(robot, rotor_inertia_kg_m2=rotor, backlash_rad=0.01), wheel, STEP_S)
    joint = [0.0, 1.0]
    energies = []
    for _ in range(500):
        torque = shaft.transmit(0.0, joint)
        joint[1] += torque / wheel * STEP_S
        joint[0] += joint[1] * STEP_S
        energies.append(wheel * joint[1] ** 2 + 100.0 * rotor * shaft.rate**2)
    assert max(energies) <= 1.5 * wheel
    assert energies[-1] <= wheel


def test_a_gear_passes_on_its_efficiency_and_holds_back_by_its_inverse(robot: Robot) -> None:
    shaft = Shaft(dataclasses.replace(robot.drive, gear_efficiency_1=0.8), WHEEL, STEP_S)
    assert shaft.transmit(1.0, (0.0, 5.0)) == pytest.approx(0.8)
    assert shaft.transmit(-1.0, (0.0, -5.0)) == pytest.approx(-0.8)
    assert shaft.transmit(-1.0, (0.0, 5.0)) == pytest.approx(-1.25)
    assert shaft.transmit(1.0, (0.0, 0.0)) == 1.0


def test_play_without_a_rotor_and_impossible_efficiencies_are_refused(robot: Robot) -> None:
    with pytest.raises(ConfigError, match="rotor_inertia"):
        Shaft(dataclasses.replace(robot.drive, backlash_rad=0.01), WHEEL, STEP_S)
    for efficiency in (0.0, 1.1):
        with pytest.raises(ConfigError, match="gear_efficiency_1"):
            Shaft(dataclasses.replace(robot.drive, gear_efficiency_1=efficiency), WHEEL, STEP_S)
