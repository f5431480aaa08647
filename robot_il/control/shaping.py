"""From a wanted total torque to the torques of both wheels: the host's limits, and the heading.

What the guard does with whatever a controller asks for, kept apart from it, so that whoever stands in for the host (an
environment in which a policy learns) shapes torques as the robot's own loop does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from robot_il.robot import Robot
from robot_il.spec import CONTROL_RATE_HZ, LIMITS, TORQUE_LIMIT_NM

LARGEST_YAW_LAG_RAD = 0.5
"""Farthest that the heading to be held runs ahead of the robot's while it turns."""


@dataclass(frozen=True)
class GuardLimits:
    """The host's limits, inside those of the MCU.

    Attributes:
        torque_nm: largest total torque.
        torque_slew_nm_s: fastest change of the total torque; also what makes a hand-over bumpless.
        tilt_rad: beyond this lean nothing on the host can help.
        switch_margin: the fallback takes over when the margin that is left once its torque takes hold is below this.
        regain_margin: the margin above which the robot counts as calm.
        switch_tilt_rad: without a region, the fallback takes over when the lean, predicted ``lookahead_s`` ahead,
            exceeds this, and a lean under half of it counts as calm; infinite where a policy is to be judged alone,
            with or without a region.
        lookahead_s: how far ahead the lean is predicted from its rate.
        regain_s: how long the robot must stay calm before the controller gets it back.
        max_rescues: how often the controller may leave the region, or be late, and get the robot back; after that the
            fallback keeps it.
        settle_s: longest time the fallback takes to come to rest before a safe stop.
        yaw_gain_nm_rad: heading hold, torque difference per rad of heading error.
        yaw_damping_nm_s_rad: heading hold, torque difference per rad/s.
    """

    torque_nm: float = TORQUE_LIMIT_NM
    torque_slew_nm_s: float = 800.0
    tilt_rad: float = 0.6
    switch_margin: float = 0.25
    regain_margin: float = 0.5
    switch_tilt_rad: float = 0.25
    lookahead_s: float = 0.1
    regain_s: float = 1.0
    max_rescues: int = 3
    settle_s: float = 2.0
    yaw_gain_nm_rad: float = 1.0
    yaw_damping_nm_s_rad: float = 0.2


def limits_for(robot: Robot, limits: GuardLimits | None = None) -> GuardLimits:
    """Limits narrowed to what a robot's drives can give, with the heading hold that suits it.

    Args:
        robot: its profile.
        limits: None for the usual ones.
    """
    limits = limits or GuardLimits()
    return replace(
        limits,
        torque_nm=min(limits.torque_nm, 2.0 * robot.drive.torque_limit_nm),
        yaw_gain_nm_rad=robot.heading.gain_nm_rad,
        yaw_damping_nm_s_rad=robot.heading.damping_nm_s_rad,
    )


class TorqueShaper:
    """Limits one total torque after another, and splits each between the wheels so that the heading is held.

    Args:
        limits: the host's limits.
        rate_hz: of the torques.

    Attributes:
        last_nm: the total torque that was let through last.
    """

    def __init__(self, limits: GuardLimits, rate_hz: int = CONTROL_RATE_HZ) -> None:
        self._limits = limits
        self._rate_hz = rate_hz
        self.reset()

    def reset(self) -> None:
        """Begins anew from no torque; the next heading is the one that is held."""
        self.last_nm = 0.0
        self._yaw_reference = math.nan

    def limit(self, torque: float) -> float:
        """A total torque in N m within the limits of size and change; that of the next call may differ from this one.

        Args:
            torque: asked for, in N m; finite.
        """
        last, limit = self.last_nm, self._limits.torque_nm
        step = self._limits.torque_slew_nm_s / self._rate_hz
        self.last_nm = limited = min(max(torque, last - step, -limit), last + step, limit)
        return limited

    def split(self, yaw: float, yaw_rate: float, total: float, yaw_rate_wanted: float = 0.0) -> tuple[float, float]:
        """Torque in N m of the left and of the right wheel.

        Half to each, and a small difference that holds the heading or turns it.

        Args:
            yaw: heading in rad, left positive.
            yaw_rate: its rate in rad/s.
            total: torque in N m, within the limits.
            yaw_rate_wanted: how fast the robot is to turn, in rad/s; 0 holds the heading.
        """
        reference = yaw if math.isnan(self._yaw_reference) else self._yaw_reference
        if yaw_rate_wanted:
            # a robot that is held goes on from where it is, and does not spin after a heading that ran away from it
            ahead = reference + yaw_rate_wanted / self._rate_hz
            reference = min(max(ahead, yaw - LARGEST_YAW_LAG_RAD), yaw + LARGEST_YAW_LAG_RAD)
        self._yaw_reference = reference
        turn = self._limits.yaw_gain_nm_rad * (reference - yaw)
        turn += self._limits.yaw_damping_nm_s_rad * (yaw_rate_wanted - yaw_rate)
        room = LIMITS.wheel_torque_nm - abs(0.5 * total)
        turn = min(max(turn, -room), room)
        return 0.5 * total - turn, 0.5 * total + turn
