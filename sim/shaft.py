"""What lies between a motor's torque and the wheel: the rotor's inertia, the gear's play and what it swallows."""

from __future__ import annotations

from collections.abc import Sequence

from robot_il.errors import ConfigError
from robot_il.robot import Drive

STIFFNESS_SHARE = 0.8
"""Of what the step can bear. With stiffness a and damping b of a spring between two masses, in units of their reduced
mass and the step, the semi-implicit Euler step is stable for a < 4 - 2 b; with 0.8 each its poles are at 0.45."""
SLOW_RAD_S = 0.05
"""Below this speed the gear's loss fades: at rest a gear passes on what it is given."""


class Shaft:
    """One gear, as felt at the wheel: rotor and wheel turn each on their own and push each other where they touch.

    With the rotor ahead of the wheel by a twist d, and a play g from stop to stop, the torque between them is

        k (d - g/2) + c d'  for d > g/2,  k (d + g/2) + c d'  for d < -g/2,  0 in between,

    and it never pulls: the dead-zone model of Nordin and Gutman, "Controlling mechanical systems with backlash - a
    survey", Automatica 38(10), 2002. Real teeth are stiffer than a step of a millisecond bears, so k and c are as
    large as it allows, a stand-in for rigid ones. What the gear swallows is a share: a wheel that is driven gets the
    efficiency times what the motor gives, a wheel that drives the motor is held by its torque over the efficiency.

    Attributes:
        angle_rad: of the rotor, over the gear's ratio, against the body.
        rate: its speed, in rad/s.
    """

    def __init__(self, drive: Drive, wheel_inertia_kg_m2: float, step_s: float) -> None:
        """Builds the gear.

        Args:
            drive: its figures.
            wheel_inertia_kg_m2: of one wheel about its axle.
            step_s: of the world.

        Raises:
            ConfigError: play without a rotor, or an efficiency that no gear has.
        """
        self._inertia = inertia = drive.reflected_inertia_kg_m2
        self._step_s = step_s
        self._half_gap_rad = 0.5 * drive.backlash_rad
        self._efficiency = drive.gear_efficiency_1
        if drive.backlash_rad and not inertia:
            raise ConfigError(
                "rotor_inertia_kg_m2 in [drive], where there is backlash_rad", "none", "state the rotor's inertia"
            )
        if not 0.0 < self._efficiency <= 1.0:
            raise ConfigError("a gear_efficiency_1 in [drive] above 0, up to 1", f"{self._efficiency:g}", "correct it")
        reduced = inertia * wheel_inertia_kg_m2 / (inertia + wheel_inertia_kg_m2) if inertia else 0.0
        self._stiffness_nm_rad = STIFFNESS_SHARE * reduced / step_s**2
        self._damping_nm_s_rad = STIFFNESS_SHARE * reduced / step_s
        self.angle_rad = 0.0
        self.rate = 0.0
        self.transmit = self._touch if inertia else self._rigid

    def reset(self, joint: Sequence[float]) -> None:
        """The rotor turns with its wheel, in the middle of the play.

        Args:
            joint: the wheel's (angle in rad, rate in rad/s, ...) against the body.
        """
        self.angle_rad, self.rate = joint[0], joint[1]

    def _rigid(self, motor_nm: float, joint: Sequence[float]) -> float:
        """Torque at the wheel for the motor's, without a rotor of its own."""
        return self._lossy(motor_nm, joint[1])

    def _touch(self, motor_nm: float, joint: Sequence[float]) -> float:
        """Torque at the wheel over a step, in which the rotor moves on."""
        twist, half = self.angle_rad - joint[0], self._half_gap_rad
        if twist > half:
            spring = self._stiffness_nm_rad * (twist - half)
            torque = max(0.0, spring + self._damping_nm_s_rad * (self.rate - joint[1]))
        elif twist < -half:
            spring = self._stiffness_nm_rad * (twist + half)
            torque = min(0.0, spring + self._damping_nm_s_rad * (self.rate - joint[1]))
        else:
            torque = 0.0
        self.rate += (motor_nm - torque) * self._step_s / self._inertia
        self.angle_rad += self.rate * self._step_s
        return self._lossy(torque, joint[1])

    def _lossy(self, torque_nm: float, rate: float) -> float:
        if self._efficiency == 1.0:
            return torque_nm
        way = rate / SLOW_RAD_S if torque_nm > 0.0 else -rate / SLOW_RAD_S
        return torque_nm * self._efficiency ** min(1.0, max(-1.0, way))
