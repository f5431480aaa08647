"""Computes the region from which the fallback catches the robot, by simulating the pendulum's full equations.

The ellipsoids tried are over z = (pitch, pitch_rate, velocity). The first has the shape of the level sets of V(z), the
least over all places of the LQR's cost to go, which falls along every trajectory while no limit is met. Such sets reach
far in pitch rate, where limits are met: a body that swings over fast unloads the wheels, and they slip. So shapes with
more weight on the rate are tried too, and the one of the largest volume is kept. How large an ellipsoid may be is found
by bisection: it passes where every trajectory from a dense grid on its edge, and on smaller copies of the edge, is
caught with every robot of ``ROBOTS``.

The simulation holds what the real loop has: torque and slew limit of the host, wheel torque, slew and speed limit of
the MCU, what an empty battery can still drive, sample and hold, the delays of sensors, estimator and line, the drive's
lag, and the grip of the wheels on the floor. Friction in the drives is left out, as in the LQR.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robot_il.control.fallback import MOVING, cost_from_anywhere, place_to_rest
from robot_il.control.guard import GuardLimits, limits_for
from robot_il.control.lqr import GRAVITY_M_S2, STATE, discretise, linear_dynamics, solve_lqr
from robot_il.control.region import Region, Row
from robot_il.control.region_file import RegionRecord, dependencies
from robot_il.errors import ConfigError
from robot_il.robot import Robot
from robot_il.spec import CONTROL_PERIOD_S, FIRMWARE_RATE_HZ, LIMITS, TASKS, TICKS_PER_STATE, TORQUE_LIMIT_NM

STEP_S = 1.0 / FIRMWARE_RATE_HZ
SETTLE_S = 3.0
CAUGHT = 0.05
"""Share of its first V that a trajectory must have come down to after ``SETTLE_S``, without a limit of lean passed."""
LINE_MS = 1
"""Each way, as ``sim.lockstep`` and a 1 Mbit/s line have it."""
ESTIMATOR_MS = 1
"""The MCU estimates in the tick after the sensors' sample."""
ROUNDING_M_S = 1e-9
"""A wheel that slips less than this rolls."""
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
class Variation:
    """How far a robot is from the one on paper; the scales are those of an episode's conditions in the twin."""

    mass: float = 1.0
    com_height: float = 1.0
    strength: float = 1.0
    delay: float = 1.0


ROBOTS = (
    Variation(),
    *(Variation(*scales, 2.0) for scales in itertools.product((0.9, 1.1), (0.92, 1.08), (0.85, 1.15))),
)
"""The robot on paper, and the corners of the range from which an evaluation draws."""


def compute_region(
    robot: Robot,
    limits: GuardLimits | None = None,
    robots: Sequence[Variation] = ROBOTS,
    grid: Grid = FINE,
    weights: Sequence[float] = WEIGHTS,
    safety_factor: float = SAFETY_FACTOR,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> RegionRecord:
    """Finds the largest ellipsoid that passes and shrinks it by the safety factor.

    Args:
        robot: whose fallback it is.
        limits: the guard's; None for the usual ones.
        robots: every ellipsoid must pass with each of them.
        grid: for the ellipsoid that is kept.
        weights: more weight on the pitch rate, in multiples of its own, to try with ``COARSE``.
        safety_factor: on every axis of the ellipsoid found.
        told: called with (steps done, of how many) for a person who waits.

    Raises:
        ConfigError: a safety factor that is none, or a fallback that catches nothing.
    """
    if not 0.0 < safety_factor <= 1.0:
        raise ConfigError("a safety factor above 0 and at most 1", f"{safety_factor}", "give a share, e.g. 0.9")
    limits = limits_for(robot, limits)
    gain, P = solve_lqr(robot, TASKS["stand"])
    catches = [Catch(robot, limits, gain, P, variation) for variation in robots]
    tilt_rad = min(limits.tilt_rad, LIMITS.tilt_rad)
    shape, best = np.eye(3), -1.0
    for done, weight in enumerate(weights):
        told(done, len(weights) + 1)
        tried = cost_from_anywhere(P)
        tried[1, 1] *= 1.0 + weight
        # proportional to the square of the volume; with one shape alone there is nothing to choose
        size = _largest_level(tried, catches, COARSE, tilt_rad) ** 3 / np.linalg.det(tried) if len(weights) > 1 else 0.0
        if size > best:
            shape, best = tried, size
    told(len(weights), len(weights) + 1)
    level = _largest_level(shape, catches, grid, tilt_rad)
    if not level > 0.0:
        raise ConfigError(
            f"a fallback that can catch robot {robot.name}",
            "one that fails from the smallest lean tried",
            "check the profile's masses, delays and torque limits",
        )
    horizon_s = hand_over_s(robot)
    transition, response = _prediction(robot, horizon_s)
    region = Region(_rows(shape), level * safety_factor**2, horizon_s, _rows(transition), _row(response))
    return RegionRecord(region, level, safety_factor, dependencies(robot, limits))


def _largest_level(shape: np.ndarray, catches: Sequence[Catch], grid: Grid, tilt_rad: float) -> float:
    """By bisection the largest level from whose edge, and from smaller copies of it, everything is caught."""
    sphere = _sphere(grid.directions)
    root = np.linalg.cholesky(shape)
    ball = np.concatenate([radius * np.linalg.solve(root.T, sphere.T).T for radius in grid.radii])
    # no lean of the region may be beyond the limit at which the guard gives up
    low, high = 0.0, tilt_rad**2 / float(np.linalg.inv(shape)[0, 0])
    for _ in range(grid.bisections):
        middle = 0.5 * (low + high)
        passes = all(catch.catches(math.sqrt(middle) * ball).all() for catch in catches)
        low, high = (middle, high) if passes else (low, middle)
    return low


def hand_over_s(robot: Robot) -> float:
    """Time from a STATE until the torque that the fallback answers has taken hold, in s.

    One period, for the guard decides once a period; the delays of sensors, estimator and line; the drive's lag; and
    half the time that the slew limit takes from one extreme to the other, as though it were a delay.
    """
    slew_s = TORQUE_LIMIT_NM / GuardLimits().torque_slew_nm_s
    delay_s = robot.sensors.delay_s + STEP_S * (ESTIMATOR_MS + 2 * LINE_MS)
    return CONTROL_PERIOD_S + delay_s + robot.drive.time_constant_s + slew_s


class Catch:
    """Simulates the fallback from many states at once.

    Args:
        robot: on paper.
        limits: the guard's.
        gain: (4,) of the fallback.
        P: (4, 4) its cost to go.
        variation: how the robot differs from paper.
    """

    def __init__(
        self, robot: Robot, limits: GuardLimits, gain: np.ndarray, P: np.ndarray, variation: Variation
    ) -> None:
        self._robot = robot
        self._limits = limits
        self._gain = gain
        self._rest = place_to_rest(P)
        self._cost = cost_from_anywhere(P)
        self._strength = variation.strength
        delay_ms = round(1000 * robot.sensors.delay_s * variation.delay)
        self._sensing_ms = delay_ms + ESTIMATOR_MS + LINE_MS
        pendulum = robot.pendulum
        self._radius_m = pendulum.wheel_radius_m
        self._height_m = pendulum.body_height_m * variation.com_height
        self._mass_kg = pendulum.body_mass_kg * variation.mass
        self._total_kg = self._mass_kg + pendulum.wheel_mass_kg * variation.mass
        self._wheel_inertia = pendulum.wheel_inertia_kg_m2 * variation.mass
        self._rolling_kg = self._total_kg + self._wheel_inertia / self._radius_m**2
        self._friction_1 = robot.contact.friction_1
        self._inertia = pendulum.body_inertia_kg_m2 * variation.mass + self._mass_kg * self._height_m**2

    def catches(self, starts: np.ndarray, seconds: float = SETTLE_S) -> np.ndarray:
        """Whether each start is brought to rest.

        Args:
            starts: (N, 3) over pitch, pitch_rate, velocity, the wheels without torque.
            seconds: time given.

        Returns:
            (N,) of bool.
        """
        pitch, rate, velocity = starts.T
        state = np.array([pitch, rate, starts @ self._rest, velocity, velocity / self._radius_m])
        seen = [state.copy()] * (self._sensing_ms + 1)
        asked = demanded = delivered = np.zeros(len(starts))
        on_the_line = [asked] * (LINE_MS + 1)
        upright = np.ones(len(starts), dtype=bool)
        tilt_rad = min(self._limits.tilt_rad, LIMITS.tilt_rad)
        keep = math.exp(-STEP_S / self._robot.drive.time_constant_s)
        for step in range(round(seconds / STEP_S)):
            if step % TICKS_PER_STATE == 0:
                asked = self._answer(seen[0], asked)
            on_the_line = [*on_the_line[1:], asked]
            demanded = self._mcu(state, on_the_line[0], demanded)
            delivered = keep * delivered + (1.0 - keep) * self._strength * demanded
            state = self._move(state, delivered)
            seen = [*seen[1:], state]
            upright &= np.abs(state[0]) <= tilt_rad
            state[:2] = np.where(upright, state[:2], 0.0)  # those that fell need not be followed into infinity
        final = state[[0, 1, 3]]
        left = np.einsum("in,ij,jn->n", final, self._cost, final)
        return upright & (left <= CAUGHT * np.einsum("ni,ij,nj->n", starts, self._cost, starts))

    def _answer(self, seen: np.ndarray, last: np.ndarray) -> np.ndarray:
        """The guard's total torque for the STATE that has arrived."""
        step = self._limits.torque_slew_nm_s * CONTROL_PERIOD_S
        pitch, rate, position, _, wheel = seen
        as_seen = np.array([pitch, rate, position, self._radius_m * wheel])  # the encoders know of no slip
        wanted = np.clip(-self._gain @ as_seen, -self._limits.torque_nm, self._limits.torque_nm)
        return np.clip(wanted, last - step, last + step)

    def _mcu(self, state: np.ndarray, commanded: np.ndarray, last: np.ndarray) -> np.ndarray:
        """What the MCU demands of both drives together, and the drives can draw from a battery about to stop it."""
        drive = self._robot.drive
        step = 2.0 * LIMITS.wheel_torque_slew_nm_s * STEP_S
        most = 2.0 * drive.torque_limit_nm
        demanded = np.clip(np.clip(commanded, last - step, last + step), -most, most)
        wheel = state[4] - state[1]
        ahead = wheel * demanded > 0.0
        spare_v = np.maximum(0.0, LIMITS.battery_low_v - drive.torque_constant_nm_a * np.abs(wheel))
        room = np.minimum(drive.torque_limit_nm, drive.torque_constant_nm_a / drive.winding_resistance_ohm * spare_v)
        room = np.where(np.abs(wheel) > LIMITS.wheel_speed_rad_s, 0.0, 2.0 * room)
        limited = np.clip(demanded, -room, room)
        return np.where(ahead, limited, demanded)

    def _move(self, state: np.ndarray, torque: np.ndarray) -> np.ndarray:
        """One step, semi-implicit, of the equations in ``lqr.linear_dynamics`` before they were made linear.

        Wheels that would need more grip than friction times load slip: the ground's force is then that product, and
        the wheels turn by themselves. A body that swings over at 5 rad/s leaves them hardly any load.
        """
        pitch, rate, position, velocity, wheel = state
        lever = self._mass_kg * self._height_m
        coupling, swing = lever * np.cos(pitch), lever * np.sin(pitch)
        topple = swing * GRAVITY_M_S2 - torque
        slip = self._radius_m * wheel - velocity
        slip = np.where(np.abs(slip) > ROUNDING_M_S, slip, 0.0)
        swung, driven = self._accelerations(
            self._rolling_kg, coupling, torque / self._radius_m + swing * rate**2, topple
        )
        load = np.maximum(0.0, self._total_kg * GRAVITY_M_S2 - swing * swung - coupling * rate**2)
        force = self._total_kg * driven + coupling * swung - swing * rate**2
        grip = self._friction_1 * load
        slips = (slip != 0.0) | (np.abs(force) > grip)
        force = np.where(slips, grip * np.sign(np.where(slip != 0.0, slip, force)), force)
        slid_swung, slid_driven = self._accelerations(self._total_kg, coupling, force + swing * rate**2, topple)
        rate = rate + STEP_S * np.where(slips, slid_swung, swung)
        velocity = velocity + STEP_S * np.where(slips, slid_driven, driven)
        wheel = np.where(slips, wheel + STEP_S * (torque - self._radius_m * force) / self._wheel_inertia, 0.0)
        left = self._radius_m * wheel - velocity
        grips = ~slips | (slip * left < 0.0)
        wheel = np.where(grips, velocity / self._radius_m, wheel)
        return np.array([pitch + STEP_S * rate, rate, position + STEP_S * self._radius_m * wheel, velocity, wheel])

    def _accelerations(
        self, total: float, coupling: np.ndarray, push: np.ndarray, topple: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of pitch and axle, from the two equations with ``total`` in the place of the rolling mass."""
        determinant = total * self._inertia - coupling**2
        return (total * topple - coupling * push) / determinant, (
            self._inertia * push - coupling * topple
        ) / determinant


def _prediction(robot: Robot, horizon_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Transition (3, 3) and response (3,) of (pitch, pitch_rate, velocity) over the horizon, linear about upright."""
    A, B = linear_dynamics(robot.pendulum)
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
