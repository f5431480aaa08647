"""What cannot be right in a robot's profile: units, masses, places, and a drive or a law too weak to balance it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from robot_il.cli.robot_margins import catchable_lean_rad, delay_margin_s, poles, torque_at
from robot_il.cli.robot_show import heights
from robot_il.cli.robot_template import DEFAULT
from robot_il.control.lqr import linear_dynamics, lqr_gain
from robot_il.control.region_catch import loop_delay_s
from robot_il.control.region_file import load_region
from robot_il.errors import ConfigError
from robot_il.robot import WHEEL_JOINTS, Robot
from robot_il.robot_body import MAX_COM_OFFSET_RAD
from robot_il.robot_postures import holding_torques_nm
from robot_il.spec import LIMITS
from robot_il.tasks import TASKS
from robot_il.urdf_chain import Shape

OK, WARN, FAIL = "ok", "warn", "fail"
WALKING_M_S = 0.5
"""Slowest top speed of a robot that is to recover from a push."""
LEAN_RAD = 0.2
"""A robot that cannot be caught from here falls at the first push; from half of it, at the first bump."""
HEAVIEST_KG, LIGHTEST_KG = 300.0, 0.05
LARGEST_WHEEL_M, SMALLEST_WHEEL_M = 0.5, 0.01
LARGEST_TURN_LAG = 0.5
"""Rate of the heading loop's damping times its delay: at pi/2 it would oscillate for ever."""


@dataclass(frozen=True)
class Line:
    """One thing looked at.

    Attributes:
        verdict: ``ok``, ``warn`` or ``fail``.
        name: what was looked at.
        text: what was found.
        remedy: what to do about it.
    """

    verdict: str
    name: str
    text: str
    remedy: str


def check_robot(robot: Robot) -> list[Line]:
    """Looks at a profile that could be loaded from all sides."""
    return [line for look in _LOOKS for line in look(robot)]


def _graded(good: bool, fair: bool, name: str, text: str, remedy: str) -> Line:
    return Line(OK if good else WARN if fair else FAIL, name, text, remedy)


def _units(robot: Robot) -> Iterator[Line]:
    mass, radius, track = robot.mass_kg, robot.pendulum.wheel_radius_m, robot.body.track_m
    yield _graded(
        LIGHTEST_KG <= mass <= HEAVIEST_KG, False, "mass",
        f"{mass:.3g} kg in all, wheels {robot.pendulum.wheel_mass_kg:.3g} kg",
        "a URDF's masses are in kg: are these grams?" if mass > HEAVIEST_KG else "weigh the robot",
    )  # fmt: skip
    yield _graded(
        SMALLEST_WHEEL_M <= radius <= LARGEST_WHEEL_M, False, "wheel radius", f"{radius:.4g} m",
        "a URDF's lengths are in m: are these millimetres? A mesh wants scale 0.001 0.001 0.001"
        if radius > LARGEST_WHEEL_M else "give the wheel's outer radius",
    )  # fmt: skip
    yield _graded(
        track > 0.5 * radius, track > 0.1 * radius, "track", f"{track:.4g} m between the wheels",
        "check the origins of the wheel joints",
    )  # fmt: skip


def _inertias(robot: Robot) -> Iterator[Line]:
    """The radius of gyration of a link may not be larger than the link, as far as its shapes tell how large that is."""
    for link in robot.chain.links.values():
        shapes = [*link.collisions, *link.visuals]
        if link.mass_kg == 0.0 and link.collisions:
            yield Line(
                WARN, f"inertia {link.name}", "no mass, but a shape", "weigh it, unless it counts with another link"
            )
        corners = [corner for shape in shapes if shape.size_m for corner in _corners(shape)]
        if link.mass_kg == 0.0 or not corners:
            continue
        reach = max(float(np.linalg.norm(corner - link.com_m)) for corner in corners)
        gyration = math.sqrt(float(np.trace(link.inertia_kg_m2)) / 2.0 / link.mass_kg)
        text = f"as if {gyration:.3g} m from its centre of mass on the average, drawn up to {reach:.3g} m from it"
        yield _graded(
            0.1 * reach < gyration <= reach, gyration <= 3.0 * reach, f"inertia {link.name}", text,
            "check the unit of the inertia (kg m^2), and the centre of mass",
        )  # fmt: skip


def _corners(shape: Shape) -> Iterator[np.ndarray]:
    edges = {"sphere": shape.size_m * 3, "cylinder": (*shape.size_m[:1] * 2, 0.5 * shape.size_m[-1])}
    halves = edges.get(shape.kind) or tuple(0.5 * edge for edge in shape.size_m)
    for signs in itertools.product((-1.0, 1.0), repeat=3):
        yield shape.origin_m + shape.rotation @ (np.array(signs) * np.array(halves))


def _balance(robot: Robot) -> Iterator[Line]:
    chain, held = robot.chain, robot.held_rad
    poses = chain.poses(held)
    wheels = {link for joint in robot.body.wheel_joints for link in chain.rigid(joint.child)}
    _, com, _ = chain.mass_properties(held, tuple(name for name in chain.links if name not in wheels))
    axle = np.mean([poses[joint.child][1] for joint in robot.body.wheel_joints], axis=0)
    lean = math.atan2(com[0] - axle[0], com[2] - axle[2])
    yield _graded(
        abs(lean) <= 0.5 * MAX_COM_OFFSET_RAD, True, "centre of mass",
        f"{com[2] - axle[2]:.4f} m above the axle, {1000 * (com[0] - axle[0]):.1f} mm ahead: leans by {lean:.4f} rad",
        "check the masses and where they are, or the nominal posture",
    )  # fmt: skip
    aside = float(com[1] - axle[1])
    yield _graded(
        abs(aside) <= 0.02 * robot.body.track_m, abs(aside) <= 0.1 * robot.body.track_m, "left and right",
        f"centre of mass {1000 * aside:.1f} mm to the left of the middle", "balance the masses, or it leans and pulls",
    )  # fmt: skip
    for name, joint in zip(WHEEL_JOINTS, robot.body.wheel_joints, strict=True):
        way = "as the URDF has it" if joint.sign > 0 else "against the URDF, whose axis points to the right"
        yield Line(OK, name, f"{joint.urdf_name!r} rolls forward for positive angles, {way}", "")
    low, lowest = min(map(_lowest, _stances(robot)))
    yield _graded(
        low > 0.0, False, "clearance", f"{lowest or 'nothing'} is lowest, {low:.4g} m above the floor",
        f"link {lowest!r} stands on the floor: take the caster or the stand off, or correct its place",
    )  # fmt: skip


def _lowest(robot: Robot) -> tuple[float, str]:
    """How high above the floor the lowest point is that is no wheel's, in m, and of which link."""
    poses = robot.chain.poses(robot.held_rad)
    wheels = {link for joint in robot.body.wheel_joints for link in robot.chain.rigid(joint.child)}
    axle_m = np.mean([poses[joint.child][1][2] for joint in robot.body.wheel_joints])
    floor = float(axle_m) - robot.pendulum.wheel_radius_m
    return min(
        (
            (float((poses[name][1] + poses[name][0] @ corner)[2]) - floor, name)
            for name, link in robot.chain.links.items()
            if name not in wheels
            for shape in link.collisions
            if shape.size_m
            for corner in _corners(shape)
        ),
        default=(math.inf, ""),
    )


def _legs(robot: Robot) -> Iterator[Line]:
    """Where the legs hold the robot, and what that costs their drives at the worst of their postures."""
    if robot.legs is None:
        return
    postures = [robot.angles_at(height_m) for height_m in robot.postures.knots_m]
    limit_nm = robot.legs.torque_limit_nm
    torque_nm = max(max(holding_torques_nm(robot.chain, angles).values()) for angles in postures)
    yield Line(OK, "height", heights(robot), "")
    yield _graded(
        torque_nm <= 0.5 * limit_nm, torque_nm <= limit_nm, "leg torque",
        f"up to {torque_nm:.3g} N m to stand still, of {limit_nm:g} N m",
        "straighten the legs, or correct torque_limit_nm in [legs]: a push needs more than standing does",
    )  # fmt: skip
    beyond = [
        joint.urdf_name
        for joint in robot.chain.joints
        if joint.name in robot.held_rad
        and joint.range_rad is not None
        and not joint.range_rad[0] <= joint.sign * robot.held_rad[joint.name] <= joint.range_rad[1]
    ]
    yield _graded(
        not beyond, False, "leg limits", f"{beyond} held beyond the URDF's limits" if beyond else "none is passed",
        "correct [posture], or the limits in the URDF",
    )  # fmt: skip


def _drive(robot: Robot) -> Iterator[Line]:
    drive, battery = robot.drive, robot.battery
    limit = min(drive.torque_limit_nm, LIMITS.wheel_torque_nm)
    full, empty = battery.open_circuit_v, LIMITS.battery_low_v
    yield _graded(
        full > empty, False, "battery", f"{full:g} V full; the MCU stops at {empty:g} V",
        "the firmware's limits are made for 24 V packs: use one, or build a firmware with another battery_low_v",
    )  # fmt: skip
    speed = full / drive.torque_constant_nm_a
    pace = min(speed, LIMITS.wheel_speed_rad_s) * robot.pendulum.wheel_radius_m
    yield _graded(
        pace > WALKING_M_S, pace > 0.5 * WALKING_M_S, "top speed",
        f"{pace:.2f} m/s: the voltage ends at {speed:.1f} rad/s, the MCU's limit at {LIMITS.wheel_speed_rad_s:g} rad/s",
        "check torque_constant_nm_a (at the wheel, gear included), or use a lower gear or a larger wheel",
    )  # fmt: skip
    at_pace = torque_at(robot, WALKING_M_S / robot.pendulum.wheel_radius_m)
    yield _graded(
        at_pace >= 0.5 * limit, at_pace >= 0.1 * limit, "torque",
        f"{torque_at(robot, 0.0):.3g} N m a wheel at rest, {at_pace:.3g} N m at {WALKING_M_S} m/s, battery near empty",
        "check winding_resistance_ohm and torque_constant_nm_a: the limit of the drive is out of its reach",
    )  # fmt: skip
    stick = 2.0 * drive.coulomb_friction_nm / (robot.pendulum.body_mass_kg * 9.81 * robot.pendulum.body_height_m)
    yield _graded(
        stick < 0.03, stick < 0.1, "friction", f"the wheels stick up to a lean of {stick:.4f} rad",
        "it will rock to and fro by about as much: a freer gear, or a measured coulomb_friction_nm",
    )  # fmt: skip


def _stances(robot: Robot) -> list[Robot]:
    """The robot at its nominal height, then at the others for which its law is computed."""
    return [robot, *(robot.standing_at(knot) for knot in robot.postures.knots_m if knot != robot.height_m)]


def _law(robot: Robot) -> Iterator[Line]:
    """Each at the worst of the heights."""
    stances = _stances(robot)
    unstable = max(float(np.linalg.eigvals(linear_dynamics(each.pendulum)[0]).real.max()) for each in stances)
    yield _graded(
        unstable < 12.0, unstable < 25.0, "falling", f"without torque a lean grows e-fold in {1000 / unstable:.0f} ms",
        "the loop answers after some 10 ms: put the battery on top, a low robot falls too fast",
    )  # fmt: skip
    try:
        gains = [lqr_gain(each, TASKS["stand"]) for each in stances]
    except (ConfigError, np.linalg.LinAlgError) as error:
        yield Line(FAIL, "lqr", f"no gain: {error}", "check masses, height and inertia")
        return
    slowest = max(pole.real for each, gain in zip(stances, gains, strict=True) for pole in poles(each, gain))
    yield _graded(
        slowest < 0.0, False, "lqr", f"slowest closed-loop pole at {slowest:.2f} 1/s", "check the [lqr] weights"
    )
    margin = min(delay_margin_s(each, gain) for each, gain in zip(stances, gains, strict=True))
    delay = loop_delay_s(robot)
    yield _graded(
        margin >= 2.0 * delay, margin > 1.2 * delay, "delay margin",
        f"stable up to {1000 * margin:.0f} ms of delay; the loop has {1000 * delay:.0f} ms",
        "lower torque_nm in [lqr]: the law asks for more than its delays allow",
    )  # fmt: skip
    lean = min(map(catchable_lean_rad, stances))
    yield _graded(
        lean >= LEAN_RAD, lean >= 0.5 * LEAN_RAD, "catch",
        f"its torque can catch a lean of {math.degrees(min(lean, LIMITS.tilt_rad)):.1f} degrees at rest"
        + (", at which the MCU stops" if lean > LIMITS.tilt_rad else ""),
        "stronger drives, smaller wheels, or a lower centre of mass",
    )  # fmt: skip
    rate = (
        robot.heading.damping_nm_s_rad
        * robot.body.track_m
        / robot.pendulum.wheel_radius_m
        / robot.body.yaw_inertia_kg_m2
    )
    lag = rate * (delay + 0.005)
    yield _graded(
        lag < LARGEST_TURN_LAG, lag < 1.0, "heading",
        f"the heading hold damps at {rate:.1f} 1/s, {lag:.2f} of a radian in its delay",
        "lower gain_nm_rad and damping_nm_s_rad in [heading]: it would shake its head",
    )  # fmt: skip


def _region(robot: Robot) -> Iterator[Line]:
    try:
        region = load_region(robot).region
    except (ConfigError, np.linalg.LinAlgError) as error:
        remedy = "it flies in the twin; to be guarded on the robot it needs robot-il region --write --verify 400"
        yield Line(WARN, "region", error.came if isinstance(error, ConfigError) else f"{error}", remedy)
        return
    yield Line(OK, "region", f"the fallback catches it from a lean of {region.at_rest_rad:.3f} rad at rest", "")


def _measured(robot: Robot) -> Iterator[Line]:
    marked = robot.path.read_text(encoding="utf-8").count(f"# {DEFAULT}:")
    if marked:
        yield Line(
            WARN, "measured", f"{marked} figures are still marked {DEFAULT}", "measure them, and take the mark away"
        )


_LOOKS: tuple[Callable[[Robot], Iterator[Line]], ...] = (
    _units,
    _inertias,
    _balance,
    _legs,
    _drive,
    _law,
    _region,
    _measured,
)
