"""How often does the guard catch a policy that fails? Trials in the lock-step twin, one table.

    python tools/failing_policies.py [--trials 100] [--kinds nan stuck ...] [--policy FILE] [--workers N] [--docs]

Every trial draws a start uniformly inside the region from which the fallback can catch the robot, a robot unlike its
profile (masses, friction, motor, sensor noise, delay, as an evaluation draws them) with an evaluation's pushes, and a
moment between 0.5 and 3.5 s at which the policy begins to fail for good, in one of these ways:

    nan        its torque is not a number
    raises     it raises an exception
    runaway    its torque doubles with every answer, either way
    constant   its torque is stuck at any value within the limits
    stuck      its torque stays what it was
    late       it takes 50 ms to answer, every time, and the robot goes on without it meanwhile
    delayed    it answers in time what it should have answered 50 ms before
    sound      it does not fail; here counts how much is left to it

A policy that was rescued gets the robot back when that has been calm for a second, three times at most, and fails again
at once: one trial holds up to four failures. The robot is caught when it is driven to the end, 6 s, and stands still
then; a fall, a safe stop or a stop by the MCU is none. In lock-step the host thinks in no time at all; for ``late`` the
policy lets the world go on for 50 ms before it answers, so that the link, the MCU and the loop see what they would see.

The same seeds give the same trials, for any number of processes. Shares are given with 95 % Wilson intervals. The exit
code is 1 where fewer than 99 of 100 were caught of any kind. With ``--keep`` a run that was cut short goes on where it
was; with ``--docs`` the table goes into docs/safety.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import math
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_il.cli.guarded import Outcome, fly
from robot_il.cli.policies import load_policy_controller
from robot_il.cli.region_trials import HELD_RAD, draw_start
from robot_il.cli.side_by_side import side_by_side
from robot_il.control.controllers import Controller, LinearController
from robot_il.control.device import State
from robot_il.control.fallback import lqr_fallback
from robot_il.control.guard import Guard, limits_for
from robot_il.control.lqr import lqr_gain
from robot_il.control.region_file import load_region
from robot_il.control.region_heights import Regions
from robot_il.learning.evaluation import wilson_interval
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_PERIOD_S, TORQUE_LIMIT_NM
from robot_il.tasks import TASKS
from sim.conditions import Conditions, sample_conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin

LATE_MS = 50
SECONDS = 6.0
FAILS_S = (0.5, 3.5)
GOAL = 0.99
MARKERS = ("<!-- failing policies: begin -->", "<!-- failing policies: end -->")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "safety.md"

Fails = Callable[[float], float]
"""The answer of a failed policy, from what it would have answered had it not failed."""


def raises(sound: float) -> float:
    """A policy that raises."""
    raise RuntimeError(f"the policy broke instead of answering {sound}")


def runaway(random: np.random.Generator) -> Fails:
    """Torque that doubles with every answer."""
    torque = float(random.choice((-0.1, 0.1)))

    def answer(sound: float) -> float:
        nonlocal torque
        torque *= 2.0
        return torque

    return answer


def stuck() -> Fails:
    """Torque that stays what it was at the failure."""
    held: list[float] = []

    def answer(sound: float) -> float:
        held.append(sound)
        return held[0]

    return answer


def late(link: LockstepLink) -> Fails:
    """The right torque, after the world has gone on for ``LATE_MS``."""

    def answer(sound: float) -> float:
        link.pass_time(LATE_MS)
        return sound

    return answer


def delayed() -> Fails:
    """The right torque of ``LATE_MS`` ago."""
    line: deque[float] = deque(maxlen=round(LATE_MS * 1e-3 / CONTROL_PERIOD_S) + 1)

    def answer(sound: float) -> float:
        line.append(sound)
        return line[0]

    return answer


def constant(random: np.random.Generator) -> Fails:
    """Any torque within the limits, for good."""
    torque = float(random.uniform(-TORQUE_LIMIT_NM, TORQUE_LIMIT_NM))
    return lambda sound: torque


KINDS: dict[str, Callable[[LockstepLink, np.random.Generator], Fails]] = {
    "nan": lambda link, random: lambda sound: math.nan,
    "raises": lambda link, random: raises,
    "runaway": lambda link, random: runaway(random),
    "constant": lambda link, random: constant(random),
    "stuck": lambda link, random: stuck(),
    "late": lambda link, random: late(link),
    "delayed": lambda link, random: delayed(),
    "sound": lambda link, random: lambda sound: sound,
}


class FailingPolicy:
    """A policy that is sound until a moment and failed ever after.

    Args:
        policy: the sound one.
        fails: what becomes of its answers.
        after_s: time since the robot was let go at which it fails.
        twin: knows when that was.
    """

    def __init__(self, policy: Controller, fails: Fails, after_s: float, twin: Twin) -> None:
        self.identity = {**policy.identity, "fails_after_s": after_s}
        self.intent = math.nan
        self._policy = policy
        self._fails = fails
        self._after_s = after_s
        self._twin = twin

    def reset(self) -> None:
        """Starts the sound policy anew; what has failed stays failed."""
        self._policy.reset()

    def torque(self, state: State) -> float:
        """Total wheel torque in N m, or whatever has become of it."""
        sound = self._policy.torque(state)
        return self._fails(sound) if self._twin.truth.time_s >= self._after_s else sound


@dataclass(frozen=True)
class Trial:
    """One trial; picklable."""

    kind: str
    seed: int
    robot_name: str
    task_name: str
    policy: Path | None
    pushed: bool


def run_trial(trial: Trial) -> Outcome:
    """Flies one trial."""
    robot, _, region = _prepared(trial.robot_name, trial.task_name)
    random = np.random.default_rng((0xFA11, list(KINDS).index(trial.kind), trial.seed))
    conditions = start(trial, region, int(random.integers(2**31)))
    after_s = float(random.uniform(*FAILS_S))

    def crew(twin: Twin, link: LockstepLink) -> Guard:
        policy = sound_policy(trial, random)
        failing = FailingPolicy(policy, KINDS[trial.kind](link, random), after_s, twin)
        return Guard(failing, lqr_fallback(robot), limits_for(robot), region=region)

    return fly(robot, conditions, trial.seed, SECONDS, crew)


def start(trial: Trial, region: Regions, draw: int) -> Conditions:
    """A start inside the region, from a lean at which the robot may be armed, with the pushes of an evaluation."""
    robot, task, _ = _prepared(trial.robot_name, trial.task_name)
    inside, _ = draw_start(robot, region, (0.0, 1.0), draw, ticks=0, held_rad=min(region.at_rest_rad, HELD_RAD))
    pushes = sample_conditions(task, draw, robot).pushes if trial.pushed else ()
    return dataclasses.replace(inside, pushes=pushes)


def sound_policy(trial: Trial, random: np.random.Generator) -> Controller:
    """The policy of the file, or an LQR with each gain off by up to 20 %: no policy drives as the fallback does."""
    robot, task, _ = _prepared(trial.robot_name, trial.task_name)
    if trial.policy is not None:
        return load_policy_controller(trial.policy, task.name)[0]
    gain = lqr_gain(robot, task)
    return LinearController(gain * random.uniform(0.8, 1.2, size=gain.shape), task, "LQR with other gains")


@functools.lru_cache
def _prepared(robot_name: str, task_name: str) -> tuple:
    robot = load_robot(robot_name)
    return robot, TASKS[task_name], load_region(robot).region


def kept_or_flown(jobs: Sequence[Trial], workers: int | None, folder: Path | None) -> list[Outcome]:
    """The outcomes of one kind: those of an earlier run with the same trials and region, or flown now."""
    if folder is None:
        return list(side_by_side(run_trial, jobs, workers, f"{jobs[0].kind}: flown"))
    region = _prepared(jobs[0].robot_name, jobs[0].task_name)[2]
    plan = json.loads(json.dumps([[dataclasses.astuple(job) for job in jobs], region.to_json()], default=str))
    file = folder / f"{jobs[0].kind}.json"
    if file.exists():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["plan"] == plan:
            return [Outcome(**{**row, "reasons": tuple(row["reasons"])}) for row in kept["outcomes"]]
    outcomes = list(side_by_side(run_trial, jobs, workers, f"{jobs[0].kind}: flown"))
    folder.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".partial")
    rows = [dataclasses.asdict(outcome) for outcome in outcomes]
    temporary.write_text(json.dumps({"plan": plan, "outcomes": rows}), encoding="utf-8")
    temporary.replace(file)
    return outcomes


def caption(arguments: argparse.Namespace) -> str:
    """What the table was made with."""
    policy = f"`{arguments.policy.name}`" if arguments.policy else "an LQR with each gain off by up to 20 %"
    return (
        f"Made by `tools/failing_policies.py` in the lock-step twin of robot {arguments.robot}, task {arguments.task}: "
        f"{arguments.trials} trials a row from seed {arguments.first_seed}, {SECONDS:g} s each; the policy is {policy}."
    )


def table(kinds: Sequence[str], outcomes: dict[str, list[Outcome]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| the policy | caught | 95 % interval | mean share driven by the fallback | largest lean | smallest margin |",
        "|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        results = outcomes[kind]
        caught = sum(result.upright for result in results)
        low, high = wilson_interval(caught, len(results))
        share = np.mean([result.rescued / max(1, result.rescued + result.controlled) for result in results])
        lean = max(result.largest_lean_rad for result in results)
        margin = min(result.worst_margin for result in results)
        lines.append(
            f"| {kind} | {caught} of {len(results)} | {100 * low:.1f} to {100 * high:.1f} % | {100 * share:.0f} % "
            f"| {lean:.2f} rad | {margin:+.2f} |"
        )
    return "\n".join(lines)


def write_docs(text: str) -> None:
    """Puts the text between the markers of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKERS[0])
    _, _, after = rest.partition(MARKERS[1])
    temporary = PAGE.with_suffix(".md.partial")
    temporary.write_text(f"{before}{MARKERS[0]}\n{text}\n{MARKERS[1]}{after}", encoding="utf-8")
    temporary.replace(PAGE)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="of each kind (default 100)")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--robot", default="reference")
    parser.add_argument("--task", default="stand", choices=tuple(TASKS))
    parser.add_argument("--policy", type=Path, help="policy file (default: an LQR with other gains)")
    parser.add_argument("--no-pushes", action="store_true", help="nobody pushes the robot")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keeps each kind's outcomes; does none twice")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/safety.md")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Prints the table."""
    arguments = parse(words)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.trials)
    outcomes: dict[str, list[Outcome]] = {}
    for kind in arguments.kinds:
        jobs = [
            Trial(kind, seed, arguments.robot, arguments.task, arguments.policy, not arguments.no_pushes)
            for seed in seeds
        ]
        outcomes[kind] = kept_or_flown(jobs, arguments.workers, arguments.keep)
        for job, result in zip(jobs, outcomes[kind], strict=True):
            if not result.upright:
                print(f"lost: {kind}, seed {job.seed}: {result.end}")
    text = table(arguments.kinds, outcomes)
    print(text)
    if arguments.docs:
        write_docs(f"{text}\n\n{caption(arguments)}")
    worst = min(sum(result.upright for result in of_kind) / len(of_kind) for of_kind in outcomes.values())
    return 0 if worst >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
