"""From a URDF as somebody drew it to a body in our conventions: x forward, y left, z up, wheels that roll about +y."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot_parts import LEG_JOINTS, SIDES, WHEEL_JOINTS, Pendulum
from robot_il.urdf_chain import LEFT, Chain, Joint, Shape, angle_between

AXIS_TOLERANCE_RAD = 2e-3
"""How far a wheel's axis may lie from straight left: an angle of 1.57 in a URDF is off by 8e-4 rad."""
SAME_M = 1e-4
"""Places that differ by less are the same: a drawing program rounds."""
SAME_SHARE = 1e-3
ROUND_SHARE = 0.02
"""A mesh whose box is square to this is that of a wheel."""
STATE_RADIUS = "state its radius: radius_m in [wheels] of the profile"
MAX_COM_OFFSET_RAD = 0.02
"""How far from above the axle the centre of mass may lie at pitch 0: the balance point would be off by this lean."""
LEAST_RANGE_RAD = 200.0 * math.pi
"""A wheel that may turn no farther than this is no wheel, or its limits were set by a program and not by a person."""
_AXES = {
    f"{sign}{name}": way * np.eye(3)[index]
    for index, name in enumerate("xyz")
    for sign, way in (("", 1), ("+", 1), ("-", -1))
}


@dataclass(frozen=True)
class Names:
    """What a profile says of its URDF.

    Attributes:
        wheels: the joints of the left and of the right wheel.
        held_rad: each leg joint to the angle at which it is held, in the URDF's own sign.
        forward: axis of the base's frame that points forward: ``x``, ``-y``, ...
        up: axis of the base's frame that points up.
        wheel_radius_m: rolling radius, where the shapes of the wheels do not tell it or tell it wrongly.
        fixed_names: the URDF names its legs as we do, hip and knee in a row on each side.
    """

    wheels: tuple[str, str]
    held_rad: Mapping[str, float]
    forward: str = "x"
    up: str = "z"
    wheel_radius_m: float | None = None
    fixed_names: bool = False


@dataclass(frozen=True)
class Body:
    """A robot's body in our conventions.

    Attributes:
        chain: wheel joints are named ``wheel_left`` and ``wheel_right``, the first two leg joints about the left axis
            on each side ``hip_*`` and ``knee_*``, other leg joints ``held:NAME``, fixed ones ``fixed:NAME``.
        held_rad: leg joint of the chain to its nominal angle, positive about +y.
        pendulum: lumped parameters at the nominal posture.
    """

    chain: Chain
    held_rad: Mapping[str, float]
    pendulum: Pendulum

    @property
    def wheel_joints(self) -> tuple[Joint, Joint]:
        """The joints of the left and of the right wheel."""
        joints = {joint.name: joint for joint in self.chain.joints}
        return joints[WHEEL_JOINTS[0]], joints[WHEEL_JOINTS[1]]

    @property
    def track_m(self) -> float:
        """From the middle of one wheel's joint to that of the other."""
        poses = self.chain.poses(self.held_rad)
        left, right = (poses[joint.child][1] for joint in self.wheel_joints)
        return float(left[1] - right[1])

    @property
    def yaw_inertia_kg_m2(self) -> float:
        """What resists turning on the spot: the robot about the vertical, and wheels that turn against each other.

        A pair of wheels of inertia J and radius r, half a track b/2 from the middle, adds J (b / 2r)^2.
        """
        about_up = self.chain.mass_properties(self.held_rad, tuple(self.chain.links))[2][2, 2]
        lever = 0.5 * self.track_m / self.pendulum.wheel_radius_m
        return float(about_up) + self.pendulum.wheel_inertia_kg_m2 * lever**2


def make_body(chain: Chain, names: Names, file: str) -> Body:
    """Turns a chain into our conventions, checks it and lumps it.

    Args:
        chain: as it was read.
        names: what is what in it.
        file: the URDF's, for messages.

    Raises:
        ConfigError: a joint that is missing or of no known use, wheels that do not roll forward side by side, a wheel
            of unknown radius, or a posture in which the robot would not balance.
    """
    chain = replace(chain, rotation=frame_of(names, file))
    _check_use(chain, names, file)
    if names.fixed_names:
        _check_rows(chain, file)
    axes = _axes_left(chain, names.held_rad)
    reported = _reported(chain, names, axes)
    joints, held = [], {}
    for joint in chain.joints:
        sign = -1 if axes[joint.name][1] < 0.0 and joint.turns else 1
        name = reported.get(joint.name, f"held:{joint.name}" if joint.turns else f"fixed:{joint.name}")
        joints.append(replace(joint, name=name, axis=sign * joint.axis if sign < 0 else joint.axis, sign=sign))
        if joint.name in names.held_rad:
            held[name] = sign * names.held_rad[joint.name]
    chain = replace(chain, joints=tuple(joints))
    check_wheels(chain, held, names, file)
    return Body(chain, held, lump(chain, held, names.wheel_radius_m, file))


def frame_of(names: Names, file: str) -> np.ndarray:
    """Rotation (3, 3) from the base's axes to forward, left and up.

    Raises:
        ConfigError: forward and up are no two axes across each other.
    """
    forward, up = _AXES.get(names.forward), _AXES.get(names.up)
    if forward is None or up is None or forward @ up:
        raise ConfigError(
            f"forward and up in [frame] as two of x, y, z, -x, -y, -z across each other for {file}",
            f"forward {names.forward!r}, up {names.up!r}",
            "name the axes of the base link that point forward and up; for any other angle give the URDF a root link "
            "with a fixed joint that has it",
        )
    return np.array([forward, np.cross(up, forward), up])


def _check_use(chain: Chain, names: Names, file: str) -> None:
    """Every joint that a profile names is there and turns, and every joint that turns is named."""
    turning = {joint.name for joint in chain.joints if joint.turns}
    named = [*names.wheels, *names.held_rad]
    if len(set(named)) != len(named):
        raise ConfigError("each joint named once in [joints]", f"{named}", "correct the profile")
    if turning != set(named):
        raise ConfigError(
            f"the turning joints {sorted(named)} in {file}",
            f"{sorted(turning)}, so without {sorted(set(named) - turning)} and with {sorted(turning - set(named))}",
            "correct [joints] of the profile; a joint that no drive turns or holds, such as a caster's, has to be "
            "fixed in the URDF, and a robot that stands on a third wheel need not balance",
        )


def _check_rows(chain: Chain, file: str) -> None:
    """Two legs of hip, knee and wheel that start at the base, all about +y, when nothing else is said."""
    joints = {joint.name: joint for joint in chain.joints}
    for name in (*LEG_JOINTS, *WHEEL_JOINTS):
        if not np.array_equal(np.abs(joints[name].axis), LEFT):
            raise ConfigError(f"axis 0 1 0 of joint {name!r} of {file}", f"axis {joints[name].axis}", "turn it to +y")
    for side in SIDES:
        hip, knee, wheel = (joints[f"{joint}_{side}"] for joint in ("hip", "knee", "wheel"))
        if (hip.parent, knee.parent, wheel.parent) != (chain.base, hip.child, knee.child):
            raise ConfigError(
                f"hip, knee and wheel in a row on the {side} of {file}", "another order", "name them in [joints]"
            )


def _axes_left(chain: Chain, held_rad: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Joint name to its axis (3,) forward, left and up, in the nominal posture."""
    poses = chain.poses(held_rad)
    return {joint.name: poses[joint.parent][0] @ joint.rotation @ joint.axis for joint in chain.joints}


def _reported(chain: Chain, names: Names, axes: Mapping[str, np.ndarray]) -> dict[str, str]:
    """URDF name to the signal that reports it: both wheels, and two joints a side that tip the shank about the left."""
    into = {joint.name: joint.child for joint in chain.joints}
    paths = [[joint.name for joint in chain.path(into[wheel])[:-1]] for wheel in names.wheels]
    reported = dict(zip(names.wheels, WHEEL_JOINTS, strict=True))
    for side, path, other in zip(SIDES, paths, reversed(paths), strict=True):
        own = [
            name
            for name in path
            if name in names.held_rad and name not in other and abs(axes[name][1]) > math.cos(AXIS_TOLERANCE_RAD)
        ]
        reported |= dict(zip(own, (f"hip_{side}", f"knee_{side}"), strict=False))
    return reported


def check_wheels(chain: Chain, held_rad: Mapping[str, float], names: Names, file: str) -> None:
    """Makes sure that the wheels roll forward in a posture, the left one on the left.

    Raises:
        ConfigError: a wheel whose axis points elsewhere, that cannot turn for ever, or that is on the wrong side.
    """
    joints = {joint.name: joint for joint in chain.joints}
    poses, axes = chain.poses(held_rad), _axes_left(chain, held_rad)
    places = [poses[joints[name].child][1] for name in WHEEL_JOINTS]
    for name in WHEEL_JOINTS:
        _check_axis(joints[name], axes[name], file)
        _check_range(joints[name], file)
    if not places[0][1] - places[1][1] > SAME_M:
        raise ConfigError(
            f"the left wheel {names.wheels[0]!r} of {file} to the left of the right one {names.wheels[1]!r}",
            f"{places[0][1]:.4f} m and {places[1][1]:.4f} m to the left",
            "swap the two in [joints], or correct forward in [frame]",
        )


def _check_axis(joint: Joint, axis: np.ndarray, file: str) -> None:
    if angle_between(axis, LEFT) > AXIS_TOLERANCE_RAD:
        raise ConfigError(
            f"the axis of wheel joint {joint.urdf_name!r} of {file} to the left or right of the robot",
            "axis " + " ".join(f"{value:.4f}" for value in axis) + " (forward, left, up)",
            "correct axis or rpy of the joint, or say in [frame] which axes of the base point forward and up",
        )


def _check_range(joint: Joint, file: str) -> None:
    if joint.range_rad is not None and joint.range_rad[1] - joint.range_rad[0] < LEAST_RANGE_RAD:
        low, high = joint.range_rad
        raise ConfigError(
            f"wheel joint {joint.urdf_name!r} of {file} continuous, or revolute without limits",
            f"limits {low:g} to {high:g} rad",
            "make it continuous",
        )


def wheel_shape(chain: Chain, joint: Joint) -> tuple[str, Shape] | None:
    """What a wheel touches the ground with, and which link it belongs to.

    Returns:
        the first sphere or cylinder among its collision shapes, failing that the first mesh; None without either.
    """
    shapes = [(link, shape) for link in chain.rigid(joint.child) for shape in chain.links[link].collisions]
    round_ones = [found for found in shapes if found[1].kind in ("sphere", "cylinder")]
    return next(iter([*round_ones, *(found for found in shapes if found[1].kind == "mesh")]), None)


def _wheel_radius(chain: Chain, joint: Joint, file: str) -> float:
    """The rolling radius that a wheel's shape tells."""
    found = wheel_shape(chain, joint)
    if found is None:
        raise ConfigError(f"a sphere or cylinder as collision of {joint.child!r} in {file}", "none", STATE_RADIUS)
    link, shape = found
    if shape.kind == "sphere":
        return shape.size_m[0]
    poses = chain.poses({})
    axis = joint.axis @ poses[joint.child][0].T @ poses[link][0] @ shape.rotation  # in the shape's own axes
    if shape.kind == "mesh":
        return _mesh_radius(shape, axis, f"wheel {joint.child!r} in {file}")
    if not abs(axis[2]) > math.cos(10.0 * AXIS_TOLERANCE_RAD):
        raise ConfigError(
            f"the cylinder of wheel {joint.child!r} in {file} along its axle",
            "across it",
            "turn it: a URDF's cylinder stands along its own z, so rpy 1.5708 0 0 lays it along y",
        )
    return shape.size_m[0]


def _mesh_radius(shape: Shape, axis: np.ndarray, wheel: str) -> float:
    """Half the edge of the box around a wheel, across its axle."""
    if not shape.size_m:
        raise ConfigError(f"the radius of {wheel}", f"a mesh: {shape.why_unknown}", STATE_RADIUS)
    across = [edge for edge, along in zip(shape.size_m, np.abs(axis), strict=True) if along < 0.5]
    if len(across) != 2 or not math.isclose(*across, rel_tol=ROUND_SHARE):
        box = " x ".join(f"{edge:.4f}" for edge in shape.size_m)
        raise ConfigError(f"a mesh around the axle of {wheel} that is round", f"{shape.file}: {box} m", STATE_RADIUS)
    return 0.5 * max(across)


def lump(
    chain: Chain, held_rad: Mapping[str, float], stated_m: float | None, file: str, ahead_m: float | None = None
) -> Pendulum:
    """Lumps the links into body and wheels in a posture.

    Args:
        chain: in our conventions.
        held_rad: leg joint to its angle.
        stated_m: rolling radius of the wheels; None where their shapes tell it.
        file: the URDF's, for messages.
        ahead_m: how far ahead of the axle, or behind it, the centre of mass may be; None for what is a lean of
            ``MAX_COM_OFFSET_RAD``.

    Raises:
        ConfigError: wheels that differ or are out of balance, or a body that does not stand above the axle.
    """
    joints = [joint for joint in chain.joints if joint.name in WHEEL_JOINTS]
    wheels = tuple(link for joint in joints for link in chain.rigid(joint.child))
    body = tuple(name for name in chain.links if name not in wheels)
    poses = chain.poses(held_rad)
    wheel_mass, axle, _ = chain.mass_properties(held_rad, wheels)
    body_mass, com, inertia = chain.mass_properties(held_rad, body)
    radii = [_wheel_radius(chain, joint, file) if stated_m is None else stated_m for joint in joints]
    places = [poses[joint.child][1] for joint in joints]
    # side by side, but for what a drawing program rounds
    apart = np.abs(places[0] - places[1])[[0, 2]].max()
    if not math.isclose(*radii, rel_tol=SAME_SHARE) or apart > SAME_M:
        raise ConfigError(
            f"equal wheels at equal height in {file}",
            f"radii {radii}, heights {[float(place[2]) for place in places]}, {apart:.4f} m apart",
            "correct it",
        )
    if np.abs(axle - np.mean(places, axis=0))[[0, 2]].max() > SAME_SHARE * radii[0] + SAME_M:
        raise ConfigError(
            f"the wheels' centres of mass on their axle in {file}",
            f"{np.round(axle - np.mean(places, axis=0), 5)} m off",
            "correct the inertial origins of the wheels: a wheel that is out of balance cannot be driven evenly",
        )
    forward, up = com[0] - axle[0], com[2] - axle[2]
    if not up > 0.0 or abs(forward) > (up * math.tan(MAX_COM_OFFSET_RAD) if ahead_m is None else ahead_m):
        within = f"{MAX_COM_OFFSET_RAD} rad" if ahead_m is None else f"{ahead_m:.4f} m"
        raise ConfigError(
            f"the centre of mass above the axle of {file} within {within}",
            f"{forward:.4f} m ahead, {up:.4f} m up",
            "change the nominal posture or the masses, or correct [frame]",
        )
    return Pendulum(
        wheel_radius_m=float(radii[0]),
        wheel_mass_kg=wheel_mass,
        wheel_inertia_kg_m2=sum(_spin_inertia(chain, joint) for joint in joints),
        body_mass_kg=body_mass,
        body_height_m=math.hypot(forward, up),
        body_inertia_kg_m2=float(inertia[1, 1]),
    )


def _spin_inertia(chain: Chain, joint: Joint) -> float:
    """Of a wheel, with all that is fixed to it, about its own axis."""
    group = chain.rigid(joint.child)
    if group == (joint.child,):
        return float(joint.axis @ chain.links[joint.child].inertia_kg_m2 @ joint.axis)
    poses = chain.poses({})
    axis = poses[joint.child][0] @ joint.axis
    return float(axis @ chain.mass_properties({}, group)[2] @ axis)
