"""Monte Carlo of the fallback alone in the twin: starts drawn inside and outside the region, robots unlike their paper.

Uniform inside the ellipsoid means that its edge, where most of the volume is, gets most of the starts. Where legs move,
the starts take turns at the heights for which the region was computed and at those half-way between them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from robot_il.cli.guarded import Outcome, fly
from robot_il.cli.side_by_side import side_by_side
from robot_il.control.device import State
from robot_il.control.fallback import Fallback, lqr_fallback
from robot_il.control.guard import Guard, GuardLimits, limits_for
from robot_il.control.lqr import STATE, discretise, linear_dynamics
from robot_il.control.region_heights import Regions
from robot_il.control.schedule import as_told
from robot_il.learning.evaluation import wilson_interval
from robot_il.robot import Robot, load_robot
from robot_il.spec import CONTROL_PERIOD_S, LIMITS
from robot_il.tasks import TASKS
from sim.conditions import Conditions, sample_conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin

BLIND_TICKS = 3
"""After the hand lets go the estimate of the speed needs some 10 ms to follow; a robot on its own has no such jump."""
HELD_RAD = LIMITS.arm_tilt_rad - 0.02
"""Largest lean at which the hand can hold the robot for the MCU to arm, with room for the estimate's error."""
SECONDS = 4.0
OUTSIDE = 1.5
"""Starts outside lie between the edge and so many times as far from rest."""
SHELLS = {"inside": (0.0, 1.0), "outside": (1.0, OUTSIDE)}


@dataclass(frozen=True)
class Trial:
    """One start; picklable.

    Attributes:
        robot_name: name or path of the profile.
        region: which is verified, at all its heights.
        shell: key of ``SHELLS``.
        seed: of the start, of the robot's parameters and of the sensors.
        height_m: that the legs hold all along.
    """

    robot_name: str
    region: Regions
    shell: str
    seed: int
    height_m: float


def heights_tried(robot: Robot) -> list[float]:
    """The heights at which a robot's region is computed, and the middle between each two of them."""
    knots = robot.postures.knots_m
    return sorted([*knots, *(0.5 * (low + high) for low, high in pairwise(knots))])


def verify(robot_name: str, region: Regions, trials: int, workers: int | None, seed: int = 0) -> dict[str, Any]:
    """Draws so many starts in each shell and lets the fallback catch them.

    Returns:
        what the region's file keeps: for each shell trials, caught, and the 95 % Wilson interval of the share caught;
        and the heights of the trials in turn, with those caught at each.
    """
    heights = heights_tried(_robot(robot_name))
    jobs = [
        Trial(robot_name, region, shell, seed + index, heights[index % len(heights)])
        for shell in SHELLS
        for index in range(trials)
    ]
    caught = [outcome.upright for outcome in side_by_side(run_trial, jobs, workers, "verified")]
    found: dict[str, Any] = {"seconds": SECONDS, "first_seed": seed, "heights_m": heights}
    for number, shell in enumerate(SHELLS):
        own = caught[number * trials : (number + 1) * trials]
        low, high = wilson_interval(sum(own), trials)
        at_heights = [sum(own[place :: len(heights)]) for place in range(len(heights))]
        found[shell] = {
            "radii": SHELLS[shell],
            "trials": trials,
            "caught": sum(own),
            "caught_at_heights": at_heights,
            "low": low,
            "high": high,
        }
    return found


def run_trial(trial: Trial) -> Outcome:
    """Flies one start with the fallback as the only driver."""
    robot = _robot(trial.robot_name)
    conditions, _ = draw_start(robot, trial.region, SHELLS[trial.shell], trial.seed, height_m=trial.height_m)
    limits = limits_for(robot, GuardLimits(switch_tilt_rad=math.inf))
    fallback = lqr_fallback(robot)

    def crew(twin: Twin, link: LockstepLink) -> Guard:
        del link
        return Guard(AfterRelease(fallback, twin), lqr_fallback(robot), limits, region=trial.region)

    return fly(robot.standing_at(trial.height_m), conditions, trial.seed, SECONDS, crew)


def draw_start(
    robot: Robot,
    region: Regions,
    radii: tuple[float, float],
    seed: int,
    ticks: int = BLIND_TICKS,
    held_rad: float = HELD_RAD,
    height_m: float | None = None,
) -> tuple[Conditions, np.ndarray]:
    """Draws where the robot is so many ticks after the hand let go, uniform in volume between two copies of the edge.

    The hand lets go that much earlier, so that the robot, falling freely, comes by there. A state that it could reach
    only from a lean beyond ``held_rad`` is drawn anew. Between two heights of the region both their ellipsoids count:
    the copies are then those of what they have in common.

    Args:
        robot: profile.
        region: whose edge it is.
        radii: of the two copies.
        seed: of the start, and of parameters as an evaluation draws them.
        ticks: 0 for a state at which the hand lets go.
        held_rad: largest lean at which the hand may hold the robot.
        height_m: that the legs hold; None for the nominal one.

    Returns:
        the twin's conditions, unpushed, and the state (pitch, pitch_rate, velocity) that was drawn.
    """
    random = np.random.default_rng((0x5E61, seed))
    height = robot.height_m if height_m is None else height_m
    counting = region.at(as_told(height))
    inner = radii[0] if len(counting) == 1 else 0.0  # what two ellipsoids have in common is no ellipsoid
    pitch, rate, velocity = math.inf, 0.0, 0.0
    while abs(pitch) > held_rad:
        direction = random.normal(size=3)
        radius = random.uniform(inner**3, radii[1] ** 3) ** (1.0 / 3.0)
        drawn = counting[0].points(direction[None] / np.linalg.norm(direction), radius)[0]
        if len(counting) == 1 or radii[0] <= max(each.radius(*drawn) for each in counting) <= radii[1]:
            pitch, rate, velocity = _earlier(robot, height, drawn, ticks * CONTROL_PERIOD_S)
    base = sample_conditions(TASKS["stand"], seed, robot)
    conditions = dataclasses.replace(
        base,
        initial_pitch_rad=pitch,
        initial_pitch_rate_rad_s=rate,
        initial_velocity_m_s=velocity,
        pushes=(),
        fall_distance_m=None,
    )
    return conditions, drawn


class AfterRelease:
    """Lets the fallback begin ``BLIND_TICKS`` after the hand let go; no torque before."""

    def __init__(self, fallback: Fallback, twin: Twin) -> None:
        self.identity = {**fallback.identity, "name": "fallback after release"}
        self.intent = math.nan
        self._fallback = fallback
        self._twin = twin
        self.reset()

    def reset(self) -> None:
        """Waits for the next release."""
        self._waited = 0
        self._fallback.reset()

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        if self._twin.held or self._waited < BLIND_TICKS:
            self._waited = 0 if self._twin.held else self._waited + 1
            return 0.0
        return self._fallback.torque(state)


def _earlier(robot: Robot, height_m: float, state: np.ndarray, seconds: float) -> list[float]:
    """Where a robot without torque was so long before, by the linear dynamics."""
    A, B = linear_dynamics(robot.pendulum_at(height_m))
    moving = [STATE.index(name) for name in ("pitch", "pitch_rate", "velocity")]
    transition, _ = discretise(A[np.ix_(moving, moving)], B[moving], seconds)
    return np.linalg.solve(transition, state).tolist()


_robot = functools.lru_cache(load_robot)
