"""The hand that holds the robot until it balances by itself, and picks it up after a fall."""

from __future__ import annotations

import enum
import math

from sim.attitude import Quaternion, Vector, pitch_of, product, turned, yaw_of
from sim.engine import STEP_S, Plant
from sim.sensors import Reading, Sensors

PICK_UP_MS = 1000
"""How long the wheels have been off when the hand reaches for the robot."""
LIFT_MS = 500
"""How long it takes to turn the robot upright; the gyro sees it, so the MCU's attitude follows."""
LYING_RAD = 1.2
TIP_RATE_RAD_S = 1.0
"""How fast the hand tips a robot that is to start from a lean."""

REST: Vector = (0.0, 0.0, 0.0)


class Grip(enum.Enum):
    """What the hand is doing."""

    HOLDING = "holding"
    OFF = "off"
    LIFTING = "lifting"
    TIPPING = "tipping"


class Hand:
    """Holds a robot still, lets go of it, and sets it upright again.

    While it has the robot, physics stand still and the sensors see its pose.

    Attributes:
        grip: what it is doing.
    """

    def __init__(self, plant: Plant, sensors: Sensors, pitch_rad: float) -> None:
        self._plant = plant
        self._sensors = sensors
        self._pitch_rad = pitch_rad
        self._lift_start: Quaternion = (0.0, 0.0, 0.0, 1.0)
        self._lift_rate: Vector = REST
        self._lift_yaw_rad = 0.0
        self._lift_ms = 0
        self._idle_ms = 0
        self._tip_ms = self._tipped_ms = 0
        self._tip_step_rad = self._tip_yaw_rad = 0.0
        self.grip = Grip.HOLDING

    def let_go(self, pitch_rate_rad_s: float, velocity_m_s: float = 0.0) -> None:
        """Leaves the robot to itself, leaning on at the given rate and rolling at the given speed."""
        yaw = yaw_of(self._plant.quaternion)
        pitch_rad = self._pitch_rad
        if self.grip is Grip.TIPPING:
            pitch_rad += self._tipped_ms * self._tip_step_rad
        self._plant.place(pitch_rad, yaw, pitch_rate_rad_s, velocity_m_s)
        self._sensors.restart()
        self._idle_ms = 0
        self.grip = Grip.OFF

    def tip(self, pitch_rad: float) -> None:
        """Begins to lean the robot, about its axle and with its wheels on the floor, until it leans so far."""
        self._tip_ms = max(1, round(abs(pitch_rad - self._pitch_rad) / TIP_RATE_RAD_S / STEP_S))
        self._tip_step_rad = (pitch_rad - self._pitch_rad) / self._tip_ms
        self._tipped_ms = 0
        self._tip_yaw_rad = yaw_of(self._plant.quaternion)
        self.grip = Grip.TIPPING

    def take_back(self) -> None:
        """Stops tipping and sets the robot upright again: the MCU no longer drives."""
        self._start_lift()

    def watch(self, driven: bool) -> bool:
        """One millisecond beside a robot on its own; True when the hand takes it up now.

        Args:
            driven: the MCU drives the wheels.
        """
        idle = not driven or abs(pitch_of(self._plant.quaternion)) > LYING_RAD
        self._idle_ms = self._idle_ms + 1 if idle else 0
        if self._idle_ms < PICK_UP_MS:
            return False
        self._start_lift()
        return True

    def sample(self, battery_v: float) -> tuple[Reading, bool]:
        """One millisecond with the robot in hand: the sensors' sample, and True when its way ends with it."""
        if self.grip is Grip.HOLDING:
            return self._sensors.sample_held(self._plant.quaternion, REST, battery_v), False
        if self.grip is Grip.TIPPING:
            return self._tip_on(battery_v)
        self._lift_ms += 1
        pose = turned(self._lift_start, self._lift_rate, self._lift_ms * STEP_S)
        done = self._lift_ms >= LIFT_MS
        if done:
            self._plant.place(self._pitch_rad, self._lift_yaw_rad)
            self.grip = Grip.HOLDING
        return self._sensors.sample_held(pose, self._lift_rate, battery_v), done

    def _tip_on(self, battery_v: float) -> tuple[Reading, bool]:
        """One millisecond of tipping: wheels that stand on the floor turn back against a body that leans forward."""
        self._tipped_ms += 1
        pitch, yaw = self._pitch_rad + self._tipped_ms * self._tip_step_rad, self._tip_yaw_rad
        rate = self._tip_step_rad / STEP_S
        self._plant.place(pitch, yaw, rate, 0.0, -self._tip_step_rad)
        turning = (-rate * math.sin(yaw), rate * math.cos(yaw), 0.0)
        done = self._tipped_ms >= self._tip_ms
        return self._sensors.sample_held(self._plant.quaternion, turning, battery_v), done

    def _start_lift(self) -> None:
        """Plans the shortest turn, at a steady rate, to the start pose at the present heading."""
        self._lift_start = self._plant.quaternion
        self._lift_yaw_rad = yaw_of(self._lift_start)
        half_yaw, half_pitch = self._lift_yaw_rad / 2, self._pitch_rad / 2
        goal = product(
            (0.0, 0.0, math.sin(half_yaw), math.cos(half_yaw)), (0.0, math.sin(half_pitch), 0.0, math.cos(half_pitch))
        )
        back_x, back_y, back_z, back_w = self._lift_start
        x, y, z, w = product(goal, (-back_x, -back_y, -back_z, back_w))
        if w < 0.0:
            x, y, z, w = -x, -y, -z, -w
        sine = math.sqrt(x * x + y * y + z * z)
        scale = 2.0 * math.atan2(sine, w) / (sine * LIFT_MS * STEP_S) if sine > 0.0 else 0.0
        self._lift_rate = (x * scale, y * scale, z * scale)
        self._lift_ms = 0
        self.grip = Grip.LIFTING
