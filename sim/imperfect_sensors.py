"""Sensors with more than noise and bias: scale errors, axes that are off, a turned mount, counts that get lost."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from robot_il.robot import Imu, Robot
from robot_il.urdf_chain import rotation_rpy
from sim.conditions import Conditions
from sim.drivetrain import Drivetrain
from sim.engine import STEP_S, Plant
from sim.sensors import Reading, Sensors

Row = tuple[float, float, float]
Inertial = tuple[float, float, float, float]


def make_sensors(
    robot: Robot, plant: Plant, drives: object, conditions: Conditions, random: np.random.Generator
) -> Sensors:
    """The sensors of a robot, with only those errors in them that its profile has.

    Args:
        robot: profile.
        plant: what they sense.
        drives: of the wheels; encoders may sit on their rotors.
        conditions: of the episode.
        random: of noise and biases; all else is drawn from an offspring, so that noise and biases stay what they are.
    """
    imu, encoders = robot.imu, robot.encoders
    geared = drives if encoders.wheel_on_rotor_1 and isinstance(drives, Drivetrain) and drives.geared else None
    turned = imu.mount_roll_rad or imu.mount_pitch_rad or imu.mount_yaw_rad
    spread = imu.gyro_scale_1 or imu.accel_scale_1 or imu.misalignment_rad
    if not (turned or spread or imu.delay_s or encoders.wheel_count_loss_1 or geared):
        return Sensors(robot, plant, conditions.sensor_noise_scale, conditions.delay_scale, random)
    return ImperfectSensors(robot, plant, conditions, random, geared)


class ImperfectSensors(Sensors):
    """All that ``Sensors`` does, and the errors that a real part and its mounting have.

    Attributes:
        gyro_rows: what the gyros for pitch and yaw read of a rate (3,) in the body's axes.
        accel_rows: what the accelerometers for x and z read of a specific force (3,).
    """

    def __init__(
        self,
        robot: Robot,
        plant: Plant,
        conditions: Conditions,
        random: np.random.Generator,
        drives: Drivetrain | None,
    ) -> None:
        """Draws this part's errors.

        Args:
            robot: profile.
            plant: what they sense.
            conditions: of the episode.
            random: as for ``make_sensors``.
            drives: on whose rotors the wheels' encoders sit; None for encoders at the wheels.
        """
        offspring, losses = random.spawn(2)
        super().__init__(robot, plant, conditions.sensor_noise_scale, conditions.delay_scale, random)
        self.gyro_rows, self.accel_rows = draw_rows(robot.imu, conditions.sensor_noise_scale, offspring)
        self._late: deque[Inertial] = deque(maxlen=round(robot.imu.delay_s * conditions.delay_scale / STEP_S) + 1)
        self._counters = tuple(Counter(robot.encoders.wheel_count_loss_1, losses) for _ in range(2))
        self._shafts = None if drives is None else drives.shafts

    def _pass(
        self, axes: Reading, rate: tuple[float, float, float], fx: float, fy: float, fz: float, battery_v: float
    ) -> Reading:
        x0, x1, x2, y0, y1, y2, z0, z1, z2 = axes
        wx, wy, wz = rate
        roll, pitch, yaw = wx * x0 + wy * x1 + wz * x2, wx * y0 + wy * y1 + wz * y2, wx * z0 + wy * z1 + wz * z2
        ahead, left, up = fx * x0 + fy * x1 + fz * x2, fx * y0 + fy * y1 + fz * y2, fx * z0 + fy * z1 + fz * z2
        (a, b, c), (d, e, f) = self.gyro_rows
        (g, h, i), (j, k, m) = self.accel_rows
        e0, e1, e2, e3 = self._noise.sample()
        inertial: Inertial = (
            a * roll + b * pitch + c * yaw + e0,
            d * roll + e * pitch + f * yaw + e1,
            g * ahead + h * left + i * up + e2,
            j * ahead + k * left + m * up + e3,
        )
        self._late.append(inertial)
        wheels = self._wheels()
        joints, leg, leg_rad = self._plant.joints, self._leg_scale, self._leg_count_rad
        sample: Reading = (
            *(counter.count(round(angle * self._wheel_scale)) * self._wheel_count_rad
              for counter, angle in zip(self._counters, wheels, strict=True)),
            *self._late[0],
            *(round(joint[0] * leg) * leg_rad for joint in joints[2:6]),
            battery_v,
        )  # fmt: skip
        self._line.append(sample if self.distort is None else self.distort(sample))
        return self._line[0]

    def _wheels(self) -> tuple[float, float]:
        """Angles that the wheels' encoders see, in rad."""
        if self._shafts is not None:
            return self._shafts[0].angle_rad, self._shafts[1].angle_rad
        left, right = self._plant.joints[:2]
        return left[0], right[0]


class Counter:
    """An incremental encoder's counter that misses counts at random, one by one, and never finds them again."""

    def __init__(self, loss_1: float, random: np.random.Generator) -> None:
        """Begins at 0.

        Args:
            loss_1: probability with which a count is missed.
            random: decides which.
        """
        self._loss_1 = loss_1
        self._random = random
        self._true = 0
        self._missed = 0
        self._left = self._gap()

    def count(self, true: int) -> int:
        """What it shows, when the shaft is at a count."""
        moved = true - self._true
        self._true = true
        self._left -= abs(moved)
        while self._left <= 0:
            self._missed += 1 if moved > 0 else -1
            self._left += self._gap()
        return true - self._missed

    def _gap(self) -> float:
        """Counts up to and with the next one that is missed: geometric."""
        return float(self._random.geometric(self._loss_1)) if self._loss_1 else math.inf


def draw_rows(imu: Imu, scale: float, random: np.random.Generator) -> tuple[tuple[Row, Row], tuple[Row, Row]]:
    """Draws a part's scale errors and misalignments.

    A part that sits turned against the body by R reads, on its axis i, (R e_i) . v of a vector v; its own axes are off
    by small turns, and its scale by a share (the usual deterministic model: Titterton and Weston, Strapdown Inertial
    Navigation Technology, 2nd ed. 2004, chapter 4).

    Args:
        imu: figures.
        scale: of the standard deviations.
        random: draws.

    Returns:
        the rows of gyro pitch and yaw, and those of accelerometer x and z, as (3,) each.
    """
    mounted = rotation_rpy(imu.mount_roll_rad, imu.mount_pitch_rad, imu.mount_yaw_rad)
    triads = []
    for deviation in (imu.gyro_scale_1, imu.accel_scale_1):
        turn = scale * imu.misalignment_rad * random.standard_normal(3)
        gains = 1.0 + scale * deviation * random.standard_normal(3)
        triads.append((mounted @ rotation_rpy(*turn)).T * gains[:, None])
    gyro, accel = (triad.tolist() for triad in triads)
    return (tuple(gyro[1]), tuple(gyro[2])), (tuple(accel[0]), tuple(accel[2]))
