"""How far an episode's robot is from its profile: as identified, as is plausible, as usual or not at all."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot import Robot

WIDTHS = ("usual", "identified", "plausible", "none")
"""Where a draw's ranges come from; the first is what an evaluation takes unless told otherwise."""
USUAL = {
    "mass_scale": (0.9, 1.1),
    "com_height_scale": (0.92, 1.08),
    "friction_scale": (0.5, 2.0),
    "motor_strength_scale": (0.85, 1.15),
    "sensor_noise_scale": (0.5, 2.0),
    "delay_scale": (0.5, 2.0),
}
"""Scales of the conditions, in the order in which they are drawn, each uniform in its range."""
GROUPS = {
    "mass_scale": ("tolerance.mass_1",),
    "com_height_scale": ("tolerance.com_height_1",),
    "friction_scale": ("drive.viscous_friction_nm_s", "drive.coulomb_friction_nm"),
    "motor_strength_scale": ("drive.strength_1",),
    "sensor_noise_scale": (
        "imu.gyro_noise_rad_s_rthz", "imu.accel_noise_m_s2_rthz", "imu.gyro_bias_rad_s", "imu.accel_bias_m_s2",
        "imu.gyro_bias_walk_rad_s2_rthz", "imu.accel_bias_walk_m_s3_rthz",
    ),
    "delay_scale": ("sensors.delay_s",),
}  # fmt: skip
"""The figures of a profile that a scale multiplies."""
ALONE = (
    *("drive.time_constant_s", "drive.torque_constant_nm_a", "drive.winding_resistance_ohm", "drive.backlash_rad"),
    *("drive.gear_efficiency_1", "drive.rotor_inertia_kg_m2", "drive.cogging_nm", "drive.static_friction_nm"),
    *("imu.mount_roll_rad", "imu.mount_pitch_rad", "imu.mount_yaw_rad", "imu.gyro_scale_1", "imu.accel_scale_1"),
    *("imu.misalignment_rad", "imu.delay_s", "encoders.wheel_count_loss_1", "battery.resistance_ohm"),
    *("contact.friction_1", "contact.rolling_resistance_1", "link.to_host_s", "link.to_mcu_s", "link.jitter_s"),
)
"""Figures that no scale multiplies and that parts of one kind differ in."""
LIKELY = 1.959964
"""Half a 95 % interval over its standard deviation, for a normal distribution."""
FARTHEST = 3.0
"""Draws beyond so many standard deviations are made anew."""
DECADE = 3.0
"""A range of a figure above 0 that is wider than this factor is uniform in the logarithm."""

_TOLERANCE = "tolerance"
Drawn = tuple[dict[str, float], tuple[tuple[str, float], ...]]


def draw_robot(robot: Robot, random: np.random.Generator, width: str) -> Drawn:
    """Draws how an episode's robot differs from its profile.

    ``usual``: the scales, uniform in ``USUAL``. ``identified``: a figure with an identified interval from that, and
    what has none as usual. An estimate by least squares is nearly normal about the truth, so the draw is normal about
    the value, with the standard deviations that make the interval's two sides those of 95 %, cut at three of them.
    ``plausible``: every figure that the profile gives a range, anywhere in it: only its ends are known, so uniformly,
    in the logarithm where it spans more than a factor of three from above 0. ``none``: the profile as it is.

    Args:
        robot: profile.
        random: moved on alike whatever the width, as far as the usual draws go.
        width: one of ``WIDTHS``.

    Returns:
        scales for ``Conditions``, and other figures for it.

    Raises:
        ConfigError: another width.
    """
    if width not in WIDTHS:
        raise ConfigError(f"randomisation out of {', '.join(WIDTHS)}", repr(width), "choose one of them")
    usual = {name: float(random.uniform(low, high)) for name, (low, high) in USUAL.items()}
    if width == "usual":
        return usual, ()
    if width == "none":
        return dict.fromkeys(usual, 1.0), ()
    if width == "identified":
        return _grouped(robot, usual, lambda name: _near(robot, name, random), robot.identified)
    return _grouped(robot, usual, lambda name: _anywhere(robot, name, random), frozenset(robot.ranges))


def _grouped(robot: Robot, usual: dict[str, float], draw: Callable[[str], float], known: frozenset[str]) -> Drawn:
    """Draws the known figures; where a scale concerns some of them, it is spent on the others of its group."""
    scales, figures = dict(usual), []
    for scale, group in GROUPS.items():
        if not known.intersection(group):
            continue
        scales[scale] = 1.0
        for name in group:
            value = draw(name) if name in known else figure(robot, name) * usual[scale]
            if name.startswith(_TOLERANCE):
                scales[scale] = value
            else:
                figures.append((name, value))
    figures += [(name, draw(name)) for name in ALONE if name in known]
    return scales, tuple(figures)


def figure(robot: Robot, name: str) -> float:
    """The value of "section.figure" in a profile."""
    section, _, key = name.partition(".")
    return float(getattr(getattr(robot, section), key))


def _near(robot: Robot, name: str, random: np.random.Generator) -> float:
    """Normal about the value, each side as wide as its side of the 95 % interval, cut at ``FARTHEST``."""
    value, (low, high) = figure(robot, name), robot.ranges[name]
    deviations = math.inf
    while abs(deviations) > FARTHEST:
        deviations = float(random.standard_normal())
    drawn = value + deviations / LIKELY * (high - value if deviations > 0.0 else value - low)
    return max(drawn, min(0.0, low))


def _anywhere(robot: Robot, name: str, random: np.random.Generator) -> float:
    """Anywhere in the plausible range."""
    low, high = robot.ranges[name]
    share = float(random.uniform())
    if low > 0.0 and high > DECADE * low:
        return float(low * (high / low) ** share)
    return low + (high - low) * share
