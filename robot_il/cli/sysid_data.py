"""Recordings as ``sim.identification`` wants them: torque by the part of a period, motion, and moments at rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robot_il.errors import DataError
from robot_il.recording.evidence import stretches as runs_of
from robot_il.recording.motion import unbroken
from robot_il.recording.reader import read_log
from robot_il.spec import FIRMWARE_RATE_HZ, Mode
from sim.identification.data import Stretch
from sim.identification.noise import still

if TYPE_CHECKING:
    from robot_il.recording.reader import Log
    from robot_il.robot import Robot

SETTLED_S = 1.0
"""At the start of each driven stretch, left out: a hand may still have hold of the robot."""
SHORTEST_S = 1.0


@dataclass(frozen=True, eq=False)
class Recordings:
    """What some logs hold for identification.

    Attributes:
        logs: in the order in which they were named.
        stretches: driven without a gap, pitch and rate as the firmware reported them.
        gyro: (T,) rates of pitch in rad/s, log after log.
        accelerometer: (2, T) specific forces forward and upward, in m/s^2.
        rest: windows of ``gyro`` and ``accelerometer`` in which the robot stood still.
    """

    logs: tuple[Log, ...]
    stretches: tuple[Stretch, ...]
    gyro: np.ndarray
    accelerometer: np.ndarray
    rest: list[slice]

    @property
    def seconds(self) -> float:
        """Length of all stretches."""
        return sum(len(stretch) * stretch.period_s for stretch in self.stretches)


def load(paths: Sequence[Path], robot: Robot) -> Recordings:
    """Reads logs.

    Args:
        paths: of the logs.
        robot: whose they are.

    Raises:
        LogError: no such log, or it cannot be read.
        DataError: nothing was driven for long enough.
    """
    logs = tuple(read_log(path) for path in paths)
    stretches = [stretch for log in logs for stretch in driven(log, robot)]
    if not stretches:
        named = ", ".join(str(path) for path in paths)
        raise DataError(
            f"driven stretches of at least {SETTLED_S + SHORTEST_S:g} s in {named}", "none", "record longer"
        )
    ticks = np.concatenate([log.ticks for log in logs])
    rate = ticks["pitch_rate"].astype(np.float64)
    rest = still(rate, (ticks["mode"] == Mode.DISARMED) & np.isfinite(rate))
    accelerometer = np.stack([ticks["accel_x"], ticks["accel_z"]]).astype(np.float64)
    return Recordings(logs, tuple(stretches), rate, accelerometer, rest)


def driven(log: Log, robot: Robot) -> list[Stretch]:
    """The stretches of a log in which its controller or fallback drove and no drive was at its limit."""
    found = []
    for start, stop in unbroken(log.ticks, driven=True):
        ticks = log.ticks[start:stop]
        period_s = float(np.median(np.diff(ticks["mcu_time_us"].astype(np.int64)))) / 1e6
        skipped = round(SETTLED_S / period_s)
        stretch = to_stretch(ticks, robot, period_s, log.path.name)
        free = ~saturated(ticks, robot)
        free[:skipped] = False
        for begin, end in runs_of(free):
            if (end - begin) * period_s >= SHORTEST_S:
                part = stretch.torque[begin:end], stretch.outputs[:, begin:end]
                found.append(Stretch(period_s, *part, stretch.source))
    return found


def to_stretch(ticks: np.ndarray, robot: Robot, period_s: float, source: str) -> Stretch:
    """Consecutive ticks as columns; the wheels' angle is what the encoders say, without the pitch in it.

    Args:
        ticks: (T,) of ``spec.TICK_DTYPE``.
        robot: whose they are.
        period_s: from one to the next.
        source: of which recording.
    """
    pitch, rate = ticks["pitch"].astype(np.float64), ticks["pitch_rate"].astype(np.float64)
    radius = robot.pendulum.wheel_radius_m
    wheel = ticks["position"].astype(np.float64) / radius - pitch
    wheel_rate = ticks["velocity"].astype(np.float64) / radius - rate
    return Stretch(period_s, torques(ticks, period_s), np.stack((pitch, rate, wheel, wheel_rate)), source)


def torques(ticks: np.ndarray, period_s: float) -> np.ndarray:
    """(T, D) torque demanded of both drives, in N m, by the millisecond.

    A STATE tells the mean over the period that ends with it. Within, the MCU went over from the command before last to
    the last one, and when it did so on the average of the recording is told by how the mean lies between the two.
    """
    parts = max(1, round(period_s * FIRMWARE_RATE_HZ))
    mean = ticks["applied_left"].astype(np.float64) + ticks["applied_right"]
    sent = ticks["sent_left"].astype(np.float64) + ticks["sent_right"]
    before, after = np.roll(sent, 2), np.roll(sent, 1)
    change = after - before
    change[:2] = 0.0
    power = float(change @ change)
    share = min(1.0, max(0.0, float(change @ (mean - before)) / power)) if power > 0.0 else 0.0
    # which share of each part has the new command; the last parts come first
    new = np.clip(share * parts - np.arange(parts)[::-1], 0.0, 1.0)
    shape = change[:, None] * (new - new.mean())
    torque: np.ndarray = mean[:, None] + shape
    return torque


def saturated(ticks: np.ndarray, robot: Robot) -> np.ndarray:
    """(T,) of bool: what the battery can push through the windings against the back-EMF is less than what is asked."""
    drive = robot.drive
    lost = np.zeros(len(ticks), dtype=bool)
    for side in ("left", "right"):
        wanted_v = np.abs(ticks[f"applied_{side}"]) * drive.winding_resistance_ohm / drive.torque_constant_nm_a
        spare_v = ticks["battery"] - drive.torque_constant_nm_a * np.abs(ticks[f"wheel_velocity_{side}"])
        lost |= wanted_v > spare_v
    return lost
