"""Does an LQR that goes with the height hold a robot better, while its legs move, than that of the nominal height?

    python tools/moving_heights.py [--episodes 24] [--pushes 1 3 5] [--robot reference] [--workers N]

Every episode moves the legs over their whole range and back at the rate at which the MCU permits it: lowest for
3 s, highest for 3 s, and so on; the way takes some 2 s. Start, robot, noise and pushes are drawn as an evaluation of
``stand`` draws them, the pushes twice as often and so many times as hard as ``--pushes`` says. Each law flies the same
episodes, nothing helps it, and it is judged by the twin's truth.

Where only one law survived, the two-sided sign test says whether that can be chance: scheduled to nominal. The
differences are those of episodes that both laws survived, scheduled minus nominal, with a 95 % interval of their mean
(Student's t).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.rollout import JUDGING
from robot_il.cli.side_by_side import side_by_side
from robot_il.control.controllers import Controller, LinearController
from robot_il.control.device import State
from robot_il.control.fallback import lqr_fallback
from robot_il.control.guard import Decision, Guard, limits_for
from robot_il.control.loop import ControlLoop
from robot_il.control.lqr import lqr_gain, lqr_law
from robot_il.control.posture import Course, HeightProgram
from robot_il.control.schedule import as_told
from robot_il.control.sink import NullSink
from robot_il.learning.evaluation import sign_p_value
from robot_il.robot import Robot, load_robot
from robot_il.spec import CONTROL_RATE_HZ
from robot_il.tasks import TASKS
from sim.conditions import Conditions, sample_conditions
from sim.lockstep import LockstepLink
from sim.twin import Truth, Twin

STAND = TASKS["stand"]
SECONDS = 15.0
STAY_S = 3.0
LAWS = ("nominal", "scheduled")
FIGURES = {"lean_rms": "rad", "worst_lean": "rad", "position_rms": "m", "velocity_rms": "m/s"}


class ThereAndBack(HeightProgram):
    """Lowest and highest in turn."""

    def __init__(self, robot: Robot) -> None:
        super().__init__(*robot.heights_m, seed=0)
        self._ends = [as_told(height_m) for height_m in robot.heights_m]

    def height_at(self, time_s: float) -> float:
        """The end that is asked for, in m."""
        return self._ends[int(time_s / STAY_S) % 2]


@dataclass(frozen=True)
class Flight:
    """One episode under one law; picklable."""

    robot_name: str
    law: str
    seed: int
    push: float


@dataclass(frozen=True)
class Result:
    """How it went, by the truth: whether it stood to the end, and root mean squares of the way there."""

    survived: bool
    lean_rms: float
    worst_lean: float
    position_rms: float
    velocity_rms: float
    lowest_m: float
    highest_m: float


_robot = functools.lru_cache(load_robot)


def fly(flight: Flight) -> Result:
    """Flies one episode."""
    robot = _robot(flight.robot_name)
    seen: list[Truth] = []
    with contextlib.closing(Twin(robot, conditions(robot, flight), flight.seed)) as twin:
        link = LockstepLink(twin)

        def watch(state: State, decision: Decision) -> None:
            del state
            if decision.source and not twin.held:
                seen.append(twin.truth)

        with contextlib.closing(SerialDevice(link)) as device:
            device.open()
            guard = Guard(law(robot, flight.law), lqr_fallback(robot), limits_for(robot, JUDGING))
            course = Course(0.0, *robot.heights_m, ThereAndBack(robot))
            loop = ControlLoop(device, link.clock, guard, NullSink(), watch, course=course)
            loop.observe(2)
            report = loop.run(round(SECONDS * CONTROL_RATE_HZ))
        return judged(seen, report.controlled >= round(SECONDS * CONTROL_RATE_HZ) and not twin.fallen)


def law(robot: Robot, name: str) -> Controller:
    """One of ``LAWS``."""
    return lqr_law(robot, STAND) if name == "scheduled" else LinearController(lqr_gain(robot, STAND), STAND)


def conditions(robot: Robot, flight: Flight) -> Conditions:
    """An evaluation's, pushed twice as often and otherwise hard."""
    drawn = sample_conditions(STAND, flight.seed, robot)
    pushes = tuple((0.5 * time_s, flight.push * impulse) for time_s, impulse in drawn.pushes)
    return dataclasses.replace(drawn, pushes=pushes, fall_distance_m=None)


def judged(seen: Sequence[Truth], survived: bool) -> Result:
    """What the truths of an episode come down to."""
    lean, place, speed, height = np.array([[row.pitch, row.position, row.velocity, row.height] for row in seen]).T
    rms = [float(np.sqrt(np.mean(np.square(column)))) for column in (lean, place, speed)]
    return Result(survived, rms[0], float(np.abs(lean).max()), rms[1], rms[2], float(height.min()), float(height.max()))


def difference(name: str, nominal: Sequence[Result], scheduled: Sequence[Result]) -> tuple[float, float, float]:
    """Mean of scheduled minus nominal over the episodes that both survived, and its 95 % interval."""
    pairs = [(one, other) for one, other in zip(nominal, scheduled, strict=True) if one.survived and other.survived]
    apart = np.array([getattr(other, name) - getattr(one, name) for one, other in pairs])
    if len(apart) < 2:
        return (np.nan,) * 3
    half = float(student.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart)))
    mean = float(apart.mean())
    return mean, mean - half, mean + half


def row(push: float, results: dict[str, list[Result]]) -> str:
    """One line of the Markdown table."""
    nominal, scheduled = (results[name] for name in LAWS)
    upright = [f"{sum(result.survived for result in each)} of {len(each)}" for each in (nominal, scheduled)]
    only = [
        sum(one.survived > other.survived for one, other in zip(*pair, strict=True))
        for pair in ((scheduled, nominal), (nominal, scheduled))
    ]
    cells = [*upright, f"{only[0]} to {only[1]}, p = {sign_p_value(*only):.2g}"]
    for name in FIGURES:
        of_nominal = np.mean([getattr(result, name) for result in nominal if result.survived])
        mean, low, high = (100.0 * value / of_nominal for value in difference(name, nominal, scheduled))
        cells.append(f"{mean:+.1f} % ({low:+.1f} to {high:+.1f})")
    return f"| {push:g} | {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> int:
    """Flies and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=24, help="of each law and push (default 24)")
    parser.add_argument("--pushes", type=float, nargs="+", default=[1.0, 3.0, 5.0], help="times an evaluation's")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--robot", default="reference")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    chosen = parser.parse_args(words)
    print(f"| pushes | {' | '.join(f'{name} upright' for name in LAWS)} | only one | {' | '.join(FIGURES)} |")
    print("|" + "---|" * (2 + len(LAWS) + len(FIGURES)))
    for push in chosen.pushes:
        seeds = range(chosen.first_seed, chosen.first_seed + chosen.episodes)
        jobs = [Flight(chosen.robot, name, seed, push) for name in LAWS for seed in seeds]
        flown = list(side_by_side(fly, jobs, chosen.workers, "flown"))
        print(row(push, dict(zip(LAWS, (flown[: len(seeds)], flown[len(seeds) :]), strict=True))), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
