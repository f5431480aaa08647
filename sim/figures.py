"""A robot whose profile says something else in places: what one episode's twin is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.robot_figures import SIGNED_STARTS

SECTIONS = ("drive", "imu", "encoders", "sensors", "battery", "contact", "link")
"""Sections of a profile whose figures an episode may change; the body is changed by scales and payload."""


def with_figures(robot: Robot, figures: Sequence[tuple[str, float]]) -> Robot:
    """The robot with other figures.

    Args:
        robot: profile.
        figures: (name "section.figure", value) each.

    Raises:
        ConfigError: no such figure, or a value that none can have.
    """
    changes: dict[str, dict[str, float]] = {}
    for name, value in figures:
        check_figure(robot, name, value)
        section, _, key = name.partition(".")
        changes.setdefault(section, {})[key] = value
    parts: dict[str, Any] = {section: replace(getattr(robot, section), **keys) for section, keys in changes.items()}
    return replace(robot, **parts) if parts else robot


def check_figure(robot: Robot, name: str, value: float) -> None:
    """Makes sure that an episode can change a figure to a value.

    Raises:
        ConfigError: it cannot.
    """
    section, _, key = name.partition(".")
    known = [field.name for field in fields(getattr(robot, section))] if section in SECTIONS else []
    if key not in known:
        raise ConfigError(
            f"one of {', '.join(known)}" if known else f"section.figure, the section one of {', '.join(SECTIONS)}",
            repr(name),
            "correct the name",
        )
    if not math.isfinite(value) or (value < 0.0 and not key.startswith(SIGNED_STARTS)):
        raise ConfigError(f"a finite number for {name}, from 0 on", f"{value}", "correct it")
