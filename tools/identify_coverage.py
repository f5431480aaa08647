"""How often the intervals of ``robot-il sysid`` hold the truth: on the twin, whose figures are known.

    python tools/identify_coverage.py [--first-seed N] [--seeds N] [--seconds S] [--out FILE]

For each seed a twin is drawn (torque delivered, height of the centre of mass, friction, delay, sensors' noise), excited
for a while under the LQR as ``robot-il sysid --device`` does, and identified from what its own sensors say. Printed is
each figure against the truth, and the share of intervals that hold it. With ``--out`` results are kept as JSON, and
further seeds are added to what is there.

The delay is judged together with the drives' lag, as a sum: the twin moves in steps of a millisecond, so that its lag
of 2 ms is on average 1.54 ms late (keep / (1 - keep) steps), and no single figure of the equations is its truth.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.cli.rollout import Rollout
from robot_il.cli.sysid_data import SETTLED_S, to_stretch
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import lqr_gain
from robot_il.control.sink import NullSink
from robot_il.recording.motion import unbroken
from robot_il.robot import Robot, load_robot
from robot_il.spec import CONTROL_PERIOD_S, TICK_DTYPE
from robot_il.tasks import TASKS
from sim.conditions import Conditions, nominal
from sim.excitation import Excitation, ExcitedController
from sim.identification.equations import COULOMB, DELAY, HEIGHT, INERTIA, LAG, SCALE, VISCOUS
from sim.identification.identify import Identified, identify
from sim.plant import STEP_S

FIGURES = {"torque scale": SCALE, "height": HEIGHT, "inertia": INERTIA, "viscous": VISCOUS, "Coulomb": COULOMB}
LATE = "delay + lag"


class Kept(NullSink):
    """Keeps the ticks."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []

    def tick(self, row: bytes) -> None:
        """Takes one row."""
        self.rows.append(bytes(row))


def draw(seed: int) -> Conditions:
    """A twin unlike its profile; its mass is what the scales say."""
    random = np.random.default_rng(seed)
    return dataclasses.replace(
        nominal(TASKS["stand"]),
        motor_strength_scale=float(random.uniform(0.85, 1.15)),
        com_height_scale=float(random.uniform(0.92, 1.08)),
        friction_scale=float(random.uniform(0.5, 2.0)),
        delay_scale=float(random.choice((0.5, 1.0, 1.5, 2.0))),
        sensor_noise_scale=float(random.uniform(0.5, 2.0)),
    )


def truth(robot: Robot, conditions: Conditions) -> dict[str, float]:
    """What the identification should find."""
    chain, held, pendulum = robot.chain, robot.held_rad, robot.pendulum
    base = chain.links[chain.base]
    lift = (conditions.com_height_scale - 1.0) * pendulum.body_height_m * pendulum.body_mass_kg / base.mass_kg
    lifted = dataclasses.replace(base, com_m=base.com_m + np.array([0.0, 0.0, lift]))
    wheels = {name for name in chain.links if name.startswith("tyre")}
    body = tuple(name for name in chain.links if name not in wheels)
    moved = dataclasses.replace(chain, links={**chain.links, chain.base: lifted})
    keep = math.exp(-STEP_S / robot.drive.time_constant_s)
    delay_ms = round(robot.sensors.delay_s * conditions.delay_scale / STEP_S)
    return {
        "torque scale": conditions.motor_strength_scale,
        "height": pendulum.body_height_m * conditions.com_height_scale,
        "inertia": float(moved.mass_properties(held, body)[2][1, 1]),
        "viscous": 2.0 * robot.drive.viscous_friction_nm_s * conditions.friction_scale,
        "Coulomb": 2.0 * robot.drive.coulomb_friction_nm * conditions.friction_scale,
        LATE: STEP_S * (delay_ms + keep / (1.0 - keep)),
    }


def late(found: Identified) -> tuple[float, float, float]:
    """Delay and lag together, with the interval that follows from their covariance."""
    spread, chosen = found.spread, found.spread.chosen
    value = float(found.fitted.values[DELAY] + found.fitted.values[LAG])
    places = [chosen.index(index) for index in (DELAY, LAG) if index in chosen]
    deviations = spread.deviation[places]
    variance = deviations @ spread.correlation[np.ix_(places, places)] @ deviations
    reach = float((spread.high - spread.low)[places[0]] / (2.0 * deviations[0])) * math.sqrt(max(0.0, variance))
    return value, value - reach, value + reach


def fly(robot: Robot, conditions: Conditions, seed: int, seconds: float) -> np.ndarray:
    """The ticks of one excited flight."""
    task = TASKS["stand"]
    law = LinearController(lqr_gain(robot, task), task)
    sink = Kept()
    rollout = Rollout("reference", task, seconds)
    rollout.run(ExcitedController(law, Excitation(amplitude_nm=2.0, seed=seed)), law, conditions, seed, sink)
    return np.frombuffer(b"".join(sink.rows), TICK_DTYPE)


def one(robot: Robot, seed: int, seconds: float) -> dict[str, list[float] | None]:
    """Figure to (truth, found, low, high); None where it was not told."""
    conditions = draw(seed)
    ticks = fly(robot, conditions, seed, seconds)
    skipped = round(SETTLED_S / CONTROL_PERIOD_S)
    stretches = [
        to_stretch(ticks[start + skipped : stop], robot, CONTROL_PERIOD_S, f"seed {seed}")
        for start, stop in unbroken(ticks, driven=True)
    ]
    found = identify(robot, stretches)
    intervals: dict[str, Any] = {name: found.interval(index) for name, index in FIGURES.items()}
    intervals[LATE] = late(found) if DELAY in found.spread.chosen else None
    right = truth(robot, conditions)
    return {name: None if ends is None else [right[name], *ends] for name, ends in intervals.items()}


def table(results: dict[str, dict[str, list[float] | None]]) -> str:
    """A row for each figure: told, held, how far off."""
    lines = [
        "| figure | told | interval holds the truth | median width of the interval | median error |",
        "|---|---|---|---|---|",
    ]
    held_all = told_all = 0
    for name in (*FIGURES, LATE):
        told = np.array([entry[name] for entry in results.values() if entry[name] is not None])
        right, found, low, high = told.T
        held = int(np.sum((low <= right) & (right <= high)))
        held_all, told_all = held_all + held, told_all + len(told)
        width = np.median((high - low) / right)
        error = np.median(np.abs(found - right) / right)
        lines.append(f"| {name} | {len(told)} of {len(results)} | {held} of {len(told)} | {width:.1%} | {error:.2%} |")
    lines.append(f"| all | | {held_all} of {told_all}, {held_all / told_all:.0%} | | |")
    return "\n".join(lines)


def main() -> None:
    """Flies, identifies, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    robot = load_robot("reference")
    results: dict[str, Any] = {}
    if arguments.out and arguments.out.exists():
        results = json.loads(arguments.out.read_text(encoding="utf-8"))
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        print(f"seed {seed}", file=sys.stderr, flush=True)
        results[str(seed)] = one(robot, seed, arguments.seconds)
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
