"""What an episode's own ticks say against it: an automatic label with its reasons, for a person to confirm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from robot_il.control.supervisor import Reason
from robot_il.recording.evidence import stretches
from robot_il.spec import LIMITS, TORQUE_LIMIT_NM, Fault, Mode
from robot_il.tasks import find_task, is_task

UNDESIRABLE: Final = "undesirable"
UNLABELED: Final = "unlabeled"
LIMIT_SHARE: Final = 0.05
"""Share of driven ticks with clipped or saturated torque above which an episode is no good example."""
OVERSPEED_RAD_S: Final = LIMITS.wheel_speed_rad_s / 4
"""Wheel speed that no task needs: a quarter of what the MCU allows, 1 m/s for wheels of 0.1 m radius."""
FALLBACK: Final = 2
"""Value of the ``source`` signal while the fallback is in charge."""
RESCUES: Final = (
    Reason.CONTROLLER_FAILED
    | Reason.CONTROLLER_SLOW
    | Reason.CONTROLLER_LATE
    | Reason.REGION_LEFT
    | Reason.OBSERVATION_STALE
    | Reason.OBSERVATION_REPEATED
)
"""Reasons for which the fallback takes a robot that nobody meant to give it."""
ESTOP_EVENTS: Final = ("estop", "mcu_estopped")


def propose(
    ticks: np.ndarray, events: Iterable[Mapping[str, Any]] = (), task: str | None = None
) -> tuple[str, list[str]]:
    """The label that an episode seems to deserve, and why.

    Args:
        ticks: (T,) of ``spec.TICK_DTYPE``, the episode's.
        events: the episode's events, each with ``name`` and ``detail``.
        task: a name that ``tasks.find_task`` knows, whose tilt counts as a fall; without one the MCU's limit does.

    Returns:
        ``("undesirable", reasons)`` where there is a reason, else ``("unlabeled", [])``: that nothing went wrong makes
        no demonstration good.
    """
    limit_rad = find_task(task).fall_tilt_rad if is_task(task) else LIMITS.tilt_rad
    reasons = [*_falls(ticks, limit_rad), *_emergency_stops(ticks, events)]
    reasons += [*_limit_hits(ticks), *_overspeed(ticks), *_rescues(ticks)]
    return (UNDESIRABLE, reasons) if reasons else (UNLABELED, [])


def _falls(ticks: np.ndarray, limit_rad: float) -> Iterator[str]:
    """A robot that lies there disarmed has not fallen in this episode: it was laid down, or fell in another one."""
    awake = ticks["mode"] != Mode.DISARMED
    leaned = np.abs(ticks["pitch"][awake])
    if (leaned > limit_rad).any():
        yield f"fell: leaned {np.nanmax(leaned):.2f} rad, more than {limit_rad:g} rad"
    elif (ticks["faults"][awake] & Fault.TILT).any():
        yield "fell: the robot stopped itself with the fault TILT"


def _emergency_stops(ticks: np.ndarray, events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    count = int((ticks["mode"] == Mode.ESTOPPED).sum())
    if count:
        yield f"emergency stop: {count} ticks in it"
    elif any(event.get("name") in ESTOP_EVENTS for event in events):
        yield "emergency stop: asked for, the robot's mode does not show it"


def _limit_hits(ticks: np.ndarray) -> Iterator[str]:
    driven = ticks[ticks["source"] > 0]
    if not len(driven):
        return
    clipped = float((driven["controller_torque"] != driven["limited_torque"]).mean())
    if clipped > LIMIT_SHARE:
        yield f"limits: the torque was clipped on {100 * clipped:.0f} % of the driven ticks"
    saturated = float((np.abs(driven["limited_torque"]) >= TORQUE_LIMIT_NM * (1 - 1e-6)).mean())
    if saturated > LIMIT_SHARE:
        yield f"limits: the torque was at +-{TORQUE_LIMIT_NM:g} N m on {100 * saturated:.0f} % of the driven ticks"


def _overspeed(ticks: np.ndarray) -> Iterator[str]:
    armed = ticks[ticks["mode"] == Mode.ARMED]
    speeds = np.abs([armed["wheel_velocity_left"], armed["wheel_velocity_right"]])
    fastest = float(np.nanmax(speeds)) if np.isfinite(speeds).any() else 0.0
    if fastest >= LIMITS.wheel_speed_rad_s:
        yield f"limits: a wheel at {fastest:.1f} rad/s, beyond the limit of {LIMITS.wheel_speed_rad_s:g} rad/s"
    elif fastest > OVERSPEED_RAD_S:
        yield f"overspeed: a wheel at {fastest:.1f} rad/s, more than {OVERSPEED_RAD_S:g} rad/s"


def _rescues(ticks: np.ndarray) -> Iterator[str]:
    """The fallback also brings each run to rest, and holds the robot while nobody is heard: those are no rescues."""
    rescued = (ticks["source"] == FALLBACK) & ((ticks["reasons"] & int(RESCUES)) != 0)
    times = len(stretches(rescued))
    if times:
        share = 100 * rescued.sum() / (ticks["source"] > 0).sum()
        given = RESCUES & Reason(int(np.bitwise_or.reduce(ticks["reasons"][rescued])))
        why = ", ".join((reason.name or "").lower().replace("_", " ") for reason in given)
        yield f"rescued: the fallback took the robot {times} times, {share:.0f} % of the driven ticks ({why})"
