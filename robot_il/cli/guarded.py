"""One flight in the lock-step twin under a full guard: what catches the robot is tried here, not who drives well."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.serial_device import SerialDevice
from robot_il.control.device import State
from robot_il.control.guard import Decision, Guard
from robot_il.control.loop import ControlLoop
from robot_il.control.region_heights import Regions
from robot_il.control.sink import NullSink, Sink
from robot_il.robot import Robot
from robot_il.spec import CONTROL_RATE_HZ
from sim.conditions import Conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin

CALM_PITCH_RAD = 0.1
CALM_VELOCITY_M_S = 0.5
"""A robot that stands leans and rolls less than this when the fallback has had it to itself for two seconds."""


@dataclass(frozen=True)
class Outcome:
    """What came of a flight, by the twin's truth.

    Attributes:
        end: ``upright`` where the robot was driven to the end and stood still then; else what went wrong.
        reasons: the supervisor's reasons, in words.
        controlled: ticks answered by the controller.
        rescued: ticks answered by the fallback before the end.
        worst_margin: smallest margin at any tick after the hand let go; NaN without a region.
        largest_lean_rad: of any driven tick.
    """

    end: str
    reasons: tuple[str, ...]
    controlled: int
    rescued: int
    worst_margin: float
    largest_lean_rad: float

    @property
    def upright(self) -> bool:
        """Whether the robot stayed up."""
        return self.end == "upright"


def fly(
    robot: Robot,
    conditions: Conditions,
    seed: int,
    seconds: float,
    crew: Callable[[Twin, LockstepLink], Guard],
    sink: Sink | None = None,
) -> Outcome:
    """Flies once: armed, driven under the guard, brought to rest by the fallback, disarmed.

    Args:
        robot: profile.
        conditions: start, pushes and parameters of the twin.
        seed: of the twin's noise.
        seconds: length before the fallback brings the robot to rest, in s.
        crew: makes the guard with its controller and fallback.
        sink: takes the ticks, where they are wanted.
    """
    ticks = round(seconds * CONTROL_RATE_HZ)
    with contextlib.closing(Twin(robot, conditions, seed)) as twin:
        link = LockstepLink(twin)
        guard = crew(twin, link)
        watch = _Watch(twin, guard.region)
        with contextlib.closing(SerialDevice(link)) as device:
            device.open()
            loop = ControlLoop(device, link.clock, guard, sink or NullSink(), watch)
            loop.observe(2)
            report = loop.run(ticks)
    if report.controlled + report.rescued < ticks:
        end = ", ".join(report.reasons)
    else:
        end = "upright" if watch.calm else "unsteady"
    return Outcome(
        end, tuple(report.reasons), report.controlled, report.rescued, watch.worst_margin, watch.largest_lean_rad
    )


class _Watch:
    """Follows the truth while somebody drives."""

    def __init__(self, twin: Twin, region: Regions | None) -> None:
        self._twin = twin
        self._region = region
        self.calm = False
        self.worst_margin = math.nan
        self.largest_lean_rad = 0.0

    def __call__(self, state: State, decision: Decision) -> None:
        if not decision.source or self._twin.held:
            return
        truth = self._twin.truth
        self.calm = abs(truth.pitch) < CALM_PITCH_RAD and abs(truth.velocity) < CALM_VELOCITY_M_S
        if self._region is not None:
            self.worst_margin = min(self._region.margin(truth), self.worst_margin)  # of a number and NaN the number
        self.largest_lean_rad = max(self.largest_lean_rad, abs(truth.pitch))
