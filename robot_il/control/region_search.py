"""Computes the region from which the fallback catches the robot, at each height, by simulating the full equations.

The ellipsoids tried are over z = (pitch, pitch_rate, velocity). The first has the shape of the level sets of V(z), the
least over all places of the LQR's cost to go, which falls along every trajectory while no limit is met. Such sets reach
far in pitch rate, where limits are met: a body that swings over fast unloads the wheels, and they slip. So shapes with
more weight on the rate are tried too, and the one of the largest volume is kept. How large an ellipsoid may be is found
by bisection: it passes where every trajectory from a dense grid on its edge, and on smaller copies of the edge, is
caught (``region_catch``) with every robot of ``ROBOTS``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robot_il.control.fallback import MOVING, cost_from_anywhere
from robot_il.control.guard import GuardLimits, limits_for
from robot_il.control.lqr import STATE, discretise, driven_dynamics, solve_lqr
from robot_il.control.region import Region, Row
from robot_il.control.region_catch import ROBOTS, Catch, Variation, loop_delay_s
from robot_il.control.region_file import RegionRecord, dependencies
from robot_il.control.region_heights import Regions
from robot_il.control.schedule import as_told
from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.spec import CONTROL_PERIOD_S, LIMITS, TORQUE_LIMIT_NM
from robot_il.tasks import TASKS

SAFETY_FACTOR = 0.9
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Grid:
    """How closely an ellipsoid is looked at.

    Attributes:
        directions: starts on its edge.
        radii: of the copies of the edge, the edge itself being 1.
        bisections: each halves the interval of the level; 8 leave 0.4 %.
    """

    directions: int
    radii: tuple[float, ...]
    bisections: int


COARSE = Grid(60, (1.0, 0.6), 6)
FINE = Grid(200, (1.0, 0.75, 0.5, 0.25), 8)


@dataclass(frozen=True)
class Found:
    """The region at one height; picklable.

    Attributes:
        region: the ellipsoid, safety factor included.
        level: largest level from which every simulated trajectory was caught.
    """

    region: Region
    level: float


def compute_region(
    robot: Robot,
    limits: GuardLimits | None = None,
    robots: Sequence[Variation] = ROBOTS,
    grid: Grid = FINE,
    weights: Sequence[float] = WEIGHTS,
    safety_factor: float = SAFETY_FACTOR,
) -> RegionRecord:
    """Finds, for each height of the robot's knots, the largest ellipsoid that passes, and shrinks it.

    Args:
        robot: whose fallback it is.
        limits: the guard's; None for the usual ones.
        robots: every ellipsoid must pass with each of them.
        grid: for the ellipsoid that is kept.
        weights: more weight on the pitch rate, in multiples of its own, to try with ``COARSE``.
        safety_factor: on every axis of the ellipsoid found.

    Raises:
        ConfigError: a safety factor that is none, or a fallback that catches nothing.
    """
    found = (
        region_at(robot, height_m, limits, robots, grid, weights, safety_factor) for height_m in robot.postures.knots_m
    )
    return as_record(robot, found, limits, safety_factor)


def as_record(
    robot: Robot, found: Iterable[Found], limits: GuardLimits | None = None, safety_factor: float = SAFETY_FACTOR
) -> RegionRecord:
    """What is kept of the regions that were found at the heights of the robot's knots, in their order."""
    kept = list(found)
    knots = robot.postures.knots_m
    regions = Regions(
        tuple(as_told(knot) for knot in knots), tuple(each.region for each in kept), knots.index(robot.height_m)
    )
    levels = tuple(each.level for each in kept)
    return RegionRecord(regions, levels, safety_factor, dependencies(robot, limits))


def region_at(
    robot: Robot,
    height_m: float,
    limits: GuardLimits | None = None,
    robots: Sequence[Variation] = ROBOTS,
    grid: Grid = FINE,
    weights: Sequence[float] = WEIGHTS,
    safety_factor: float = SAFETY_FACTOR,
) -> Found:
    """The region of a robot whose legs hold one height, as ``compute_region``.

    Raises:
        ConfigError: as ``compute_region``.
    """
    if not 0.0 < safety_factor <= 1.0:
        raise ConfigError("a safety factor above 0 and at most 1", f"{safety_factor}", "give a share, e.g. 0.9")
    limits = limits_for(robot, limits)
    catch = Catch(robot, limits, robots, height_m)
    tilt_rad = min(limits.tilt_rad, LIMITS.tilt_rad)
    cost = cost_from_anywhere(solve_lqr(robot, TASKS["stand"], height_m)[1])
    shape, best = np.eye(3), -1.0
    for weight in weights:
        tried = cost.copy()
        tried[1, 1] *= 1.0 + weight
        # proportional to the square of the volume; with one shape alone there is nothing to choose
        size = _largest_level(tried, catch, COARSE, tilt_rad) ** 3 / np.linalg.det(tried) if len(weights) > 1 else 0.0
        if size > best:
            shape, best = tried, size
    level = _largest_level(shape, catch, grid, tilt_rad)
    if not level > 0.0:
        raise ConfigError(
            f"a fallback that can catch robot {robot.name}, its base {height_m:.4g} m above the axle",
            "one that fails from the smallest lean tried",
            "check the profile's masses, delays and torque limits",
        )
    horizon_s = hand_over_s(robot)
    transition, response = _prediction(robot, height_m, horizon_s)
    region = Region(_rows(shape), level * safety_factor**2, horizon_s, _rows(transition), _row(response))
    return Found(region, level)


def _largest_level(shape: np.ndarray, catch: Catch, grid: Grid, tilt_rad: float) -> float:
    """By bisection the largest level from whose edge, and from smaller copies of it, everything is caught."""
    sphere = _sphere(grid.directions)
    root = np.linalg.cholesky(shape)
    ball = np.concatenate([radius * np.linalg.solve(root.T, sphere.T).T for radius in grid.radii])
    # no lean of the region may be beyond the limit at which the guard gives up
    low, high = 0.0, tilt_rad**2 / float(np.linalg.inv(shape)[0, 0])
    for _ in range(grid.bisections):
        middle = 0.5 * (low + high)
        passes = catch.catches_all(math.sqrt(middle) * ball)
        low, high = (middle, high) if passes else (low, middle)
    return low


def hand_over_s(robot: Robot) -> float:
    """Time from a STATE until the torque that the fallback answers has taken hold, in s.

    One period, for the guard decides once a period; the delays of sensors, estimator and line; the drive's lag; and
    half the time that the slew limit takes from one extreme to the other, as though it were a delay.
    """
    slew_s = TORQUE_LIMIT_NM / GuardLimits().torque_slew_nm_s
    return CONTROL_PERIOD_S + loop_delay_s(robot) + robot.drive.time_constant_s + slew_s


def _prediction(robot: Robot, height_m: float, horizon_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Transition (3, 3) and response (3,) of (pitch, pitch_rate, velocity) over the horizon, linear about upright."""
    A, B = driven_dynamics(robot, height_m)
    moving = [STATE.index(name) for name in MOVING]
    transition, response = discretise(A[np.ix_(moving, moving)], B[moving], horizon_s)
    return transition, response[:, 0]


def _sphere(count: int) -> np.ndarray:
    """Directions (count, 3) spread evenly: the Fibonacci lattice (Gonzalez, Math. Geosci. 42, 2010, section 3.1).

    Over the upper half only: to be mirrored left to right makes no difference to the equations nor to the limits.
    """
    index = np.arange(count) + 0.5
    height = 1.0 - index / count
    angle = math.pi * (1.0 + math.sqrt(5.0)) * index
    ring = np.sqrt(1.0 - height**2)
    return np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])


def _rows(matrix: np.ndarray) -> tuple[Row, Row, Row]:
    first, second, third = (_row(row) for row in matrix)
    return first, second, third


def _row(numbers: np.ndarray) -> Row:
    first, second, third = numbers.tolist()
    return first, second, third
