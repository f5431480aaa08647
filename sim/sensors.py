"""What the MCU's sensors make of the plant: noise, slowly walking bias, encoder counts, delay."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np

from robot_il.robot import Robot
from sim.engine import GRAVITY_M_S2, STEP_S, Plant

BLOCK = 1024
TURN_RAD = 2.0 * math.pi
CHANNELS = 4
"""Inertial channels: gyro pitch, gyro yaw, accelerometer x and z."""


Reading = tuple[float, ...]
"""One sample of everything: the values of ``READING``. A bare tuple, for one is made every millisecond."""
READING = (
    *("wheel_left", "wheel_right", "gyro_pitch", "gyro_yaw", "accel_x", "accel_z"),
    *("hip_left", "knee_left", "hip_right", "knee_right", "battery"),
)
"""Names in the order and units of the firmware's sensor struct."""


class InertialNoise:
    """White noise on a bias that walks, for four channels, drawn in blocks.

    White noise of one-sided amplitude density d has a standard deviation of d sqrt(f / 2) when sampled at f. A bias
    that walks with density b gains a standard deviation of b sqrt(t) in a time t.
    """

    def __init__(self, robot: Robot, scale: float, random: np.random.Generator) -> None:
        imu = robot.imu
        white = np.array([imu.gyro_noise_rad_s_rthz] * 2 + [imu.accel_noise_m_s2_rthz] * 2)
        walk = np.array([imu.gyro_bias_walk_rad_s2_rthz] * 2 + [imu.accel_bias_walk_m_s3_rthz] * 2)
        self._white = scale * white * math.sqrt(0.5 / STEP_S)
        self._walk = scale * walk * math.sqrt(STEP_S)
        self._random = random
        self._bias = (
            scale * np.array([imu.gyro_bias_rad_s] * 2 + [imu.accel_bias_m_s2] * 2) * random.standard_normal(CHANNELS)
        )
        self._rows: list[list[float]] = []

    def sample(self) -> list[float]:
        """Error of (gyro pitch, gyro yaw) in rad/s and (accel x, accel z) in m/s^2 for the next millisecond."""
        if not self._rows:
            draws = self._random.standard_normal((2, BLOCK, CHANNELS))
            bias = self._bias + np.cumsum(draws[0] * self._walk, axis=0)
            self._bias = bias[-1]
            # Reversed, because a list gives its last element away cheaply.
            self._rows = (bias + draws[1] * self._white)[::-1].tolist()
        return self._rows.pop()


class Sensors:
    """Samples a plant once a millisecond and hands each sample on after the sensors' delay.

    Attributes:
        delay_ms: how old the sample handed on is.
        fresh: a new sample reaches the MCU every millisecond; False once the bus is dead.
        distort: what a broken sensor makes of a sample; None for sound ones.
    """

    def __init__(
        self, robot: Robot, plant: Plant, noise_scale: float, delay_scale: float, random: np.random.Generator
    ) -> None:
        self._plant = plant
        self._noise = InertialNoise(robot, noise_scale, random)
        self._wheel_scale = robot.encoders.wheel_counts_rev / TURN_RAD
        self._wheel_count_rad = TURN_RAD / robot.encoders.wheel_counts_rev
        self._leg_scale = robot.encoders.leg_counts_rev / TURN_RAD
        self._leg_count_rad = TURN_RAD / robot.encoders.leg_counts_rev
        self._imu_x_m = robot.imu.position_x_m - float(plant.base_com_m[0])
        self._imu_z_m = robot.imu.position_z_m - float(plant.base_com_m[2])
        self.delay_ms = round(robot.sensors.delay_s * delay_scale / STEP_S)
        self._line: deque[Reading] = deque(maxlen=self.delay_ms + 1)
        self._velocity = (0.0, 0.0, 0.0)
        self.fresh = True
        self.distort: Callable[[Reading], Reading] | None = None

    def restart(self) -> None:
        """Forgets the last velocity: the plant was placed anew, and that was no acceleration."""
        self._velocity = self._imu_velocity(_axes(self._plant.quaternion))

    def sample_free(self, battery_v: float) -> Reading:
        """Samples a plant that just made a step; returns the sample that is due now."""
        axes = _axes(self._plant.quaternion)
        old_x, old_y, old_z = self._velocity
        new_x, new_y, new_z = self._velocity = self._imu_velocity(axes)
        # Specific force, in the world: acceleration minus gravity.
        x, y, z = (new_x - old_x) / STEP_S, (new_y - old_y) / STEP_S, (new_z - old_z) / STEP_S + GRAVITY_M_S2
        return self._pass(axes, self._plant.angular_velocity_rad_s, x, y, z, battery_v)

    def sample_held(
        self,
        quaternion: tuple[float, float, float, float],
        angular_velocity_rad_s: tuple[float, float, float],
        battery_v: float,
    ) -> Reading:
        """Samples a plant that the hand holds still, or turns at a steady rate; returns the sample that is due now."""
        return self._pass(_axes(quaternion), angular_velocity_rad_s, 0.0, 0.0, GRAVITY_M_S2, battery_v)

    def _imu_velocity(self, axes: Reading) -> tuple[float, float, float]:
        """Velocity of the inertial sensor in world axes: that of the base's centre of mass plus w x r."""
        x0, x1, x2, _, _, _, z0, z1, z2 = axes
        rx, rz = self._imu_x_m, self._imu_z_m
        arm_x, arm_y, arm_z = rx * x0 + rz * z0, rx * x1 + rz * z1, rx * x2 + rz * z2
        wx, wy, wz = self._plant.angular_velocity_rad_s
        vx, vy, vz = self._plant.com_velocity_m_s
        return vx + wy * arm_z - wz * arm_y, vy + wz * arm_x - wx * arm_z, vz + wx * arm_y - wy * arm_x

    def _pass(
        self, axes: Reading, rate: tuple[float, float, float], fx: float, fy: float, fz: float, battery_v: float
    ) -> Reading:
        """Turns rate and specific force into the body's axes, adds the sensors' errors and delays the sample."""
        x0, x1, x2, y0, y1, y2, z0, z1, z2 = axes
        wx, wy, wz = rate
        e0, e1, e2, e3 = self._noise.sample()
        left, right, hip_left, knee_left, hip_right, knee_right = self._plant.joints
        wheel, leg, wheel_rad, leg_rad = self._wheel_scale, self._leg_scale, self._wheel_count_rad, self._leg_count_rad
        sample: Reading = (
            round(left[0] * wheel) * wheel_rad,
            round(right[0] * wheel) * wheel_rad,
            wx * y0 + wy * y1 + wz * y2 + e0,
            wx * z0 + wy * z1 + wz * z2 + e1,
            fx * x0 + fy * x1 + fz * x2 + e2,
            fx * z0 + fy * z1 + fz * z2 + e3,
            round(hip_left[0] * leg) * leg_rad,
            round(knee_left[0] * leg) * leg_rad,
            round(hip_right[0] * leg) * leg_rad,
            round(knee_right[0] * leg) * leg_rad,
            battery_v,
        )
        self._line.append(sample if self.distort is None else self.distort(sample))
        # The oldest sample is the one due; at the start the line fills, and its first sample stands in.
        return self._line[0]


def _axes(quaternion: tuple[float, float, float, float]) -> Reading:
    """The body's axes x, y, z in the world, nine numbers: the columns of the rotation matrix one after another."""
    qx, qy, qz, qw = quaternion
    xx, yy, zz = 2.0 * qx * qx, 2.0 * qy * qy, 2.0 * qz * qz
    xy, xz, yz = 2.0 * qx * qy, 2.0 * qx * qz, 2.0 * qy * qz
    wx, wy, wz = 2.0 * qw * qx, 2.0 * qw * qy, 2.0 * qw * qz
    return 1.0 - yy - zz, xy + wz, xz - wy, xy - wz, 1.0 - xx - zz, yz + wx, xz + wy, yz - wx, 1.0 - xx - yy
