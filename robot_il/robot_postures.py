"""How high a robot's legs hold it: the way from its lowest posture to its highest, and whether its legs can go it.

Height is that of the base link's origin above the axle, the base upright.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from robot_il.errors import ConfigError
from robot_il.robot_body import MAX_COM_OFFSET_RAD, Body, Names, check_wheels, lump
from robot_il.robot_parts import GRAVITY_M_S2, WHEEL_JOINTS, Legs, Pendulum
from robot_il.urdf_chain import Chain

LOW, NOMINAL, HIGH = "posture_low", "posture", "posture_high"
PLACES = 16
"""From one posture to the next the height is known at so many places; a knee that goes 1 rad is right to 0.1 mm."""
KNOT_SHARE = 0.15
"""Farthest from knot to knot, in heights of the body's centre of mass: how fast a lean grows changes by some 7 %."""
ON_THE_WAY = 1.5
"""Offset of the centre of mass that is allowed on the way, over that in the nominal posture."""
SAME_M = 1e-6
"""A height that was rounded on the wire is still the same."""


@dataclass(frozen=True)
class Postures:
    """The way of the legs from the lowest posture over the nominal one to the highest.

    From one posture to the next every joint turns in proportion to the others.

    Attributes:
        heights_m: (N,) places on the way, rising; one alone where the robot has but one posture.
        angles_rad: leg joint of the chain to its angles (N,) there.
        nominal_m: height of the nominal posture, one of ``heights_m``.
        knots_m: heights for which is computed what depends on the height; the lowest, the nominal and the highest are
            among them.
    """

    heights_m: np.ndarray
    angles_rad: Mapping[str, np.ndarray]
    nominal_m: float
    knots_m: tuple[float, ...]

    def angles_at(self, height_m: float) -> dict[str, float]:
        """Leg joint to its angle in rad at a height; at the nominal one exactly as in the nominal posture.

        Raises:
            ConfigError: a height that the legs do not reach.
        """
        low, high = float(self.heights_m[0]), float(self.heights_m[-1])
        if not low - SAME_M <= height_m <= high + SAME_M:
            raise ConfigError(f"a height from {low:.4f} to {high:.4f} m", f"{height_m}", "ask for one in between")
        return {joint: float(np.interp(height_m, self.heights_m, angles)) for joint, angles in self.angles_rad.items()}

    def standing_at(self, height_m: float) -> Postures:
        """The same way, with another height as the nominal one.

        Raises:
            ConfigError: a height that the legs do not reach.
        """
        angles = self.angles_at(height_m)
        place = int(np.searchsorted(self.heights_m, height_m))
        if place < len(self.heights_m) and self.heights_m[place] == height_m:
            return replace(self, nominal_m=height_m, knots_m=tuple(sorted({*self.knots_m, height_m})))
        rows = {joint: np.insert(row, place, angles[joint]) for joint, row in self.angles_rad.items()}
        heights = np.insert(self.heights_m, place, height_m)
        return Postures(heights, rows, height_m, tuple(sorted({*self.knots_m, height_m})))


def make_postures(
    body: Body, names: Names, others_rad: Mapping[str, Mapping[str, float]], legs: Legs | None, file: str
) -> Postures:
    """Lays the way through a profile's postures, and makes sure that the robot can go it and balances all along.

    Args:
        body: in its nominal posture.
        names: what is what in its URDF.
        others_rad: ``posture_low`` and ``posture_high``, where the profile has them: each leg joint of the URDF to its
            angle, in the URDF's own sign.
        legs: their drives; None without legs.
        file: the URDF's, for messages.

    Raises:
        ConfigError: heights that do not rise from posture to posture, an angle beyond its joint's limits, a torque
            beyond its drive's, or a centre of mass that is not above the axle.
    """
    stops = [
        _in_chain(body.chain, others_rad[section], section, file) if section in others_rad else dict(body.held_rad)
        for section in (LOW, NOMINAL, HIGH)
        if section in others_rad or section == NOMINAL
    ]
    angles = _way(stops)
    heights = np.array([
        height_of(body.chain, {joint: float(row[place]) for joint, row in angles.items()})
        for place in range(PLACES * (len(stops) - 1) + 1)
    ])  # fmt: skip
    at_stops = heights[::PLACES].tolist()
    if not np.all(np.diff(heights) > SAME_M):
        raise ConfigError(
            f"heights that rise all the way from [{LOW}] over [{NOMINAL}] to [{HIGH}], for {file}",
            f"{', '.join(f'{height:.4f}' for height in at_stops)} m in these postures",
            "correct the angles: from one posture to the next the base has to rise above the axle, without a detour",
        )
    knots = _knots(at_stops, body.pendulum.body_height_m)
    postures = Postures(heights, angles, at_stops[int(LOW in others_rad)], knots)
    for knot in knots if others_rad else ():
        _check_knot(body, names, postures.angles_at(knot), f"{knot:.4f} m above the axle", legs, file)
    return postures


def most_ahead_m(nominal: Pendulum) -> float:
    """How far from above the axle the centre of mass may be in other postures than the nominal one, in m.

    What a wrong mass shifts is as many metres at every height, and on their way the legs themselves shift some more.
    """
    return ON_THE_WAY * MAX_COM_OFFSET_RAD * nominal.body_height_m


def height_of(chain: Chain, angles_rad: Mapping[str, float]) -> float:
    """Of the base link's origin above the middle of the axle, in m, with the base upright."""
    poses = chain.poses(angles_rad)
    axle = [float(poses[joint.child][1][2]) for joint in chain.joints if joint.name in WHEEL_JOINTS]
    return 0.0 - sum(axle) / len(axle)  # a robot whose base sits on the axle is at 0, not at -0


def holding_torques_nm(chain: Chain, angles_rad: Mapping[str, float]) -> dict[str, float]:
    """What each leg joint has to give for the robot to stand still in a posture, in N m, without sign.

    Cut at a joint: its drive balances the moment, about its axis, of all that hangs below it: the weight of those links
    and the floor's force on those wheels, half of the robot's weight each.
    """
    poses = chain.poses(angles_rad)
    weight_n = GRAVITY_M_S2 * sum(link.mass_kg for link in chain.links.values())
    torques = {}
    for joint in chain.joints:
        if not joint.turns or joint.name in WHEEL_JOINTS:
            continue
        place, axis = poses[joint.child][1], poses[joint.child][0] @ joint.axis
        moment = np.zeros(3)
        for name, link in chain.links.items():
            path = chain.path(name)
            if joint not in path:
                continue
            turned, origin = poses[name]
            force_n = -GRAVITY_M_S2 * link.mass_kg
            moment += np.cross(origin + turned @ link.com_m - place, (0.0, 0.0, force_n))
            if path[-1].name in WHEEL_JOINTS:
                moment += np.cross(origin - place, (0.0, 0.0, 0.5 * weight_n))
        torques[joint.name] = abs(float(axis @ moment))
    return torques


def _way(stops: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Each joint's angles through the stops, straight from one to the next; the stops themselves to the last bit."""
    shares = np.arange(1, PLACES) / PLACES
    way = {}
    for joint, first in stops[0].items():
        parts = [np.array([first])]
        for start, end in pairwise(stop[joint] for stop in stops):
            parts += [start + shares * (end - start), np.array([end])]
        way[joint] = np.concatenate(parts)
    return way


def _knots(stops_m: list[float], com_height_m: float) -> tuple[float, ...]:
    knots = stops_m[:1]
    for low, high in pairwise(stops_m):
        steps = math.ceil((high - low) / (KNOT_SHARE * com_height_m))
        knots += [low + (high - low) * step / steps for step in range(1, steps)] + [high]
    return tuple(knots)


def _in_chain(chain: Chain, angles_rad: Mapping[str, float], section: str, file: str) -> dict[str, float]:
    """Angles of the URDF's joints as the chain has them.

    Raises:
        ConfigError: one is beyond its joint's limits.
    """
    held = {}
    for joint in chain.joints:
        if joint.urdf_name not in angles_rad:
            continue
        angle = angles_rad[joint.urdf_name]
        low, high = joint.range_rad or (-math.inf, math.inf)
        if not low <= angle <= high:
            raise ConfigError(
                f"{joint.urdf_name} of [{section}] from {low:g} to {high:g} rad, as {file} limits the joint",
                f"{angle:g} rad",
                "correct the posture, or the limits in the URDF",
            )
        held[joint.name] = joint.sign * angle
    return held


def _check_knot(
    body: Body, names: Names, angles_rad: Mapping[str, float], where: str, legs: Legs | None, file: str
) -> None:
    try:
        check_wheels(body.chain, angles_rad, names, file)
        lump(body.chain, angles_rad, body.pendulum.wheel_radius_m, file, most_ahead_m(body.pendulum))
    except ConfigError as error:
        remedy = (
            f"correct [{LOW}] and [{HIGH}]: the legs have to keep the axle below the centre of mass on all their way"
        )
        raise ConfigError(error.expected, f"{error.came}, with the base {where}", remedy) from error
    limit_nm = math.inf if legs is None else legs.torque_limit_nm
    joint, torque_nm = max(holding_torques_nm(body.chain, angles_rad).items(), key=lambda found: found[1])
    if torque_nm > limit_nm:
        raise ConfigError(
            f"legs of {file} that can hold the robot with the {limit_nm:g} N m of torque_limit_nm in [legs]",
            f"{torque_nm:.3g} N m at {joint}, with the base {where}",
            f"straighten the legs in [{LOW}], or correct the limit",
        )
