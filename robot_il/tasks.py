"""What the robot can be asked to do; part of the contract that ``spec.SPEC_HASH`` covers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TypeGuard

from robot_il.errors import ConfigError


@dataclass(frozen=True)
class Task:
    """What the robot is to do, and what a policy for it sees.

    Attributes:
        name: identifier.
        observation: names of the observed signals, in the order of the policy's input.
        target_velocity_m_s: velocity that counts as doing it right.
        fall_tilt_rad: pitch beyond which the episode has failed.
        fall_distance_m: distance from the start beyond which a standing robot has failed; None where it should travel.
        target_yaw_rate_rad_s: turning that counts as doing it right, left positive; the heading hold turns at it.
    """

    name: str
    observation: tuple[str, ...]
    target_velocity_m_s: float
    fall_tilt_rad: float
    fall_distance_m: float | None
    target_yaw_rate_rad_s: float = 0.0


_STANDING = ("pitch", "pitch_rate", "position", "velocity")
TASKS = {
    task.name: task
    for task in (
        Task("stand", _STANDING, 0.0, 0.5, 2.0),
        Task("drive", ("pitch", "pitch_rate", "velocity"), 0.2, 0.5, None),
        Task("drive_turn", ("pitch", "pitch_rate", "velocity", "yaw_rate"), 0.2, 0.5, None, 0.5),
        Task("height", (*_STANDING, "height"), 0.0, 0.5, 2.0),
        Task("push_recovery", _STANDING, 0.0, 0.5, 4.0),
        Task("stand_up", _STANDING, 0.0, 0.69, 4.0),
    )
}
"""The tasks as they are named without a set-point; ``find_task`` knows further set-points of those that travel.

``height``: the legs move through set-points meanwhile. ``push_recovery`` and ``stand_up``: the pushes are hard, the
start leans far, and the robot may roll on while it is caught.
"""
LARGEST_SET_POINT_M_S = 1.0
"""Of a travelling task, either way; beyond it the linear laws leave the angles for which they were made."""
_SET_POINT = re.compile(r"([a-z_]{1,32})@(-?[0-9](?:\.[0-9]{1,3})?)")


def find_task(name: str) -> Task:
    """The task of that name: one of ``TASKS``, or a travelling one at another velocity, such as ``drive@0.4``.

    Each task has one name: ``drive@0.40`` and ``drive@0.2`` are refused in favour of ``drive@0.4`` and ``drive``, so
    that tasks are the same where their names are.

    Args:
        name: as in a file or on the command line; a set-point is a velocity in m/s of at most three decimals.

    Raises:
        ConfigError: no such task, or not its one name.
    """
    if name in TASKS:
        return TASKS[name]
    found = _SET_POINT.fullmatch(name)
    base = TASKS.get(found[1]) if found else None
    if found is None or base is None or not base.target_velocity_m_s:
        travelling = (task.name for task in TASKS.values() if task.target_velocity_m_s)
        raise ConfigError(
            f"a task of {', '.join(TASKS)}",
            repr(name[:40]),
            f"name one of them, or a set-point in m/s of {' or '.join(travelling)}, such as drive@0.4",
        )
    velocity = float(found[2]) + 0.0  # -0 becomes 0
    if abs(velocity) > LARGEST_SET_POINT_M_S:
        raise ConfigError(
            f"a set-point within +-{LARGEST_SET_POINT_M_S:g} m/s", f"{velocity:g} m/s", "choose a slower one"
        )
    own = base.name if velocity == base.target_velocity_m_s else f"{base.name}@{velocity:g}"
    if name != own:
        raise ConfigError(f"the task's one name {own}", repr(name), f"write {own}")
    return replace(base, name=own, target_velocity_m_s=velocity)


def is_task(name: str | None) -> TypeGuard[str]:
    """Whether ``find_task`` knows that name; None and the empty name of foreign data are none."""
    try:
        return name is not None and bool(find_task(name))
    except ConfigError:
        return False
