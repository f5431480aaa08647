"""What an episode in the twin is put through: start, pushes, and how far this robot is from the one on paper."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot import GRAVITY_M_S2, Pendulum, Robot
from robot_il.spec import LIMITS
from robot_il.tasks import Task
from sim.randomisation import WIDTHS, draw_robot

PUSH_SPACING_S = 4.0
PUSHED_S = 60.0
PUSHED_KG = 10.0
PUSHES_NS = (1.0, 4.0)
HARD_PUSHES_NS = (8.0, 16.0)
TIPPED_RAD = (0.25, 0.4)
TIPPED_ON = (0.25, 0.35)
"""Rate at which a robot that is to stand up leans on, over that at which a lean of 1 rad would grow by itself."""
TIPPED_SPEED = (0.2, 0.35)
"""Speed at which it rolls under its lean, over that at which the MCU no longer drives the wheels."""
MAX_PUSHES = 1000
MAX_FIGURES = 100


@dataclass(frozen=True)
class Conditions:
    """One episode's conditions; a scale of 1 is the robot's profile.

    Attributes:
        initial_pitch_rad: lean at which the hand holds the robot, forward positive.
        initial_pitch_rate_rad_s: rate at which the hand lets it go.
        initial_velocity_m_s: speed at which the hand lets it go, wheels rolling.
        pushes: (time since release in s, forward impulse in N s) each, spread over 50 ms at the body's centre of mass.
        mass_scale: of all masses and inertias.
        com_height_scale: of the body's centre of mass above the axle.
        friction_scale: of the wheel drives' viscous and Coulomb friction.
        motor_strength_scale: torque delivered for the torque demanded.
        sensor_noise_scale: of noise densities and biases.
        delay_scale: of the sensors' delay, rounded to whole milliseconds.
        side_pushes: as ``pushes``, to the left.
        tipped_rad: lean to which the hand tips the robot, once it is armed and commanded, before it lets go; None where
            it lets go at ``initial_pitch_rad``.
        slope_rad: by which the floor rises ahead of the start.
        bump_height_m: of a bar across the way; 0 for none.
        bump_place_m: from the axle at the start to the bar.
        bump_length_m: of the bar along the way; a long one is a step.
        floor_friction_scale: of the friction between wheels and floor.
        payload_kg: mass that the base carries, as a point.
        payload_x_m: its place ahead of the base link's origin.
        payload_z_m: its place above it.
        figures: (name "section.figure", value) of what the profile of this episode's robot says otherwise.
        fall_tilt_rad: lean that counts as a fall.
        fall_distance_m: distance from the start that counts as a fall; None where the robot may travel.
    """

    initial_pitch_rad: float = 0.0
    initial_pitch_rate_rad_s: float = 0.0
    initial_velocity_m_s: float = 0.0
    pushes: tuple[tuple[float, float], ...] = ()
    mass_scale: float = 1.0
    com_height_scale: float = 1.0
    friction_scale: float = 1.0
    motor_strength_scale: float = 1.0
    sensor_noise_scale: float = 1.0
    delay_scale: float = 1.0
    side_pushes: tuple[tuple[float, float], ...] = ()
    tipped_rad: float | None = None
    slope_rad: float = 0.0
    bump_height_m: float = 0.0
    bump_place_m: float = 1.0
    bump_length_m: float = 0.1
    floor_friction_scale: float = 1.0
    payload_kg: float = 0.0
    payload_x_m: float = 0.0
    payload_z_m: float = 0.0
    figures: tuple[tuple[str, float], ...] = ()
    fall_tilt_rad: float = LIMITS.tilt_rad
    fall_distance_m: float | None = None

    def __post_init__(self) -> None:
        """Holds every figure to a range in which the simulation means something."""
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _RANGES.get(field.name, (-math.inf, math.inf))
            if isinstance(value, (int, float)) and not low <= value <= high:
                raise ConfigError(f"{field.name} from {low:g} to {high:g}", f"{value}", "choose another value")
        for pushes in (self.pushes, self.side_pushes):
            good = len(pushes) <= MAX_PUSHES and all(
                time_s >= 0.0 and math.isfinite(time_s) and abs(impulse) <= 100.0 for time_s, impulse in pushes
            )
            if not good:
                raise ConfigError(
                    f"at most {MAX_PUSHES} pushes, each at a time from 0 s and within 100 N s",
                    f"{pushes[:4]}",
                    "correct them",
                )
        if len(self.figures) > MAX_FIGURES:
            raise ConfigError(f"at most {MAX_FIGURES} other figures", f"{len(self.figures)}", "write a profile")


_RANGES = {
    "initial_pitch_rad": (-1.5, 1.5),
    "initial_pitch_rate_rad_s": (-10.0, 10.0),
    "initial_velocity_m_s": (-5.0, 5.0),
    "mass_scale": (0.2, 5.0),
    "com_height_scale": (0.5, 2.0),
    "friction_scale": (0.0, 20.0),
    "motor_strength_scale": (0.0, 5.0),
    "sensor_noise_scale": (0.0, 50.0),
    "delay_scale": (0.0, 20.0),
    "tipped_rad": (-1.5, 1.5),
    "slope_rad": (-0.5, 0.5),
    "bump_height_m": (0.0, 0.2),
    "bump_place_m": (0.05, 1e3),
    "bump_length_m": (0.005, 1e3),
    "floor_friction_scale": (0.01, 5.0),
    "payload_kg": (0.0, 100.0),
    "payload_x_m": (-2.0, 2.0),
    "payload_z_m": (-2.0, 3.0),
    "fall_tilt_rad": (0.05, 3.2),
    "fall_distance_m": (0.05, 1e4),
}


def nominal(task: Task) -> Conditions:
    """The robot on paper, upright and undisturbed, judged by the task's own definition of a fall."""
    return Conditions(fall_tilt_rad=task.fall_tilt_rad, fall_distance_m=task.fall_distance_m)


def sample_conditions(task: Task, seed: int, robot: Robot, width: str = WIDTHS[0]) -> Conditions:
    """Draws an episode: a start within 0.1 rad, a push every 4 s, and a robot unlike its profile.

    A robot of 10 kg is pushed with 1 to 4 N s, another in proportion to its mass. The same task, seed, robot and width
    give the same conditions, and start and pushes are the same for every width.

    ``push_recovery`` has pushes of 8 to 16 N s for 10 kg. ``stand_up`` has none: the hand tips the robot to a lean of
    0.25 to 0.4 rad, forwards or back, and throws it on that way, leaning on and rolling.

    Args:
        task: what is to be done.
        seed: of the draw.
        robot: profile.
        width: how far the robot is from its profile, one of ``randomisation.WIDTHS``.

    Raises:
        ConfigError: another width.
    """
    random = np.random.default_rng((zlib.crc32(task.name.encode()), seed))

    def draw(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    kind = task.name.partition("@")[0]
    weakest, strongest = HARD_PUSHES_NS if kind == "push_recovery" else PUSHES_NS
    share = robot.mass_kg / PUSHED_KG
    slots = np.arange(0.0, PUSHED_S, PUSH_SPACING_S)
    pushes = tuple(
        (float(slot) + draw(1.0, 4.0), share * draw(weakest, strongest) * float(random.choice((-1, 1))))
        for slot in slots
    )
    pitch, rate = draw(-0.1, 0.1), draw(-0.2, 0.2)
    scales, figures = draw_robot(robot, random, width)
    start: dict[str, Any] = {"initial_pitch_rad": pitch, "initial_pitch_rate_rad_s": rate, "pushes": pushes}
    if kind == "stand_up":
        way = float(random.choice((-1, 1)))
        top_m_s = LIMITS.wheel_speed_rad_s * robot.pendulum.wheel_radius_m
        start = {
            "tipped_rad": way * draw(*TIPPED_RAD),
            "initial_pitch_rate_rad_s": way * draw(*TIPPED_ON) * _growth_1_s(robot.pendulum),
            "initial_velocity_m_s": way * draw(*TIPPED_SPEED) * top_m_s,
        }
    return Conditions(
        **start | scales,
        figures=figures,
        fall_tilt_rad=task.fall_tilt_rad,
        fall_distance_m=task.fall_distance_m,
    )


def _growth_1_s(pendulum: Pendulum) -> float:
    """At which a small lean grows without torque: the unstable pole of ``robot_il.control.lqr.linear_dynamics``."""
    m, height, radius = pendulum.body_mass_kg, pendulum.body_height_m, pendulum.wheel_radius_m
    rotor = pendulum.rotor_inertia_kg_m2
    rolling = m + pendulum.wheel_mass_kg + (pendulum.wheel_inertia_kg_m2 + rotor) / radius**2
    turning = pendulum.body_inertia_kg_m2 + m * height**2 + rotor
    coupling = m * height - rotor / radius
    return math.sqrt(rolling * m * GRAVITY_M_S2 * height / (rolling * turning - coupling**2))
