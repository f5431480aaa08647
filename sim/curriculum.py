"""Episodes that begin easy and grow as hard as an evaluation's; off unless asked for, and never in an evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from robot_il.errors import ConfigError
from robot_il.robot import Robot
from sim.conditions import Conditions
from sim.randomisation import USUAL, figure

EASIEST = 0.2
"""Difficulty at which a training begins: upright within a fifth of what an evaluation draws, pushed by a fifth."""
FULL_AT = 0.7
"""Share of a training after which all draws are an evaluation's."""


def difficulty_at(progress: float) -> float:
    """Difficulty, from ``EASIEST`` in a straight line to 1 at ``FULL_AT``.

    Args:
        progress: share of the training that is done, 0 to 1.

    Raises:
        ConfigError: no such share.
    """
    _check_share("progress", progress)
    return min(1.0, EASIEST + (1.0 - EASIEST) * progress / FULL_AT)


def eased(conditions: Conditions, difficulty: float, robot: Robot) -> Conditions:
    """Drawn conditions, made easier: start, pushes and distance from the profile shrink in proportion.

    What is no matter of chance, the ground, the payload and what counts as a fall, stays.

    Args:
        conditions: as they were drawn.
        difficulty: 1 leaves them as they are; 0 is the robot on paper, upright and undisturbed.
        robot: profile, to whose figures an easier robot is nearer.

    Raises:
        ConfigError: a difficulty beyond 0 to 1.
    """
    check_difficulty(difficulty)
    if difficulty == 1.0:
        return conditions
    changes: dict[str, Any] = {name: 1.0 + difficulty * (getattr(conditions, name) - 1.0) for name in USUAL}
    for name in ("initial_pitch_rad", "initial_pitch_rate_rad_s", "initial_velocity_m_s"):
        changes[name] = difficulty * getattr(conditions, name)
    for name in ("pushes", "side_pushes"):
        changes[name] = tuple((time_s, difficulty * impulse) for time_s, impulse in getattr(conditions, name))
    if conditions.tipped_rad is not None:
        changes["tipped_rad"] = difficulty * conditions.tipped_rad
    changes["figures"] = tuple(
        (name, figure(robot, name) + difficulty * (value - figure(robot, name))) for name, value in conditions.figures
    )
    return replace(conditions, **changes)


def check_difficulty(difficulty: float) -> float:
    """The difficulty, where it is one.

    Raises:
        ConfigError: it is beyond 0 to 1.
    """
    _check_share("difficulty", difficulty)
    return difficulty


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"a {name} from 0 to 1", f"{value}", "correct it")
