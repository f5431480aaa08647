"""The identified figures as a profile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from robot_il.cli.sysid_data import Recordings
from robot_il.robot import Robot
from sim.identification.equations import COULOMB, DELAY, HEIGHT, INERTIA, LAG, SCALE, VISCOUS
from sim.identification.identify import Identified
from sim.identification.noise import Measured, density
from sim.identification.profile_patch import Figure, write_profile

TWIN_LEAD_S = 0.0005
"""The twin's steps of one millisecond let a torque act half a step early; its sensors' delay makes up for it."""
FIGURES = {
    SCALE: ("drive.strength_1", 1.0, 0.0),
    VISCOUS: ("drive.viscous_friction_nm_s", 0.5, 0.0),
    COULOMB: ("drive.coulomb_friction_nm", 0.5, 0.0),
    DELAY: ("sensors.delay_s", 1.0, TWIN_LEAD_S),
    LAG: ("drive.time_constant_s", 1.0, 0.0),
}
"""Index to the profile's name for it, and what it is multiplied by and moved by: friction is of one drive there."""


def write(robot: Robot, out: Path, recordings: Recordings, found: Identified) -> Robot:
    """Writes the profile; what was not found stays as it was.

    Raises:
        ConfigError: it cannot be written, or what was found makes no possible robot.
    """
    source = f"identified from {recordings.seconds:.0f} s of {len(recordings.logs)} recordings; 95 % interval"
    figures = {
        name: _figure(interval, share, moved, source)
        for index, (name, share, moved) in FIGURES.items()
        if (interval := found.interval(index)) is not None
    }
    values = found.fitted.values
    if (height := found.interval(HEIGHT)) is not None:
        middle, low, high = height
        words = f"height of the body's centre of mass, {source}"
        figures["tolerance.com_height_1"] = Figure(1.0, low / middle, high / middle, words)
    return write_profile(robot, out, {**figures, **_noise(recordings)}, float(values[HEIGHT]), float(values[INERTIA]))


def _figure(interval: tuple[float, float, float], share: float, moved: float, source: str) -> Figure:
    value, low, high = (max(0.0, share * end + moved) for end in interval)
    return Figure(value, low, high, source)


def sensor_noise(recordings: Recordings) -> dict[str, Measured | None]:
    """The profile's name to the noise density found at rest; None where the robot never stood still."""
    forward, upward = (density(values, recordings.rest) for values in recordings.accelerometer)
    both = max((found for found in (forward, upward) if found), key=lambda found: found.density, default=None)
    return {"imu.gyro_noise_rad_s_rthz": density(recordings.gyro, recordings.rest), "imu.accel_noise_m_s2_rthz": both}


def _noise(recordings: Recordings) -> Mapping[str, Figure]:
    return {
        name: Figure(found.density, found.low, found.high, f"identified from {found.samples} samples at rest")
        for name, found in sensor_noise(recordings).items()
        if found is not None and found.density > 0.0
    }
