"""What a robot is put through in each physics engine, to see where they differ: open loops, and the LQR's closed one.

How a trial begins, and how far the robot is from its profile, is drawn by a seed; all engines get the same draws.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from robot_il.control.controllers import LinearController
from robot_il.control.lqr import linear_dynamics, lqr_gain
from robot_il.robot import Robot
from robot_il.spec import CONTROL_PERIOD_S, LIMITS
from robot_il.tasks import TASKS
from sim.attitude import pitch_of, yaw_of
from sim.conditions import sample_conditions
from sim.engine import STEP_S, Plant, make_plant
from sim.randomisation import USUAL
from sim.ride import Ride

SIGNALS = ("pitch", "pitch_rate", "position", "velocity", "yaw", "yaw_rate", "height")
UNITS = ("rad", "rad/s", "m", "m/s", "rad", "rad/s", "m")
"""Position and velocity are the axle's, along the heading at the start; height is that of the base's centre of mass."""
OPEN_S = 0.4
"""Within this a lean grows some tenfold, and with it whatever differs; later a robot may lie on the floor."""
PUSH_S = 0.05
TASK = TASKS["stand"]


class Start(NamedTuple):
    """How an open-loop trial begins and goes on; the wheels' torques are constant."""

    pitch_rad: float = 0.0
    velocity_m_s: float = 0.0
    left_nm: float = 0.0
    right_nm: float = 0.0
    push_n: float = 0.0
    height_m: float | None = None


@dataclass(frozen=True)
class Trial:
    """One kind of open-loop trial.

    Attributes:
        name: of it.
        about: what happens, in words.
        draw: how it begins, for a robot and a source of chance.
    """

    name: str
    about: str
    draw: Callable[[Robot, np.random.Generator], Start]


def _sized(random: np.random.Generator, low: float, high: float) -> float:
    return float(random.uniform(low, high) * random.choice((-1.0, 1.0)))


def _beyond_friction(robot: Robot, torque_nm: float) -> float:
    return torque_nm + math.copysign(USUAL["friction_scale"][1] * robot.drive.coulomb_friction_nm, torque_nm)


def _lean(robot: Robot, random: np.random.Generator) -> Start:
    return Start(pitch_rad=_sized(random, 0.02, 0.06))


def _torque(robot: Robot, random: np.random.Generator) -> Start:
    """So much that the body begins to lean at 1 to 3 rad/s^2, beyond all friction that an evaluation draws."""
    _, effect = linear_dynamics(robot.pendulum)
    torque_nm = _beyond_friction(robot, 0.5 * _sized(random, 1.0, 3.0) / float(abs(effect[1, 0])))
    return Start(left_nm=torque_nm, right_nm=torque_nm)


def _push(robot: Robot, random: np.random.Generator) -> Start:
    """As hard as an evaluation's lighter pushes: 0.05 to 0.15 N s for each kilogram."""
    return Start(push_n=robot.mass_kg * _sized(random, 0.05, 0.15) / PUSH_S)


def _coast(robot: Robot, random: np.random.Generator) -> Start:
    return Start(velocity_m_s=_sized(random, 0.2, 0.8))


def _turn(robot: Robot, random: np.random.Generator) -> Start:
    """So much that the robot begins to turn at 2 to 6 rad/s^2, beyond all friction that an evaluation draws."""
    body = robot.body
    force_n = body.yaw_inertia_kg_m2 * _sized(random, 2.0, 6.0) / body.track_m
    torque_nm = _beyond_friction(robot, force_n * robot.pendulum.wheel_radius_m)
    return Start(left_nm=-torque_nm, right_nm=torque_nm)


def _height(robot: Robot, random: np.random.Generator) -> Start:
    return Start(height_m=float(random.choice(robot.heights_m)))


LEGS = "legs"
TRIALS = (
    Trial("lean", "let go leaning by 0.02 to 0.06 rad, no torque", _lean),
    Trial("torque", "a constant torque on both wheels, from upright", _torque),
    Trial("push", "a push of 50 ms at the body's centre of mass, no torque", _push),
    Trial("coast", "let go rolling at 0.2 to 0.8 m/s, no torque", _coast),
    Trial("turn", "a constant torque against the other on the two wheels", _turn),
    Trial(LEGS, "the legs go to their lowest or highest, no torque", _height),
)
"""The open loops; the last is left out for a robot whose legs hold one posture, or that has none."""


def trials_for(robot: Robot) -> tuple[Trial, ...]:
    """The open loops that a robot can go through."""
    low_m, high_m = robot.heights_m
    return TRIALS if low_m < high_m else tuple(trial for trial in TRIALS if trial.name != LEGS)


def run_open(trial: Trial, robot: Robot, engine: str, seed: int) -> np.ndarray:
    """(T, len(SIGNALS)) one trial in one engine, a row a millisecond, the first that of the start."""
    conditions = replace(sample_conditions(TASK, seed, robot), initial_pitch_rad=0.0)
    start = trial.draw(robot, np.random.default_rng((seed, len(trial.name))))
    rows = np.empty((round(OPEN_S / STEP_S) + 1, len(SIGNALS)))
    with contextlib.closing(make_plant(engine, robot, conditions)) as plant:
        plant.place(start.pitch_rad, 0.0, 0.0, start.velocity_m_s)
        rows[0] = signals(plant)
        for step in range(len(rows) - 1):
            if start.push_n and step < round(PUSH_S / STEP_S):
                plant.push(start.push_n)
            if start.height_m is not None:
                plant.set_height(_on_the_way(robot.height_m, start.height_m, (step + 1) * STEP_S))
            plant.step(start.left_nm, start.right_nm)
            rows[step + 1] = signals(plant)
    return rows


def run_closed(robot: Robot, engine: str, seed: int, seconds: float) -> np.ndarray:
    """(T, len(SIGNALS)) the LQR through one draw of an evaluation, a row a period; NaN once it is over."""
    conditions = sample_conditions(TASK, seed, robot)
    law = LinearController(lqr_gain(robot, TASK), TASK)
    rows = np.full((round(seconds / CONTROL_PERIOD_S) + 1, len(SIGNALS)), math.nan)
    with contextlib.closing(Ride(robot, TASK, conditions, seed, engine)) as ride:
        for row in rows:
            row[:] = signals(ride.twin.plant)
            ride.drive(law.torque(ride.state))
            if ride.end:
                break
    return rows


def signals(plant: Plant) -> tuple[float, ...]:
    """What ``SIGNALS`` names, of a robot that was set down at the origin, heading along x."""
    yaw = yaw_of(plant.quaternion)
    place, velocity = plant.axle()
    rate_x, rate_y, rate_z = plant.angular_velocity_rad_s
    pitch_rate = rate_y * math.cos(yaw) - rate_x * math.sin(yaw)
    height = plant.com_position_m[2]
    return pitch_of(plant.quaternion), pitch_rate, float(place[0]), float(velocity[0]), yaw, rate_z, height


def _on_the_way(start_m: float, goal_m: float, time_s: float) -> float:
    """The height asked for, which the MCU lets go no faster than its limit."""
    farthest = LIMITS.height_rate_m_s * time_s
    return start_m + max(-farthest, min(farthest, goal_m - start_m))
