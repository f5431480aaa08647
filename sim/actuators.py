"""From the torque that the MCU demands to the torque at the wheel: supply, limit, lag; and the battery's share."""

from __future__ import annotations

import math
from collections.abc import Callable

from robot_il.robot import Robot


class WheelDrives:
    """Both wheel drives and the battery that feeds them, in steps of constant demand.

    A drive delivers at most its torque limit and, in the direction of motion, what the voltage left by the back-EMF can
    push through the winding: k (U - k w) / R. What it delivers follows with a first-order lag. Friction is in the
    plant, where the contact solver can hold a wheel still by it.

    Attributes:
        left_nm: torque delivered to the left wheel.
        right_nm: torque delivered to the right wheel.
        acting_nm: demand of (left, right) that the drives acted on in the last step; not zero is a driven wheel.
        battery_v: voltage at the drives.
        limit_nm: largest torque of either drive, by its own limit and by that of its current.
        open_circuit_v: of the battery.
        distort: what a broken drive makes of the demand; None for a sound one.
    """

    def __init__(self, robot: Robot, strength_scale: float, step_s: float) -> None:
        drive, battery = robot.drive, robot.battery
        self.limit_nm = min(drive.torque_limit_nm, drive.torque_constant_nm_a * drive.current_limit_a)
        self._keep = math.exp(-step_s / drive.time_constant_s)
        self._take = (1.0 - self._keep) * strength_scale * drive.strength_1
        self._k = drive.torque_constant_nm_a
        self._stall_nm_v = drive.torque_constant_nm_a / drive.winding_resistance_ohm
        self._copper_w_nm2 = drive.winding_resistance_ohm / drive.torque_constant_nm_a**2
        self.open_circuit_v = battery.open_circuit_v
        self._resistance_ohm = battery.resistance_ohm
        self._idle_a = battery.idle_current_a
        self.left_nm = 0.0
        self.right_nm = 0.0
        self.acting_nm = (0.0, 0.0)
        self.distort: Callable[[float, float], tuple[float, float]] | None = None
        self.battery_v = battery.open_circuit_v - battery.resistance_ohm * battery.idle_current_a

    def reset(self) -> None:
        """Lets both torques go to zero at once."""
        self.left_nm = self.right_nm = 0.0
        self.acting_nm = (0.0, 0.0)

    def align(self) -> None:
        """Lets the rotors turn with their wheels, where they have a motion of their own."""

    def step(self, demand_left_nm: float, demand_right_nm: float, rate_left: float, rate_right: float) -> None:
        """Moves ``left_nm``, ``right_nm`` and ``battery_v`` on by one step.

        Args:
            demand_left_nm: torque demanded of the left wheel over the step.
            demand_right_nm: of the right wheel.
            rate_left: speed of the left wheel against the shank, in rad/s.
            rate_right: of the right wheel.
        """
        if self.distort is not None:
            demand_left_nm, demand_right_nm = self.distort(demand_left_nm, demand_right_nm)
        self.acting_nm = demand_left_nm, demand_right_nm
        limit, keep, take = self.limit_nm, self._keep, self._take
        room_nm = self._stall_nm_v * (self.battery_v - self._k * max(abs(rate_left), abs(rate_right)))
        if room_nm < limit or not -limit <= demand_left_nm <= limit or not -limit <= demand_right_nm <= limit:
            demand_left_nm = self._cut(demand_left_nm, rate_left)
            demand_right_nm = self._cut(demand_right_nm, rate_right)
        left = self.left_nm = keep * self.left_nm + take * demand_left_nm
        right = self.right_nm = keep * self.right_nm + take * demand_right_nm
        power_w = left * rate_left + right * rate_right + self._copper_w_nm2 * (left * left + right * right)
        self.battery_v = self.open_circuit_v - self._resistance_ohm * (self._idle_a + power_w / self.open_circuit_v)

    def _cut(self, demand_nm: float, rate: float) -> float:
        """The demand, cut to the torque limit and to what the voltage can drive in the direction of motion."""
        forward = min(self.limit_nm, max(0.0, self._stall_nm_v * (self.battery_v - self._k * rate)))
        backward = min(self.limit_nm, max(0.0, self._stall_nm_v * (self.battery_v + self._k * rate)))
        return max(-backward, min(forward, demand_nm))
