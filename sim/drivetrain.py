"""Wheel drives with more than their electronics: windings that warm up, gears, cogging, friction that sticks."""

from __future__ import annotations

import math

from robot_il.robot import Drive, Robot
from sim.actuators import WheelDrives
from sim.conditions import Conditions
from sim.engine import Plant
from sim.shaft import Shaft
from sim.winding import Winding


def make_drives(robot: Robot, conditions: Conditions, plant: Plant, step_s: float) -> WheelDrives:
    """The drives of a robot, with only those effects in them that its profile has.

    Args:
        robot: profile.
        conditions: of the episode.
        plant: whose wheels they turn.
        step_s: of the world.

    Raises:
        ConfigError: figures that contradict each other.
    """
    if _is_plain(robot.drive):
        return WheelDrives(robot, conditions.motor_strength_scale, step_s)
    return Drivetrain(robot, conditions, plant, step_s)


def _is_plain(drive: Drive) -> bool:
    """Whether the profile has none of the effects that cost time in every step."""
    return not (
        math.isfinite(drive.regeneration_limit_a)
        or drive.thermal_resistance_k_w
        or drive.gear_efficiency_1 != 1.0
        or drive.rotor_inertia_kg_m2
        or drive.backlash_rad
        or drive.cogging_nm
        or drive.static_friction_nm > drive.coulomb_friction_nm
    )


class Drivetrain(WheelDrives):
    """Both drives, from the MCU's demand over current, winding, rotor and gear to the wheels.

    Attributes:
        windings: left and right.
        shafts: left and right.
        geared: their rotors turn on their own.
    """

    def __init__(self, robot: Robot, conditions: Conditions, plant: Plant, step_s: float) -> None:
        super().__init__(robot, conditions.motor_strength_scale, step_s)
        drive = robot.drive
        self._plant = plant
        wheel_inertia = 0.5 * robot.pendulum.wheel_inertia_kg_m2 * conditions.mass_scale
        self.windings = Winding(drive, step_s), Winding(drive, step_s)
        self.shafts = Shaft(drive, wheel_inertia, step_s), Shaft(drive, wheel_inertia, step_s)
        self._motor_nm = [0.0, 0.0]
        self._regenerated_w = drive.regeneration_limit_a * robot.battery.open_circuit_v
        self._cogging_nm, self._cogs_1 = drive.cogging_nm, drive.cogging_periods_rev
        self._rub = _Stribeck(drive, conditions.friction_scale) if _breaks_away(drive) else None
        self.geared = bool(drive.rotor_inertia_kg_m2)

    def reset(self) -> None:
        """Lets both torques go to zero at once; the windings stay as warm as they are."""
        super().reset()
        self._motor_nm[:] = 0.0, 0.0
        self.align()

    def align(self) -> None:
        """Lets the rotors turn with their wheels, in the middle of the play."""
        for shaft, joint in zip(self.shafts, self._plant.joints, strict=False):
            shaft.reset(joint)

    def step(self, demand_left_nm: float, demand_right_nm: float, rate_left: float, rate_right: float) -> None:
        """Moves on by one step; see ``WheelDrives.step``."""
        left, right = self._plant.joints[:2]
        (left_winding, right_winding), (left_shaft, right_shaft) = self.windings, self.shafts
        motor_left, motor_right = rate_left, rate_right
        if self.geared:
            motor_left, motor_right = left_shaft.rate, right_shaft.rate
        demand_left_nm = self._admit(demand_left_nm, motor_left, left_winding.share)
        demand_right_nm = self._admit(demand_right_nm, motor_right, right_winding.share)
        self.left_nm, self.right_nm = self._motor_nm
        super().step(demand_left_nm, demand_right_nm, motor_left, motor_right)
        self._motor_nm[:] = self.left_nm, self.right_nm
        left_winding.warm(self.left_nm / self._k)
        right_winding.warm(self.right_nm / self._k)
        self.left_nm = left_shaft.transmit(self.left_nm + self._cog(left[0]), left)
        self.right_nm = right_shaft.transmit(self.right_nm + self._cog(right[0]), right)
        if self._rub is not None:
            self._plant.rub(self._rub(rate_left), self._rub(rate_right))

    def _admit(self, demand_nm: float, rate: float, share: float) -> float:
        """The demand, cut to what a warm winding may take and to what the battery may be fed."""
        limit = share * self.limit_nm
        demand_nm = max(-limit, min(limit, demand_nm))
        # Power from the battery: T w + R/k^2 T^2. It feeds back between T = 0 and T = -w k^2/R, most in the middle.
        room = rate * rate - 4.0 * self._copper_w_nm2 * self._regenerated_w
        if room <= 0.0 or demand_nm * rate >= 0.0:
            return demand_nm
        least = 0.5 * (abs(rate) - math.sqrt(room)) / self._copper_w_nm2
        most = 0.5 * (abs(rate) + math.sqrt(room)) / self._copper_w_nm2
        return math.copysign(least, demand_nm) if least < abs(demand_nm) < most else demand_nm

    def _cog(self, angle_rad: float) -> float:
        return self._cogging_nm * math.sin(self._cogs_1 * angle_rad)


class _Stribeck:
    """Friction of a wheel's joint by its speed: Coulomb's, and more near rest.

    c + (s - c) exp(-|w| / w_0) (Armstrong-Hélouvry, Dupont and Canudas de Wit, "A survey of models, analysis tools and
    compensation methods for the control of machines with friction", Automatica 30(7), 1994, the form of Bo and
    Pavelescu with an exponent of 1). The engine holds the wheel with it, so that a resting one still sticks.
    """

    def __init__(self, drive: Drive, scale: float) -> None:
        self._coulomb_nm = scale * drive.coulomb_friction_nm
        self._above_nm = scale * (drive.static_friction_nm - drive.coulomb_friction_nm)
        self._slow_rad_s = drive.stribeck_rad_s

    def __call__(self, rate: float) -> float:
        """Friction in N m at a speed in rad/s."""
        return self._coulomb_nm + self._above_nm * math.exp(-abs(rate) / self._slow_rad_s)


def _breaks_away(drive: Drive) -> bool:
    return drive.static_friction_nm > drive.coulomb_friction_nm
