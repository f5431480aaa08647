"""The text of a new profile: found figures, and defaults that say what has to be measured."""

from __future__ import annotations

import json
from dataclasses import dataclass

from robot_il.control.lqr import GRAVITY_M_S2
from robot_il.robot_body import Body, Names
from robot_il.robot_parts import WHEEL_JOINTS
from robot_il.spec import LIMITS

DEFAULT = "DEFAULT"
"""Word in the comment of every figure that was neither found nor measured."""
TORQUE_SHARE = 0.08
"""Torque that the LQR holds to be as bad as a lean of 0.1 rad, over m g l: the reference robot has 0.09."""
STIFFNESS_1_S2, DAMPING_1_S = 22.0, 4.3
"""Of the heading hold; the reference robot has 21 and 4.2."""
GUESSED_LEAN_RAD = 0.6
"""A drive is guessed to be strong enough for a body that leans this much, half of it each."""


@dataclass(frozen=True)
class Entry:
    """One figure of a profile.

    Attributes:
        section: its table.
        key: its name.
        value: best guess.
        low: smallest plausible value.
        high: largest plausible value.
        comment: where it comes from.
        measure: how to measure it; empty where it was found or is as good as any.
    """

    section: str
    key: str
    value: float
    low: float
    high: float
    comment: str
    measure: str = ""

    @property
    def line(self) -> str:
        """As TOML."""
        mark = f"{DEFAULT}: " if self.measure else ""
        figure = f"{self.key} = {{ value = {self.value:g}, low = {self.low:g}, high = {self.high:g} }}"
        return f"{figure}  # {mark}{self.comment}"


def fill(
    name: str, urdf: str, names: Names, body: Body, imu_m: tuple[float, float] | None
) -> tuple[str, tuple[str, ...]]:
    """The profile's text, and a line for each figure that has to be measured.

    Args:
        name: of the robot.
        urdf: path of its URDF from the profile's folder.
        names: what is what in it.
        body: what it comes down to.
        imu_m: place of the inertial sensor, forward and up from the base's origin, where the URDF tells it.
    """
    entries = [*_wheels(names), *_drive(body), *_legs(names), *_imu(imu_m), *_rest(bool(names.held_rad)), *_law(body)]
    lines = [
        f"# {name}: what its URDF cannot say.",
        "#",
        "# Every figure is { value, low, high } in the unit that ends its name; low to high is the range in which it",
        f"# plausibly lies. {DEFAULT} marks a figure that nobody has measured yet.",
        "",
        f'name = "{name}"',
        f"urdf = {json.dumps(urdf)}",
        "robot_id = 1                # by which its MCU reports; another one for each robot",
        "",
        *_tables(names),
    ]
    for section in dict.fromkeys(entry.section for entry in entries):
        lines += [f"[{section}]", *(entry.line for entry in entries if entry.section == section), ""]
    to_measure = tuple(f"[{entry.section}] {entry.key}: {entry.measure}" for entry in entries if entry.measure)
    return "\n".join(lines).rstrip() + "\n", to_measure


def _tables(names: Names) -> list[str]:
    """What is named and not measured; names are escaped as JSON strings are, which TOML reads."""
    lines = ["[joints]                    # names in the URDF"]
    lines += [f"{key} = {json.dumps(joint)}" for key, joint in zip(WHEEL_JOINTS, names.wheels, strict=True)]
    lines += [f"legs = {json.dumps(list(names.held_rad))}", ""] if names.held_rad else [""]
    if (names.forward, names.up) != ("x", "z"):
        comment = "# axes of the base link; turn forward about if the robot is to drive the other way"
        lines += [f"[frame]                     {comment}", f'forward = "{names.forward}"', f'up = "{names.up}"', ""]
    return lines


def _around(section: str, key: str, value: float, comment: str, measure: str = "", width: float = 3.0) -> Entry:
    value = float(f"{value:.3g}")
    return Entry(section, key, value, float(f"{value / width:.3g}"), float(f"{value * width:.3g}"), comment, measure)


def _wheels(names: Names) -> list[Entry]:
    if names.wheel_radius_m is None:
        return []
    return [_around("wheels", "radius_m", names.wheel_radius_m, "guessed: the mesh cannot be read", "a ruler")]


def _drive(body: Body) -> list[Entry]:
    pendulum = body.pendulum
    tipping = pendulum.body_mass_kg * GRAVITY_M_S2 * pendulum.body_height_m
    torque = min(0.5 * GUESSED_LEAN_RAD * tipping, LIMITS.wheel_torque_nm)
    constant = min(0.4, 24.0 / LIMITS.wheel_speed_rad_s)
    friction = 0.005 * tipping
    return [
        _around("drive", "torque_limit_nm", torque, "one wheel, gear included", "the drive's data sheet"),
        _around("drive", "time_constant_s", 0.003, "of the current loop", "a step on a blocked wheel", 6.0),
        _around("drive", "viscous_friction_nm_s", 0.001 * tipping, "N m s at the wheel", "let the wheel run out", 10.0),
        _around("drive", "coulomb_friction_nm", friction, "at the wheel", "least torque that keeps it turning", 5.0),
        _around("drive", "torque_constant_nm_a", constant, "at the wheel, gear included",
                "battery voltage over the wheel's speed without load"),
        _around("drive", "winding_resistance_ohm", 24.0 * constant / (2.0 * torque), "between the terminals",
                "an ohmmeter", 10.0),
    ]  # fmt: skip


def _legs(names: Names) -> list[Entry]:
    if not names.held_rad:
        return []
    angles = [
        Entry(
            "posture", f"{leg}_rad", angle, -3.2, 3.2, "in the URDF's own sign", "the angle at which the robot stands"
        )
        for leg, angle in names.held_rad.items()
    ]
    return [
        *angles,
        _around("legs", "time_constant_s", 0.01, "of the position drives", "a step of the leg", 5.0),
        _around("legs", "torque_limit_nm", 40.0, "peak", "the leg drive's data sheet", 20.0),
    ]


def _imu(imu_m: tuple[float, float] | None) -> list[Entry]:
    place, ask = imu_m or (0.0, 0.0), "" if imu_m else "a ruler, from the base link's origin"
    return [
        Entry("imu", "position_x_m", place[0], -1.0, 1.0, "forward of the base link's origin", ask),
        Entry("imu", "position_z_m", place[1], -1.0, 2.0, "above it", ask),
        _around("imu", "gyro_noise_rad_s_rthz", 2e-4, "consumer part on a moving robot", width=5.0),
        _around("imu", "gyro_bias_rad_s", 0.003, "left by calibration at rest", width=10.0),
        _around("imu", "gyro_bias_walk_rad_s2_rthz", 3e-5, "consumer part", width=10.0),
        _around("imu", "accel_noise_m_s2_rthz", 5e-3, "consumer part on a moving robot", width=10.0),
        _around("imu", "accel_bias_m_s2", 0.05, "after calibration", width=10.0),
        _around("imu", "accel_bias_walk_m_s3_rthz", 3e-4, "consumer part", width=10.0),
    ]


def _rest(legged: bool) -> list[Entry]:
    counts = "counts a turn of the wheel, gear included"
    legs = [Entry("encoders", "leg_counts_rev", 4096, 100, 1e6, "counts a turn of the joint", "data sheet")]
    return [
        Entry("encoders", "wheel_counts_rev", 4096, 100, 1e6, counts, "data sheet: edges a turn times the gear"),
        *(legs if legged else []),
        Entry("sensors", "delay_s", 0.002, 0.0, 0.01, "sampling to MCU; whole milliseconds count", "the part's filter"),
        Entry("battery", "open_circuit_v", 25.2, LIMITS.battery_low_v, 30.0, "full pack; the MCU stops below "
              f"{LIMITS.battery_low_v:g} V", "a voltmeter"),
        Entry("battery", "resistance_ohm", 0.1, 0.01, 1.0, "cells and wiring", "voltage under a known load"),
        Entry("battery", "idle_current_a", 0.3, 0.0, 5.0, "electronics", "an ammeter"),
        Entry("contact", "friction_1", 0.8, 0.3, 1.2, "rubber on a dry indoor floor, Coulomb coefficient"),
    ]  # fmt: skip


def _law(body: Body) -> list[Entry]:
    """Weights and heading hold that suit a body of this size; the reference robot's, scaled."""
    pendulum = body.pendulum
    torque = TORQUE_SHARE * pendulum.body_mass_kg * GRAVITY_M_S2 * pendulum.body_height_m
    lever = body.yaw_inertia_kg_m2 * pendulum.wheel_radius_m / body.track_m
    same = "as bad as the torque below"
    return [
        _around("lqr", "pitch_rad", 0.1, same, width=10.0),
        _around("lqr", "pitch_rate_rad_s", 1.0, same, width=10.0),
        _around("lqr", "position_m", 0.3, same, width=10.0),
        _around("lqr", "velocity_m_s", 0.6, same, width=10.0),
        _around("lqr", "torque_nm", torque, "both wheels; smaller is slower and bears more delay", width=10.0),
        _around("heading", "gain_nm_rad", STIFFNESS_1_S2 * lever, "both from the robot's inertia in yaw", width=10.0),
        _around("heading", "damping_nm_s_rad", DAMPING_1_S * lever, "see above", width=10.0),
    ]
