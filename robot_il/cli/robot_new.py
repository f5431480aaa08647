"""Writes the profile of a URDF: what it tells is found, what it cannot tell gets a default that is marked as one."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from robot_il.cli.robot_template import fill
from robot_il.errors import ConfigError
from robot_il.robot_body import STATE_RADIUS, Body, Names, frame_of, make_body, wheel_shape
from robot_il.robot_postures import height_of
from robot_il.urdf import read_urdf, urdf_root
from robot_il.urdf_chain import Chain, Joint, Shape, angle_between

PARALLEL_RAD = 5e-3
SAME_M = 1e-3
CASTER_M = 0.01
"""A third wheel whose lowest point is this near to that of the other two stands on the floor."""
MAX_NAME = 40
GUESSED_RADIUS_M = 0.05
NEWTON_STEPS, STEP_RAD, LARGEST_STEP_RAD = 20, 1e-4, 0.3


@dataclass(frozen=True)
class Written:
    """A profile that was written.

    Attributes:
        path: the TOML.
        found: what the URDF told, a line each.
        to_measure: what it could not tell.
    """

    path: Path
    found: tuple[str, ...]
    to_measure: tuple[str, ...]


def write_profile(urdf: Path, folder: Path, name: str | None = None) -> Written:
    """Writes ``folder/name.toml``; the URDF, and the meshes that it finds from there, stay where they are.

    Args:
        urdf: of the robot.
        folder: for the profile, made where it is missing.
        name: of the robot; None for the URDF's own.

    Raises:
        ConfigError: a URDF that cannot be read, wheels that cannot be told, or a profile of that name already there.
    """
    chain = read_urdf(urdf)
    name = name or _own_name(urdf)
    if not name or len(name) > MAX_NAME or not all(letter.isalnum() or letter in "_-" for letter in name):
        raise ConfigError(f"a name of letters, digits, - and _, at most {MAX_NAME}", repr(name), "give one with --name")
    path = folder / f"{name}.toml"
    if path.exists():
        raise ConfigError(f"no profile {name} in {folder} yet", f"{path}", "give another name with --name")
    names = find_names(chain, urdf.name)
    body, names = _body(chain, names, urdf.name)
    found, imu_m = _found(chain, names, body), _imu_place(chain, names)
    if imu_m is not None:
        found.append(f"inertial sensor {imu_m[0]:.4g} m ahead of the base's origin, {imu_m[1]:.4g} m above it")
    text, to_measure = fill(name, os.path.relpath(urdf.resolve(), folder.resolve()), names, body, imu_m)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return Written(path, tuple(found), to_measure)


def find_names(chain: Chain, file: str) -> Names:
    """Finds what is a wheel, what is a leg, and which way is forward.

    Wheels are two hinges on one axle, of shapes equally large, at the end of the chain; of several such pairs the
    largest. Up is the axis of the base along which the centre of mass lies from the axle. Every other hinge is held,
    at the angles nearest to 0 that bring the centre of mass above the axle.

    Raises:
        ConfigError: no such pair, two equal ones, or a third wheel on the floor.
    """
    turning = [joint for joint in chain.joints if joint.turns]
    carriers = {other.parent for joint in turning for other in chain.path(joint.child)[:-1]} | {
        joint.parent for joint in turning
    }
    ends = [joint for joint in turning if not carriers.intersection(chain.rigid(joint.child))]
    pairs = [pair for pair in itertools.combinations(ends, 2) if _on_one_axle(chain, *pair)]
    pairs.sort(key=lambda pair: -_size(chain, pair[0]))
    if not pairs:
        raise ConfigError(
            f"two wheels on one axle in {file}: hinges at the ends of the chain, of equal shapes, axes in one line",
            f"the hinges {[joint.name for joint in turning]}",
            "correct their origins and axes; robot-il needs a robot that balances on two wheels",
        )
    if len(pairs) > 1 and _size(chain, pairs[1][0]) > 0.9 * _size(chain, pairs[0][0]):
        raise ConfigError(
            f"one pair of wheels in {file}",
            f"{[[joint.name for joint in pair] for pair in pairs]}",
            "a robot on four wheels need not balance; fix the joints that are not driven",
        )
    names = _frame(chain, pairs[0])
    _refuse_third_wheel(chain, pairs[0], ends, names, file)
    return replace(names, held_rad=_posture(chain, names, [joint for joint in turning if joint not in pairs[0]], file))


def _posture(chain: Chain, names: Names, legs: list[Joint], file: str) -> dict[str, float]:
    """Angles near 0 at which the legs bring the centre of mass above the axle: Newton's steps of the least size."""
    oriented = replace(chain, rotation=frame_of(names, file))
    wheels = [joint.child for joint in chain.joints if joint.name in names.wheels]

    def ahead(angles: np.ndarray) -> float:
        held = dict(zip((joint.name for joint in legs), angles.tolist(), strict=True))
        poses = oriented.poses(held)
        _, com, _ = oriented.mass_properties(held, tuple(oriented.links))
        return float(com[0] - np.mean([poses[wheel][1][0] for wheel in wheels]))

    angles = np.zeros(len(legs))
    for _ in range(NEWTON_STEPS if legs else 0):
        slope = np.array(
            [(ahead(angles + STEP_RAD * unit) - ahead(angles - STEP_RAD * unit)) for unit in np.eye(len(legs))]
        )
        slope /= 2.0 * STEP_RAD
        if float(slope @ slope) < 1e-12:
            break
        angles -= np.clip(ahead(angles) * slope / (slope @ slope), -LARGEST_STEP_RAD, LARGEST_STEP_RAD)
    return {joint.name: round(float(angle), 4) for joint, angle in zip(legs, angles, strict=True)}


def _own_name(urdf: Path) -> str:
    root = urdf_root(urdf)
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in root.get("name") or urdf.stem)


def _axis(chain: Chain, joint: Joint) -> np.ndarray:
    """Of a hinge (3,), in the base's axes, with all joints at 0."""
    return chain.poses({})[joint.parent][0] @ joint.rotation @ joint.axis


def _shapes(chain: Chain, joint: Joint) -> list[Shape]:
    found = wheel_shape(chain, joint)
    visuals = [shape for link in chain.rigid(joint.child) for shape in chain.links[link].visuals]
    return ([found[1]] if found else []) + [shape for shape in visuals if shape.kind != "box"]


def _size(chain: Chain, joint: Joint) -> float:
    """Largest reach of a wheel's shape in m; 0 where it has none whose size is known."""
    sizes = [
        max(shape.size_m) * (0.5 if shape.kind == "mesh" else 1.0) for shape in _shapes(chain, joint) if shape.size_m
    ]
    return sizes[0] if sizes else 0.0


def _on_one_axle(chain: Chain, one: Joint, other: Joint) -> bool:
    poses = chain.poses({})
    axis, second = _axis(chain, one), _axis(chain, other)
    apart = poses[one.child][1] - poses[other.child][1]
    along = min(angle_between(axis, second), angle_between(axis, -second)) < PARALLEL_RAD
    in_line = float(np.linalg.norm(np.cross(apart, axis))) < SAME_M and abs(float(apart @ axis)) > SAME_M
    return along and in_line and math.isclose(_size(chain, one), _size(chain, other), rel_tol=0.01, abs_tol=1e-9)


def _frame(chain: Chain, wheels: tuple[Joint, Joint]) -> Names:
    """Which axes of the base point forward and up, and so which wheel is the left one."""
    poses = chain.poses({})
    links = {link for joint in wheels for link in chain.rigid(joint.child)}
    _, com, _ = chain.mass_properties({}, tuple(name for name in chain.links if name not in links))
    axle = np.mean([poses[joint.child][1] for joint in wheels], axis=0)
    side = int(np.argmax(np.abs(_axis(chain, wheels[0]))))
    offset = com - axle
    up = max((index for index in range(3) if index != side), key=lambda index: abs(offset[index]))
    if abs(offset[2]) > SAME_M and side != 2 and abs(offset[2]) > 0.1 * float(np.linalg.norm(offset)):
        up = 2  # as nearly everybody draws it, even where a leg's posture is yet to be found
    forward = 3 - side - up
    up_axis, forward_axis = np.eye(3)[up] * np.sign(offset[up] or 1.0), np.eye(3)[forward]
    left = np.cross(up_axis, forward_axis)
    first, second = (float(poses[joint.child][1] @ left) for joint in wheels)
    ordered = (wheels[0].name, wheels[1].name) if first > second else (wheels[1].name, wheels[0].name)
    up_name = ("" if up_axis[up] > 0.0 else "-") + "xyz"[up]
    return Names(ordered, {}, forward="xyz"[forward], up=up_name)


def _refuse_third_wheel(chain: Chain, wheels: tuple[Joint, Joint], ends: list[Joint], names: Names, file: str) -> None:
    poses, up = chain.poses({}), "xyz".index(names.up[-1])
    way = -1.0 if names.up.startswith("-") else 1.0
    floor = way * poses[wheels[0].child][1][up] - _size(chain, wheels[0])
    for joint in ends:
        if joint in wheels or not _size(chain, joint):
            continue
        if way * poses[joint.child][1][up] - _size(chain, joint) < floor + CASTER_M:
            raise ConfigError(
                f"a robot that stands on two wheels in {file}",
                f"{joint.name!r}, a third one on the floor",
                "take the caster out of the URDF and off the robot: it is to balance",
            )


def _body(chain: Chain, names: Names, file: str) -> tuple[Body, Names]:
    """The body, with a radius guessed from what else is drawn of the wheels where their shapes do not tell it."""
    wheel = next(joint for joint in chain.joints if joint.name == names.wheels[0])
    try:
        return make_body(chain, names, file), names
    except ConfigError as error:
        if error.remedy != STATE_RADIUS:
            raise
    stated = replace(names, wheel_radius_m=_size(chain, wheel) or GUESSED_RADIUS_M)
    return make_body(chain, stated, file), stated


def _found(chain: Chain, names: Names, body: Body) -> list[str]:
    pendulum = body.pendulum
    others = ", ".join(f"{name} at {angle:g} rad" for name, angle in names.held_rad.items()) or "none"
    return [
        f"base {chain.base!r}, {names.forward} forward, {names.up} up",
        f"wheels {names.wheels[0]!r} on the left, {names.wheels[1]!r} on the right, "
        f"radius {pendulum.wheel_radius_m:.4g} m",
        f"legs: {others}; base {height_of(body.chain, body.held_rad):.4g} m above the axle",
        f"body {pendulum.body_mass_kg:.4g} kg, {pendulum.body_height_m:.4g} m above the axle, "
        f"{pendulum.body_inertia_kg_m2:.4g} kg m^2 in pitch; wheels {pendulum.wheel_mass_kg:.4g} kg",
    ]


def _imu_place(chain: Chain, names: Names) -> tuple[float, float] | None:
    """Forward and up from the base's origin, of the first link that is called an inertial sensor."""
    axes = frame_of(names, "")
    for name, (_, place) in chain.poses({}).items():
        if "imu" in name.lower():
            forward, _, up = axes @ place
            return round(float(forward), 6), round(float(up), 6)
    return None
