"""Where does the nonlinear expert catch what the LQR does not? Both drive the same draws of the twin, without any help.

    python tools/compare_experts.py [--robot reference] [--draws 40] [--pushes 16,20,22,24,26,28] [--tasks stand_up]

A push is one of so many N s for 10 kg, in proportion to the robot's mass, forwards or backwards, 0.7 s after the robot
was let go. Intervals are Wilson's, of 95 %; p is the sign test's over the draws on which the two differ.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable

from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import Controller
from robot_il.control.lqr import lqr_law
from robot_il.control.mpc import predictive
from robot_il.learning.evaluation import Episode, sign_test, wilson_interval
from robot_il.tasks import find_task
from sim.conditions import Conditions

PUSH_S = 0.7
EXPERTS: dict[str, Callable[[Rollout], Controller]] = {
    "lqr": lambda rollout: lqr_law(rollout.robot, rollout.task),
    "mpc": lambda rollout: predictive(rollout.robot, rollout.task),
}


def pushed(rollout: Rollout, seed: int, impulse_ns: float) -> Conditions:
    """The draw of ``push_recovery`` with one push in the place of its own."""
    share = rollout.robot.mass_kg / 10.0 * (1.0 if seed % 2 else -1.0)
    return dataclasses.replace(rollout.conditions(seed), pushes=((PUSH_S, share * impulse_ns),))


def compare(rollout: Rollout, draws: int, conditions: Callable[[int], Conditions]) -> str:
    """One row: for each expert how many draws it did, with interval and the time of an answer, and p."""
    fallback = lqr_law(rollout.robot, rollout.task)
    results: dict[str, list[Episode]] = {}
    cells = []
    for name, make in EXPERTS.items():
        controller, started = make(rollout), time.process_time()
        results[name] = [rollout.run(controller, fallback, conditions(seed), seed) for seed in range(draws)]
        driven = sum(episode.seconds for episode in results[name])
        done = sum(episode.good for episode in results[name])
        low, high = wilson_interval(done, draws)
        speed = (time.process_time() - started) / max(driven, 1e-9)
        cells.append(f"{done}/{draws} ({100 * low:.0f} to {100 * high:.0f} %) {speed:.2f} s/s")
    return " | ".join([*cells, f"{sign_test(results['mpc'], results['lqr']):.2g}"])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robot", default="reference")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--pushes", default="16,20,22,24,26,28", help="in N s for 10 kg; empty for none")
    parser.add_argument("--tasks", default="stand_up,push_recovery", help="whose own draws are driven; empty for none")
    arguments = parser.parse_args()
    print("| start | LQR | MPC | p |\n|---|---|---|---|")
    for name in filter(None, arguments.tasks.split(",")):
        rollout = Rollout(arguments.robot, find_task(name), arguments.seconds)
        print(f"| draws of `{name}` | {compare(rollout, arguments.draws, rollout.conditions)} |", flush=True)
    rollout = Rollout(arguments.robot, find_task("push_recovery"), arguments.seconds)
    for impulse in filter(None, arguments.pushes.split(",")):
        row = compare(rollout, arguments.draws, lambda seed, ns=float(impulse): pushed(rollout, seed, ns))
        print(f"| a push of {impulse} N s | {row} |", flush=True)


if __name__ == "__main__":
    main()
