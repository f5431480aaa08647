"""The figures of a robot as the twin, the LQR and the firmware take them, for a person."""

from __future__ import annotations

import math

import numpy as np

from robot_il.cli.robot_margins import catchable_lean_rad, delay_margin_s, torque_at
from robot_il.control.lqr import linear_dynamics, lqr_gain
from robot_il.control.region_catch import loop_delay_s
from robot_il.robot import LEG_JOINTS, Robot
from robot_il.spec import LIMITS, Param
from robot_il.tasks import TASKS

TENTH_RAD = 0.1


def table(robot: Robot) -> list[tuple[str, str]]:
    """Name and text of each figure, in the order in which they are printed."""
    return [*_body(robot), *_motion(robot), *_firmware(robot)]


def _body(robot: Robot) -> list[tuple[str, str]]:
    pendulum = robot.pendulum
    legs = ", ".join(
        f"{name} {angle:.3f} rad" + ("" if name in LEG_JOINTS else " (not reported)")
        for name, angle in robot.held_rad.items()
    )
    left, right = robot.body.wheel_joints
    return [
        ("robot", f"{robot.name}, profile {robot.sha256[:12]}, {robot.path}"),
        ("base", f"link {robot.chain.base!r} of {robot.urdf_path.name}, {len(robot.chain.links)} links"),
        ("wheels", f"left {left.urdf_name!r}, right {right.urdf_name!r}"),
        ("legs", legs or "none; STATE reports hips and knees as 0"),
        ("height", heights(robot)),
        ("mass", f"{robot.mass_kg:.4g} kg: body {pendulum.body_mass_kg:.4g}, wheels {pendulum.wheel_mass_kg:.4g}"),
        ("wheel", f"radius {pendulum.wheel_radius_m:.4g} m, both {pendulum.wheel_inertia_kg_m2:.4g} kg m^2, track "
                  f"{robot.body.track_m:.4g} m"),
        ("body", f"centre of mass {pendulum.body_height_m:.4g} m above the axle, {pendulum.body_inertia_kg_m2:.4g} "
                 f"kg m^2 in pitch, {robot.body.yaw_inertia_kg_m2:.4g} kg m^2 in yaw"),
    ]  # fmt: skip


def heights(robot: Robot) -> str:
    """How high its base is above its axle, and how far its legs can move it."""
    low, high = robot.heights_m
    return f"base {robot.height_m:.4f} m above the axle" + (f", from {low:.4f} to {high:.4f} m" if low < high else "")


def _motion(robot: Robot) -> list[tuple[str, str]]:
    gain = lqr_gain(robot, TASKS["stand"])
    unstable = float(np.linalg.eigvals(linear_dynamics(robot.pendulum)[0]).real.max())
    lean = min(catchable_lean_rad(robot), LIMITS.tilt_rad)
    top = min(robot.battery.open_circuit_v / robot.drive.torque_constant_nm_a, LIMITS.wheel_speed_rad_s)
    return [
        ("falls", f"e-fold in {1000 / unstable:.0f} ms"),
        ("gain", " ".join(f"{value:.4g}" for value in gain) + f" over {', '.join(TASKS['stand'].observation)}"),
        ("answers", f"a lean of {TENTH_RAD:g} rad with {abs(gain[0]) * TENTH_RAD:.3g} N m"),
        ("delay", f"{1000 * loop_delay_s(robot):.0f} ms, stable up to {1000 * delay_margin_s(robot, gain):.0f} ms"),
        ("torque", f"{torque_at(robot, 0.0):.3g} N m a wheel, catches {math.degrees(lean):.1f} degrees at rest"),
        ("top speed", f"{top * robot.pendulum.wheel_radius_m:.2f} m/s"),
    ]


def _firmware(robot: Robot) -> list[tuple[str, str]]:
    """What its MCU has to know: constants of the board, and limits that may be tightened to the drives' own."""
    limit = min(robot.drive.torque_limit_nm, LIMITS.wheel_torque_nm)
    low, high = robot.heights_m
    told = f", height_low_m {low:.6g}, height_high_m {high:.6g}, height_m {robot.height_m:.6g}"
    return [
        ("board", f"robot_id {robot.robot_id}, wheel_radius_m {robot.pendulum.wheel_radius_m:.6g}{told}"),
        ("parameter", f"{Param.WHEEL_TORQUE_NM.name} {limit:.4g} (the firmware permits {LIMITS.wheel_torque_nm:g})"),
    ]
