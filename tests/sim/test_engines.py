"""What every physics engine has to do alike, and what the choice of one has to do.

Masses, balance, energy, friction, legs and pushes of each engine are in test_plant.py and test_plant_conventions.py.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from robot_il.cli.arguments import ENGINES as NAMED
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.fallback import lqr_fallback
from robot_il.control.lqr import discretise, linear_dynamics, lqr_gain
from robot_il.errors import ConfigError
from robot_il.robot import LEG_JOINTS, Robot, load_robot
from robot_il.tasks import TASKS
from sim.attitude import pitch_of, roll_of, yaw_of
from sim.conditions import Conditions, sample_conditions
from sim.engine import ENGINES, GRAVITY_M_S2, STEP_S, Plant, make_plant
from sim.engines_trials import signals
from sim.twin import Twin

ROBOTS = {name: load_robot(name) for name in ("reference", "two_wheeled")}
FRICTIONLESS = Conditions(friction_scale=0.0)
SUNK_M = 1.1e-5
"""A wheel that is set down lies in the floor by up to this, as one at rest does."""
engines = pytest.mark.parametrize("engine", ENGINES)
robots = pytest.mark.parametrize("name", ROBOTS)
Make = Callable[..., Plant]


@pytest.fixture
def made() -> Iterator[Make]:
    plants: list[Plant] = []

    def make(engine: str, of: Robot, conditions: Conditions = FRICTIONLESS) -> Plant:
        plants.append(make_plant(engine, of, conditions))
        return plants[-1]

    yield make
    for plant in plants:
        plant.close()


def with_contact(robot: Robot, **figures: float) -> Robot:
    return dataclasses.replace(robot, contact=dataclasses.replace(robot.contact, **figures))


def after(plant: Plant, steps: int, left_nm: float = 0.0, right_nm: float | None = None) -> np.ndarray:
    for _ in range(steps):
        plant.step(left_nm, left_nm if right_nm is None else right_nm)
    return np.array(signals(plant))


PITCH, PITCH_RATE, POSITION, VELOCITY, YAW, YAW_RATE, HEIGHT = range(7)


def finite_differences(plant: Plant, steps: int, torque_nm: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns for (pitch, pitch rate, velocity) and for the torque, about upright, by central differences."""
    state = [PITCH, PITCH_RATE, POSITION, VELOCITY]

    def end(pitch: float, rate: float, velocity: float, torque: float) -> np.ndarray:
        plant.place(pitch, 0.0, rate, velocity)
        return after(plant, steps, torque / 2)[state]

    columns = []
    for index, size in enumerate((0.005, 0.05, 0.05)):
        moved = size * np.eye(3)[index]
        columns.append((end(*moved, 0.0) - end(*-moved, 0.0)) / (2 * size))
    return np.array(columns).T, (end(0, 0, 0, torque_nm) - end(0, 0, 0, -torque_nm)) / (2 * torque_nm)


@robots
@engines
def test_the_linearisation_agrees_with_finite_differences_of_the_engine(made: Make, engine: str, name: str) -> None:
    robot, steps = ROBOTS[name], 50
    # rotors behind gears are the drives' matter, not the engine's
    A, B = linear_dynamics(dataclasses.replace(robot.pendulum, rotor_inertia_kg_m2=0.0))
    Ad, Bd = discretise(A, B, steps * STEP_S)
    by_state, by_torque = finite_differences(made(engine, robot), steps, 1.0 / abs(B[1, 0]))
    expected = Ad[:, [0, 1, 3]]
    # the engines' semi-implicit Euler step moves places by half a step too far
    assert np.abs(by_state - expected).max(axis=0) == pytest.approx(0.0, abs=0.003 * np.abs(expected).max())
    assert by_torque == pytest.approx(Bd[:, 0], abs=0.002 * np.abs(Bd).max())


@robots
@engines
@pytest.mark.parametrize("task", ["stand", "drive"])
def test_the_lqr_of_the_profile_balances_randomised_robots(engine: str, name: str, task: str) -> None:
    rollout = Rollout(name, TASKS[task], 4.0, engine=engine)
    law, fallback = LinearController(lqr_gain(ROBOTS[name], TASKS[task]), TASKS[task]), lqr_fallback(ROBOTS[name])
    episodes = [rollout.run(law, fallback, rollout.conditions(seed), seed) for seed in range(3)]
    assert [episode.end for episode in episodes] == ["survived"] * 3


@engines
def test_a_twin_is_the_same_bit_for_bit_whatever_ran_beside_it(engine: str) -> None:
    def bytes_of(neighbour: bool) -> bytes:
        twin = Twin(ROBOTS["reference"], sample_conditions(TASKS["stand"], 5, ROBOTS["reference"]), 5, engine=engine)
        other = Twin(ROBOTS["two_wheeled"], Conditions(), 9, engine=engine) if neighbour else None
        sent = b""
        for _ in range(300):
            twin.step()
            sent += twin.transmit()
            if other is not None:
                other.step()
        twin.close()
        return sent

    assert bytes_of(neighbour=False) == bytes_of(neighbour=True) != b""


@engines
def test_a_plant_that_is_set_down_again_does_the_same_again(made: Make, engine: str) -> None:
    plant = made(engine, ROBOTS["two_wheeled"], Conditions())
    runs = []
    for _ in range(2):
        after(plant, 37, 0.02, 0.05)
        plant.place(0.05, 0.3, 0.1, 0.2)
        runs.append(after(plant, 100, 0.03, 0.02))
    # places of the wheels are kept when it is set down, and with them the last bits of what is computed of them
    assert runs[0] == pytest.approx(runs[1], rel=1e-9, abs=1e-9)


@robots
@engines
def test_set_down_rolling_and_leaning_on_it_neither_slips_nor_leaves_the_floor(
    made: Make, engine: str, name: str
) -> None:
    robot = ROBOTS[name]
    plant = made(engine, robot)
    plant.place(0.05, 0.8, 0.3, 0.4)
    radius = robot.pendulum.wheel_radius_m
    place, velocity = plant.axle()
    assert place == pytest.approx([0.0, 0.0, radius], abs=SUNK_M)
    assert velocity == pytest.approx([0.4 * math.cos(0.8), 0.4 * math.sin(0.8), 0.0], abs=1e-6)
    assert plant.joints[0][1] == plant.joints[1][1] == pytest.approx(0.4 / radius - 0.3)
    assert (pitch_of(plant.quaternion), yaw_of(plant.quaternion)) == pytest.approx((0.05, 0.8))
    plant.step(0.0, 0.0)
    assert np.linalg.norm(plant.axle()[1]) == pytest.approx(0.4, rel=0.02)
    assert plant.axle()[0][2] == pytest.approx(radius, abs=1.5e-5)


@robots
@engines
def test_a_robot_that_is_set_down_stands_on_the_floor_from_the_first_step(made: Make, engine: str, name: str) -> None:
    plant = made(engine, ROBOTS[name])
    plant.place(0.0)
    plant.step(0.0, 0.0)
    assert abs(plant.com_velocity_m_s[2]) < 0.05 * GRAVITY_M_S2 * STEP_S


@engines
def test_positions_of_the_base_are_those_of_the_chain_at_any_attitude(made: Make, engine: str) -> None:
    robot = ROBOTS["reference"]
    plant = made(engine, robot)
    plant.place(0.2, 1.1)
    axle_m = np.mean(
        [robot.chain.poses(robot.joint_angles_rad)[f"tyre_{side}"][1] for side in ("left", "right")], axis=0
    )
    arm = plant.base_com_m - axle_m
    ahead, up = arm[0] * math.cos(0.2) + arm[2] * math.sin(0.2), arm[2] * math.cos(0.2) - arm[0] * math.sin(0.2)
    expected = [ahead * math.cos(1.1), ahead * math.sin(1.1), robot.pendulum.wheel_radius_m + up]
    assert plant.com_position_m == pytest.approx(expected, abs=SUNK_M)


@engines
def test_velocity_and_rate_are_those_of_the_change_of_place(made: Make, engine: str) -> None:
    plant = made(engine, ROBOTS["reference"])
    plant.place(0.1, 0.4, 0.5, 0.3)
    after(plant, 50, 0.3, 0.5)
    before = np.array(plant.com_position_m), pitch_of(plant.quaternion), yaw_of(plant.quaternion)
    plant.step(0.3, 0.5)
    moved = (np.array(plant.com_position_m) - before[0]) / STEP_S
    assert plant.com_velocity_m_s == pytest.approx(moved, rel=0.01, abs=0.002)
    yaw, (rate_x, rate_y, rate_z) = yaw_of(plant.quaternion), plant.angular_velocity_rad_s
    assert rate_y * math.cos(yaw) - rate_x * math.sin(yaw) == pytest.approx(
        (pitch_of(plant.quaternion) - before[1]) / STEP_S, rel=0.01
    )
    assert rate_z == pytest.approx((yaw - before[2]) / STEP_S, rel=0.01)


@engines
@pytest.mark.parametrize(("force_n", "left_n"), [(40.0, 0.0), (0.0, 15.0)])
def test_a_push_changes_the_momentum_by_its_impulse(made: Make, engine: str, force_n: float, left_n: float) -> None:
    robot = with_contact(ROBOTS["reference"], friction_1=0.0)
    plant = made(engine, robot)
    plant.place(0.0, 0.6)
    for _ in range(20):
        plant.push(force_n, left_n)
        plant.step(0.0, 0.0)
    start = plant.com_m()
    after(plant, 10)
    momentum = robot.mass_kg * (plant.com_m() - start)[:2] / (10 * STEP_S)
    c, s = math.cos(0.6), math.sin(0.6)
    expected = 0.02 * np.array([force_n * c - left_n * s, force_n * s + left_n * c])
    assert momentum == pytest.approx(expected, abs=0.03 * np.linalg.norm(expected))


@engines
def test_the_legs_go_where_they_are_told_and_hold_there(made: Make, engine: str) -> None:
    robot = ROBOTS["reference"]
    low_m, _ = robot.heights_m
    plant = made(engine, robot)
    plant.set_height(low_m)
    after(plant, 100)
    told = robot.angles_at(low_m)
    for joint, name in zip(plant.joints[2:], LEG_JOINTS, strict=True):
        assert joint[0] == pytest.approx(told[name], abs=1e-3)
        assert joint[1] == pytest.approx(0.0, abs=0.05)
    plant.place(0.0)
    assert plant.axle()[0] == pytest.approx([0.0, 0.0, robot.pendulum.wheel_radius_m], abs=SUNK_M)


@engines
def test_a_leg_comes_within_37_percent_of_its_target_in_its_time_constant(made: Make, engine: str) -> None:
    robot = ROBOTS["reference"]
    assert robot.legs is not None
    plant = made(engine, robot)
    start = plant.joints[3][0]
    plant.set_height(robot.height_m + 2e-4)
    told = robot.angles_at(robot.height_m + 2e-4)["knee_left"]
    after(plant, round(robot.legs.time_constant_s / STEP_S))
    assert (plant.joints[3][0] - told) / (start - told) == pytest.approx(math.exp(-1.0), abs=0.03)


@engines
def test_legs_that_are_too_weak_give_way(made: Make, engine: str) -> None:
    robot = ROBOTS["reference"]
    assert robot.legs is not None
    weak = dataclasses.replace(robot, legs=dataclasses.replace(robot.legs, torque_limit_nm=1.0))
    plant = made(engine, weak)
    after(plant, 150)
    assert abs(plant.joints[3][0] - robot.posture.knee_rad) > 0.1


@engines
def test_a_jammed_wheel_does_not_turn_and_the_other_does(made: Make, engine: str) -> None:
    plant = made(engine, ROBOTS["reference"])
    plant.jam("wheel_left")
    after(plant, 100, 4.0)
    assert abs(plant.joints[0][0]) < 2e-3
    assert plant.joints[1][0] > 0.05


@engines
def test_friction_can_be_set_while_the_world_goes_on(made: Make, engine: str) -> None:
    plant = made(engine, with_contact(ROBOTS["reference"], friction_1=0.0))
    after(plant, 20, 0.1)
    assert plant.joints[0][1] > 0.2
    plant.rub(0.5, 0.0)
    plant.step(0.1, 0.1)
    after(plant, 30, 0.1)
    assert plant.joints[0][1] == pytest.approx(0.0, abs=2e-3)
    assert plant.joints[1][1] > 0.4


@engines
def test_down_a_slope_a_robot_rolls_and_leans_as_gravity_has_it(made: Make, engine: str) -> None:
    robot, slope = ROBOTS["two_wheeled"], 0.05
    plant = made(engine, robot, dataclasses.replace(FRICTIONLESS, slope_rad=slope))
    plant.place(0.0, 0.7)
    after(plant, 50)
    place, velocity = plant.axle()
    ahead = velocity[0] * math.cos(0.7) + velocity[1] * math.sin(0.7)
    # upright and at rest the whole robot is driven by its weight along the slope; the body then begins to lean back
    body = robot.pendulum
    lever, wheels = body.body_mass_kg * body.body_height_m, body.wheel_mass_kg
    rolling = body.body_mass_kg + wheels + body.wheel_inertia_kg_m2 / body.wheel_radius_m**2
    about_axle = body.body_inertia_kg_m2 + lever * body.body_height_m
    downhill = robot.mass_kg * GRAVITY_M_S2 * math.sin(slope)
    expected = -downhill / (rolling - lever**2 / about_axle) * 0.05
    assert ahead == pytest.approx(expected, rel=0.1)
    assert place[2] < body.wheel_radius_m * math.cos(slope)
    assert roll_of(plant.quaternion) == pytest.approx(0.0, abs=1e-3)


@engines
def test_a_bump_lifts_the_wheels_by_its_height(made: Make, engine: str) -> None:
    robot = ROBOTS["two_wheeled"]
    bump = dataclasses.replace(FRICTIONLESS, bump_height_m=0.003, bump_place_m=0.06, bump_length_m=5.0)
    plant = made(engine, robot, bump)
    plant.place(0.0, 0.7, 0.0, 0.6)
    assert after(plant, 200)[POSITION] * math.cos(0.7) > 0.0
    assert plant.axle()[0][2] == pytest.approx(robot.pendulum.wheel_radius_m + 0.003, abs=5e-4)


@engines
def test_rolling_resistance_slows_a_rolling_robot_as_the_equations_say(made: Make, engine: str) -> None:
    """A torque c m g r on the wheels alone: with the pendulum's equations, M(0) (x'', q'') = (-c m g, 0)."""
    robot = with_contact(ROBOTS["reference"], rolling_resistance_1=0.02)
    plant = made(engine, robot)
    plant.place(0.0, 0.0, 0.0, 1.0)
    body = robot.pendulum
    lever = body.body_mass_kg * body.body_height_m
    rolling = body.body_mass_kg + body.wheel_mass_kg + body.wheel_inertia_kg_m2 / body.wheel_radius_m**2
    about_axle = body.body_inertia_kg_m2 + lever * body.body_height_m
    force_n = 0.02 * robot.mass_kg * GRAVITY_M_S2
    slower = force_n / (rolling - lever**2 / about_axle)
    assert 1.0 - after(plant, 50)[VELOCITY] == pytest.approx(0.05 * slower, rel=0.08)


@engines
def test_rolling_resistance_holds_a_wheel_that_is_driven_with_less(made: Make, engine: str) -> None:
    robot = with_contact(ROBOTS["reference"], rolling_resistance_1=0.02)
    resists_nm = 0.02 * 0.5 * robot.mass_kg * GRAVITY_M_S2 * robot.pendulum.wheel_radius_m
    plant = made(engine, robot)
    assert abs(after(plant, 100, 0.5 * resists_nm)[VELOCITY]) < 2e-3
    plant.place(0.0)
    assert after(plant, 100, 2.0 * resists_nm)[VELOCITY] > 0.05


@engines
def test_a_payload_weighs_on_the_base_where_it_is_put(made: Make, engine: str) -> None:
    robot = ROBOTS["reference"]
    empty = made(engine, robot)
    laden = made(engine, robot, dataclasses.replace(FRICTIONLESS, payload_kg=2.0, payload_x_m=0.1, payload_z_m=0.3))
    assert sum(laden.masses_kg()) == pytest.approx(sum(empty.masses_kg()) + 2.0)
    place_m = robot.pendulum.wheel_radius_m + robot.height_m
    expected = (10.0 * empty.com_m() + 2.0 * np.array([0.1, 0.0, place_m + 0.3])) / 12.0
    assert laden.com_m() == pytest.approx(expected, abs=SUNK_M)


@engines
def test_a_plant_has_the_methods_of_the_interface_with_the_same_arguments(made: Make, engine: str) -> None:
    plant = made(engine, ROBOTS["two_wheeled"])
    methods = [name for name, one in vars(Plant).items() if inspect.isfunction(one) and not name.startswith("_")]
    assert len(methods) > 8
    for name in methods:
        expected = list(inspect.signature(getattr(Plant, name)).parameters.values())[1:]
        assert list(inspect.signature(getattr(plant, name)).parameters.values()) == expected
    for name in Plant.__annotations__:
        assert hasattr(plant, name)


def test_the_engines_are_named_alike_on_the_command_line() -> None:
    assert NAMED == ENGINES


def test_an_unknown_engine_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"pybullet, mujoco.*'ode'"):
        make_plant("ode", ROBOTS["reference"], Conditions())


@pytest.mark.parametrize(("engine", "extra"), [("pybullet", "sim"), ("mujoco", "mujoco")])
def test_an_engine_that_is_not_installed_is_refused_with_the_command_that_installs_it(engine: str, extra: str) -> None:
    program = (
        f"import sys; sys.modules[{engine!r}] = None\n"
        "from robot_il.robot import load_robot\n"
        "from sim.conditions import Conditions\n"
        "from sim.twin import Twin\n"
        f"Twin(load_robot(), Conditions(), 0, engine={engine!r})"
    )
    failed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ConfigError" in failed.stderr
    assert f"pip install '.[{extra}]'" in failed.stderr


@engines
def test_only_the_engine_that_is_chosen_is_loaded(engine: str) -> None:
    other = next(name for name in ENGINES if name != engine)
    program = (
        "import sys\n"
        "from robot_il.robot import load_robot\n"
        "from sim.conditions import Conditions\n"
        "from sim.twin import Twin\n"
        f"Twin(load_robot(), Conditions(), 0, engine={engine!r})\n"
        f"assert {engine!r} in sys.modules and {other!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
