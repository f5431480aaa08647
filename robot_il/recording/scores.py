"""How good an episode is, beyond being intact: numbers that inform a person and decide nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from robot_il.control.controllers import target
from robot_il.control.lqr import lqr_gain
from robot_il.errors import ConfigError
from robot_il.recording.chain import CONTROLLER, made_on_board
from robot_il.recording.coverage import Coverage
from robot_il.recording.motion import unbroken
from robot_il.recording.reader import Log
from robot_il.recording.smoothness import spectral_arc_length, windows
from robot_il.robot import load_robot
from robot_il.spec import TORQUE_LIMIT_NM, Fault
from robot_il.tasks import find_task


@dataclass(frozen=True)
class About:
    """What a score is called, its unit, and what is good.

    Attributes:
        title: for a table's head.
        unit: ``1`` for a plain number, ``%`` for a share that is shown in percent.
        good: in a word or two.
        meaning: one line.
    """

    title: str
    unit: str
    good: str
    meaning: str


ABOUT: Final = {
    "seconds": About("driven", "s", "", "time in which somebody drove the armed robot"),
    "upright_s": About("upright", "s", "all of it", "of that, the time with the lean within the task's bound"),
    "fell": About("fell", "1", "no", "whether the lean left the task's bound while driven, or the MCU stopped for it"),
    "mean_margin": About("margin", "1", "near 1", "mean of how far inside what the fallback can catch; 0 is the edge"),
    "least_margin": About("least margin", "1", "above 0.25", "the smallest; under 0.25 the fallback takes over"),
    "coverage": About("coverage", "%", "high", "cells of the working range visited, mean over pairs of signals"),
    "shared_coverage": About("of all", "%", "high", "share of the cells that all these episodes visit"),
    "new_coverage": About("alone", "%", "high", "share of those cells that no other episode visits"),
    "torque_rate_nm_s": About("torque rate", "N m/s", "low", "rms of the change of the torque sent"),
    "torque_arc": About("torque SPARC", "1", "near 0", "spectral arc length of the torque sent"),
    "velocity_arc": About("velocity SPARC", "1", "near 0", "spectral arc length of the velocity"),
    "lqr_distance_nm": About("LQR distance", "N m", "low", "rms of the torque sent less that of the task's LQR"),
    "lqr_distance": About("LQR share", "1", "near 0", "the same over the sum of both torques' rms: 1 is opposite"),
}
"""Every score, in the order of a table."""


@dataclass(frozen=True)
class Scores:
    """The scores of one episode; NaN where one cannot be told. ``ABOUT`` has unit and meaning of each.

    Attributes:
        seconds: driven time.
        upright_s: of that, upright.
        fell: whether it fell.
        mean_margin: mean margin.
        least_margin: smallest margin.
        coverage: share of the working range's cells.
        shared_coverage: share of the cells of all episodes.
        new_coverage: share of those that it alone has.
        torque_rate_nm_s: rms rate of the torque.
        torque_arc: SPARC of the torque, the median over stretches.
        velocity_arc: SPARC of the velocity, likewise.
        lqr_distance_nm: rms distance to the LQR.
        lqr_distance: the same, normalised to [0, 1].
        remarks: why a score is missing.
    """

    seconds: float
    upright_s: float
    fell: bool
    mean_margin: float
    least_margin: float
    coverage: float
    shared_coverage: float
    new_coverage: float
    torque_rate_nm_s: float
    torque_arc: float
    velocity_arc: float
    lqr_distance_nm: float
    lqr_distance: float
    remarks: tuple[str, ...] = ()

    def values(self) -> dict[str, float | bool]:
        """Every score by its name in ``ABOUT``."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "remarks"}


def shown(name: str, value: float | bool) -> str:
    """A score with its unit, for a person; a dash where it cannot be told."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not math.isfinite(value):
        return "–"
    unit = ABOUT[name].unit
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.3g}" + (f" {unit}" if unit != "1" else "")


def score(logs: Sequence[Log]) -> list[Scores]:
    """The scores of episodes, coverage beside each other's.

    Args:
        logs: one for each episode (``robot_il.recording.episodes.part_of``); each is scored for its own task.
    """
    coverage = Coverage.of(logs)
    return [_score(log, coverage, index) for index, log in enumerate(logs)]


def _score(log: Log, coverage: Coverage, index: int) -> Scores:
    ticks, rate_hz = log.ticks, log.session.rate_hz
    task = find_task(log.session.task)
    stretches = unbroken(ticks, driven=True)
    sent = _torque(log)
    driven = ticks["source"] > 0
    upright = driven & (np.abs(ticks["pitch"]) <= task.fall_tilt_rad)
    margins = ticks["margin"][driven & np.isfinite(ticks["margin"])]
    rates = np.concatenate([np.diff(sent[start:stop]) * rate_hz for start, stop in stretches] or [np.empty(0)])
    distance_nm, distance, remarks = _lqr_distance(log, sent)
    velocity = ticks["velocity"].astype(np.float64)
    return Scores(
        seconds=float(driven.sum()) / rate_hz,
        upright_s=float(upright.sum()) / rate_hz,
        fell=bool((driven & ~upright).any() or (ticks["faults"] & Fault.TILT)[_ever_armed(ticks)].any()),
        mean_margin=float(margins.mean()) if len(margins) else math.nan,
        least_margin=float(margins.min()) if len(margins) else math.nan,
        coverage=coverage.share(index),
        shared_coverage=coverage.shared(index),
        new_coverage=coverage.alone(index),
        torque_rate_nm_s=_rms(rates),
        torque_arc=_arc_length(sent, stretches, rate_hz),
        velocity_arc=_arc_length(velocity, stretches, rate_hz),
        lqr_distance_nm=distance_nm,
        lqr_distance=distance,
        remarks=(*([remarks] if remarks else []), *([] if len(margins) else ["no margin was recorded"])),
    )


def _torque(log: Log) -> np.ndarray:
    """(T,) total torque in N m with which each tick was answered: what was sent, or what the MCU made itself.

    The latter is reported with the next tick; the last one is taken for unchanged.
    """
    ticks = log.ticks
    if not made_on_board(log.session.controller):
        sent: np.ndarray = ticks["sent_left"].astype(np.float64) + ticks["sent_right"]
        return sent
    applied = ticks["applied_left"].astype(np.float64) + ticks["applied_right"]
    return np.append(applied[1:], applied[-1:])


def _ever_armed(ticks: np.ndarray) -> np.ndarray:
    """(T,) bool: from the first driven tick on; a robot that lay on the floor before is none that fell."""
    after: np.ndarray = np.logical_or.accumulate(ticks["source"] > 0)
    return after


def _arc_length(values: np.ndarray, stretches: list[tuple[int, int]], rate_hz: int) -> float:
    """The median spectral arc length over all windows of all unbroken stretches; NaN where there is none."""
    parts = [part for start, stop in stretches for part in windows(values[start:stop], rate_hz)]
    known = [arc for part in parts if math.isfinite(arc := spectral_arc_length(part, rate_hz))]
    return float(np.median(known)) if known else math.nan


def _lqr_distance(log: Log, sent: np.ndarray) -> tuple[float, float, str]:
    """Rms of the torque sent less that of the LQR in N m, the same over the sum of both rms, and why they are missing.

    The LQR is that of the episode's task and robot, cut to the torque limit, and stands for the place at which the
    episode began. Only ticks on which the controller, not the fallback, drove count.
    """
    task = find_task(log.session.task)
    chosen = (log.ticks["source"] == CONTROLLER) & np.isfinite(sent)
    name = log.session.config.get("robot")
    if not chosen.any() or not isinstance(name, str):
        return math.nan, math.nan, "nobody drove" if isinstance(name, str) else "the log does not name its robot"
    try:
        gain = lqr_gain(load_robot(name), task)
    except ConfigError as error:
        return math.nan, math.nan, f"no LQR of the robot {name!r}: {error}"
    ticks = log.ticks[chosen]
    seen = np.stack([ticks[signal].astype(np.float64) for signal in task.observation], axis=1)
    if "position" in task.observation:
        seen[:, task.observation.index("position")] -= float(ticks["position"][0])
    wanted = np.clip(-(seen - target(task)) @ gain, -TORQUE_LIMIT_NM, TORQUE_LIMIT_NM)
    difference, both = _rms(sent[chosen] - wanted), _rms(sent[chosen]) + _rms(wanted)
    return difference, difference / both if both > 0.0 else 0.0, ""


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else math.nan
