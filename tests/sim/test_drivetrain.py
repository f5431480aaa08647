from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from robot_il.control.lqr import discretise, linear_dynamics
from robot_il.robot import Contact, Pendulum, Robot, load_robot
from sim.actuators import WheelDrives
from sim.attitude import pitch_of
from sim.conditions import Conditions
from sim.drivetrain import Drivetrain, make_drives
from sim.engine import STEP_S
from sim.figures import with_figures
from sim.plant import Plant

Maker = Callable[..., tuple[Plant, WheelDrives]]


@pytest.fixture
def rig(robot: Robot) -> Iterator[Maker]:
    """Makes a plant and its drives, of a robot with other figures."""
    with contextlib.ExitStack() as stack:

        def make(
            of: Robot = robot, conditions: Conditions | None = None, **figures: float
        ) -> tuple[Plant, WheelDrives]:
            changed = with_figures(of, [(f"drive.{name}", value) for name, value in figures.items()])
            conditions = conditions or Conditions()
            plant = Plant(changed, conditions)
            stack.callback(plant.close)
            drives = make_drives(changed, conditions, plant, STEP_S)
            drives.reset()
            return plant, drives

        yield make


def settle(drives: WheelDrives, demand: float, rate: float, steps: int = 100) -> None:
    for _ in range(steps):
        drives.step(demand, demand, rate, rate)


def test_a_robot_without_such_figures_keeps_the_plain_drives(rig: Maker) -> None:
    assert type(rig()[1]) is WheelDrives
    assert type(rig(coulomb_friction_nm=0.1, static_friction_nm=0.1)[1]) is WheelDrives


@pytest.mark.parametrize(
    "figure", ["regeneration_limit_a", "thermal_resistance_k_w", "cogging_nm", "rotor_inertia_kg_m2"]
)
def test_a_single_effect_changes_the_drives(rig: Maker, figure: str) -> None:
    assert isinstance(rig(**{figure: 1e-5})[1], Drivetrain)


def test_effects_that_do_nothing_leave_every_torque_as_it_is_bit_for_bit(rig: Maker) -> None:
    plain, rich = rig()[1], rig(regeneration_limit_a=1e9)[1]
    random = np.random.default_rng(0)
    for left, right, rate_left, rate_right in random.normal(scale=(3.0, 3.0, 20.0, 20.0), size=(500, 4)).tolist():
        plain.step(left, right, rate_left, rate_right)
        rich.step(left, right, rate_left, rate_right)
        assert (rich.left_nm, rich.right_nm, rich.battery_v) == (plain.left_nm, plain.right_nm, plain.battery_v)


def test_the_current_limit_is_a_limit_of_torque(rig: Maker, robot: Robot) -> None:
    _, drives = rig(current_limit_a=3.0)
    settle(drives, 4.0, 0.0)
    assert drives.left_nm == pytest.approx(3.0 * robot.drive.torque_constant_nm_a)
    settle(drives, -4.0, 0.0)
    assert drives.left_nm == pytest.approx(-3.0 * robot.drive.torque_constant_nm_a)


@pytest.mark.parametrize("rate", [30.0, -30.0])
def test_a_braking_drive_feeds_back_no_more_than_the_battery_may_take(rig: Maker, robot: Robot, rate: float) -> None:
    _, drives = rig(regeneration_limit_a=1.0)
    resistance, k = robot.drive.winding_resistance_ohm, robot.drive.torque_constant_nm_a
    settle(drives, -math.copysign(2.0, rate), rate)
    power = drives.left_nm * rate + resistance * (drives.left_nm / k) ** 2
    assert power == pytest.approx(-1.0 * robot.battery.open_circuit_v)
    assert abs(drives.left_nm) < 2.0
    settle(drives, math.copysign(2.0, rate), rate)
    assert drives.left_nm == pytest.approx(math.copysign(2.0, rate))


def test_a_hot_winding_gives_less_and_says_how_hot_it_is(rig: Maker, robot: Robot) -> None:
    _, drives = rig(thermal_resistance_k_w=10.0, thermal_time_constant_s=1.0)
    assert isinstance(drives, Drivetrain)
    settle(drives, 4.0, 0.0, 5000)
    copper = robot.drive.winding_resistance_ohm * (drives.left_nm / robot.drive.torque_constant_nm_a) ** 2
    assert drives.windings[0].temperature_c == pytest.approx(25.0 + 10.0 * copper, rel=1e-3)
    assert drives.left_nm == pytest.approx(drives.windings[0].share * drives.limit_nm, rel=1e-3)
    assert 0.0 < drives.left_nm < 3.9
    assert drives.windings[1].temperature_c == drives.windings[0].temperature_c


def test_only_the_wheel_that_works_gets_hot(rig: Maker) -> None:
    _, drives = rig(thermal_resistance_k_w=10.0)
    assert isinstance(drives, Drivetrain)
    for _ in range(500):
        drives.step(4.0, 0.0, 0.0, 0.0)
    assert drives.windings[0].temperature_c > 27.0
    assert drives.windings[1].temperature_c == 25.0


def test_cogging_is_a_sine_of_the_wheels_angle(rig: Maker) -> None:
    plant, drives = rig(cogging_nm=0.05, cogging_periods_rev=14.0)
    for _ in range(300):
        angle = plant.joints[0][0]
        drives.step(0.0, 0.0, plant.joints[0][1], plant.joints[1][1])
        assert drives.left_nm == pytest.approx(0.05 * math.sin(14.0 * angle), abs=1e-12)
        plant.step(0.3, 0.3)
    assert plant.joints[0][0] > 2.0 * math.pi / 14.0


@pytest.mark.parametrize(("share", "turns"), [(0.95, False), (1.1, True)])
def test_a_resting_wheel_turns_by_more_than_its_static_friction_only(
    rig: Maker, robot: Robot, share: float, turns: bool
) -> None:
    static = 3.0 * robot.drive.coulomb_friction_nm
    ice = dataclasses.replace(robot, contact=Contact(friction_1=0.0))
    plant, drives = rig(ice, static_friction_nm=static)
    for _ in range(60):
        drives.step(share * static, share * static, plant.joints[0][1], plant.joints[1][1])
        plant.step(drives.left_nm, drives.right_nm)
    for wheel in plant.joints[:2]:
        assert wheel[0] > 0.005 if turns else abs(wheel[0]) < 1e-4


def test_once_it_turns_only_coulombs_friction_is_left(rig: Maker, robot: Robot) -> None:
    ice = dataclasses.replace(robot, contact=Contact(friction_1=0.0))
    speeds = []
    for static in (0.0, 0.12):
        plant, drives = rig(ice, static_friction_nm=static, viscous_friction_nm_s=0.0)
        for _ in range(100):
            drives.step(0.3, 0.3, plant.joints[0][1], plant.joints[1][1])
            plant.step(drives.left_nm, drives.right_nm)
        speeds.append(plant.joints[0][1])
    assert speeds[0] > 3.0
    assert speeds[1] == pytest.approx(speeds[0], rel=0.02)


def test_a_jammed_wheel_stays_jammed_whatever_the_friction(rig: Maker, robot: Robot) -> None:
    ice = dataclasses.replace(robot, contact=Contact(friction_1=0.0))
    plant, drives = rig(ice, static_friction_nm=0.1)
    plant.jam("wheel_left")
    for _ in range(100):
        drives.step(1.0, 1.0, plant.joints[0][1], plant.joints[1][1])
        plant.step(drives.left_nm, drives.right_nm)
    assert abs(plant.joints[0][0]) < 1e-3
    assert plant.joints[1][0] > 0.1


@pytest.mark.parametrize(("state", "torque"), [((0.02, 0.0), 0.0), ((0.0, 0.0), 0.05), ((0.02, -0.2), -0.04)])
def test_a_rotor_behind_a_gear_moves_the_engine_as_it_moves_the_linear_model(
    rig: Maker, state: tuple[float, float], torque: float
) -> None:
    robot = with_rotors(load_robot("two_wheeled"), 8e-6)
    plant, drives = rig(robot, Conditions(friction_scale=0.0), time_constant_s=1e-5)
    plant.place(state[0], 0.0, state[1])
    drives.reset()
    start, origin = np.array([*state, 0.0, 0.0]), plant.axle()[0]
    for _ in range(100):
        drives.step(torque / 2, torque / 2, plant.joints[0][1], plant.joints[1][1])
        plant.step(drives.left_nm, drives.right_nm)
    place, velocity = plant.axle()
    end = np.array([pitch_of(plant.quaternion), plant.angular_velocity_rad_s[1], place[0] - origin[0], velocity[0]])
    changes = [predicted(pendulum, start, torque) - start for pendulum in (robot.pendulum, unrotored(robot.pendulum))]
    change, scale = end - start, np.abs(changes[0]).max()
    assert np.abs(change - changes[0]).max() < 0.03 * scale
    assert np.abs(changes[1] - changes[0]).max() > 0.1 * scale, "the rotors make no difference here"


def predicted(pendulum: Pendulum, start: np.ndarray, torque: float) -> np.ndarray:
    Ad, Bd = discretise(*linear_dynamics(pendulum), 0.1)
    return Ad @ start + Bd[:, 0] * torque


def with_rotors(robot: Robot, inertia: float) -> Robot:
    figures = [("gear_ratio_1", 10.0), ("rotor_inertia_kg_m2", inertia), ("backlash_rad", 0.0)]
    robot = with_figures(robot, [(f"drive.{name}", value) for name, value in figures])
    rotors = 2.0 * robot.drive.reflected_inertia_kg_m2
    return dataclasses.replace(robot, pendulum=dataclasses.replace(robot.pendulum, rotor_inertia_kg_m2=rotors))


def unrotored(pendulum: Pendulum) -> Pendulum:
    return dataclasses.replace(pendulum, rotor_inertia_kg_m2=0.0)


def test_the_battery_sags_by_its_current_through_its_resistance(rig: Maker, robot: Robot) -> None:
    _, drives = rig()
    settle(drives, 2.0, 10.0)
    k, battery = robot.drive.torque_constant_nm_a, robot.battery
    power = 2.0 * (2.0 * 10.0 + robot.drive.winding_resistance_ohm * (2.0 / k) ** 2)
    # Exactly, U (U_0 - U) = R P with the idle current's share; the drives divide by U_0 instead of U.
    sagged = battery.open_circuit_v - battery.resistance_ohm * battery.idle_current_a
    exact = 0.5 * (sagged + math.sqrt(sagged**2 - 4.0 * battery.resistance_ohm * power))
    assert drives.battery_v == pytest.approx(exact, abs=0.01)
    assert drives.battery_v < sagged - 0.1
