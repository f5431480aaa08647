"""What an episode in the twin is put through: start, pushes, and how far this robot is from the one on paper."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, fields

import numpy as np

from robot_il.errors import ConfigError
from robot_il.spec import LIMITS, Task

PUSH_SPACING_S = 4.0
PUSHED_S = 60.0
PUSHED_KG = 10.0
MAX_PUSHES = 1000


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
    fall_tilt_rad: float = LIMITS.tilt_rad
    fall_distance_m: float | None = None

    def __post_init__(self) -> None:
        """Holds every figure to a range in which the simulation means something."""
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _RANGES.get(field.name, (-math.inf, math.inf))
            if isinstance(value, (int, float)) and not low <= value <= high:
                raise ConfigError(f"{field.name} from {low:g} to {high:g}", f"{value}", "choose another value")
        good = len(self.pushes) <= MAX_PUSHES and all(
            time_s >= 0.0 and math.isfinite(time_s) and abs(impulse) <= 100.0 for time_s, impulse in self.pushes
        )
        if not good:
            raise ConfigError(
                f"at most {MAX_PUSHES} pushes, each at a time from 0 s and within 100 N s",
                f"{self.pushes[:4]}",
                "correct them",
            )


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
    "fall_tilt_rad": (0.05, 3.2),
    "fall_distance_m": (0.05, 1e4),
}


def nominal(task: Task) -> Conditions:
    """The robot on paper, upright and undisturbed, judged by the task's own definition of a fall."""
    return Conditions(fall_tilt_rad=task.fall_tilt_rad, fall_distance_m=task.fall_distance_m)


def sample_conditions(task: Task, seed: int, mass_kg: float = PUSHED_KG) -> Conditions:
    """Draws an episode: a start within 0.1 rad, a push every 4 s, and a robot unlike its profile.

    A robot of 10 kg is pushed with 1 to 4 N s, another in proportion to its mass. The same task, seed and mass give the
    same conditions.
    """
    random = np.random.default_rng((zlib.crc32(task.name.encode()), seed))

    def draw(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    share = mass_kg / PUSHED_KG
    slots = np.arange(0.0, PUSHED_S, PUSH_SPACING_S)
    pushes = tuple(
        (float(slot) + draw(1.0, 4.0), share * draw(1.0, 4.0) * float(random.choice((-1, 1)))) for slot in slots
    )
    return Conditions(
        initial_pitch_rad=draw(-0.1, 0.1),
        initial_pitch_rate_rad_s=draw(-0.2, 0.2),
        pushes=pushes,
        mass_scale=draw(0.9, 1.1),
        com_height_scale=draw(0.92, 1.08),
        friction_scale=draw(0.5, 2.0),
        motor_strength_scale=draw(0.85, 1.15),
        sensor_noise_scale=draw(0.5, 2.0),
        delay_scale=draw(0.5, 2.0),
        fall_tilt_rad=task.fall_tilt_rad,
        fall_distance_m=task.fall_distance_m,
    )
