"""Steps a second of the twin and its parts, side by side in one interleaved run: on one core, then on all at once.

Each way simulates the same robot in steps of one millisecond: PyBullet and MuJoCo alone, each engine with all that is
read and set (``Plant.step``), the whole line (engine, drives, sensors, firmware, wire, loop, guard, and an LQR at 200
Hz) and the Gymnasium environment under the same LQR. Ratios within one run are what counts; the microseconds belong to
the machine.

    python tools/bench_twin.py [--robot reference] [--seconds 10] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import lqr_gain
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_RATE_HZ, FIRMWARE_RATE_HZ, TICKS_PER_STATE, TORQUE_LIMIT_NM
from robot_il.tasks import TASKS
from sim.conditions import Conditions
from sim.engine import Plant, make_plant

STAND = TASKS["stand"]
LEANING = Conditions(initial_pitch_rad=0.02)
FALL_MS = 200
"""After which a robot that nobody balances is set upright again: lying, it would be another load for the engine."""

Way = Callable[[str, float], float]
"""Simulates a robot for so many seconds of its time; returns the seconds that it took, set-up left out."""


def _timed(plant: Plant, step: Callable[[], object], seconds: float) -> float:
    start = time.perf_counter()
    for index in range(round(seconds * FIRMWARE_RATE_HZ)):
        if index % FALL_MS == 0:
            plant.place(LEANING.initial_pitch_rad)
        step()
    took = time.perf_counter() - start
    plant.close()
    return took


def pybullet_alone(robot: str, seconds: float) -> float:
    """``stepSimulation`` and nothing else."""
    from sim.physics import bullet

    plant = make_plant("pybullet", load_robot(robot), LEANING)
    client = plant._client
    return _timed(plant, lambda: bullet.stepSimulation(physicsClientId=client), seconds)


def mujoco_alone(robot: str, seconds: float) -> float:
    """``mj_step`` and nothing else."""
    import mujoco

    plant = make_plant("mujoco", load_robot(robot), LEANING)
    model, data = plant._model, plant._data
    return _timed(plant, lambda: mujoco.mj_step(model, data), seconds)


def plant(engine: str, robot: str, seconds: float) -> float:
    """An engine with all that is read and set each millisecond."""
    body = make_plant(engine, load_robot(robot), LEANING)
    return _timed(body, lambda: body.step(0.0, 0.0), seconds)


def line(engine: str, robot: str, seconds: float) -> float:
    """What ``robot-il evaluate`` runs."""
    rollout = Rollout(robot, STAND, seconds, engine=engine)
    gain = lqr_gain(rollout.robot, STAND)
    controller, fallback = LinearController(gain, STAND), LinearController(gain, STAND)
    start = time.perf_counter()
    episode = rollout.run(controller, fallback, LEANING, 0)
    took = time.perf_counter() - start
    assert episode.survived, episode
    return took


def environment(robot: str, seconds: float) -> float:
    """The Gymnasium environment, an LQR as the agent."""
    import gymnasium

    gain = lqr_gain(load_robot(robot), STAND)
    steps = round(seconds * CONTROL_RATE_HZ)
    world = gymnasium.make("sim.gym:robot_il/Stand-v0", robot=robot, seconds=seconds + 1.0)
    seen, _ = world.reset(seed=0, options={"conditions": LEANING})
    start = time.perf_counter()
    for _ in range(steps):
        torque = np.clip(-gain @ seen, -TORQUE_LIMIT_NM, TORQUE_LIMIT_NM)
        seen, _, terminated, _, _ = world.step(np.array([torque], dtype=np.float32))
        assert not terminated
    took = time.perf_counter() - start
    world.close()
    return took


WAYS: dict[str, tuple[Callable[..., float], tuple[str, ...]]] = {
    "PyBullet alone": (pybullet_alone, ()),
    "PyBullet plant": (plant, ("pybullet",)),
    "twin, whole line": (line, ("pybullet",)),
    "Gymnasium": (environment, ()),
    "MuJoCo alone": (mujoco_alone, ()),
    "MuJoCo plant": (plant, ("mujoco",)),
    "twin on MuJoCo": (line, ("mujoco",)),
}
BASE = "PyBullet alone"


def measure(job: tuple[str, str, float]) -> float:
    """Steps a second of one way."""
    name, robot, seconds = job
    way, arguments = WAYS[name]
    return seconds * FIRMWARE_RATE_HZ / way(*arguments, robot, seconds)


def measure_alone(robot: str, seconds: float, rounds: int) -> dict[str, np.ndarray]:
    """Steps a second of each way in each round, one process, the ways taking turns."""
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name in WAYS:
            rates[name].append(measure((name, robot, seconds)))
    return {name: np.array(values) for name, values in rates.items()}


def measure_together(robot: str, seconds: float, rounds: int, processes: int) -> dict[str, np.ndarray]:
    """Steps a second of as many processes as given, all at the same way at a time, summed."""
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for turn in range(-1, rounds):  # the first turn only warms up: imports, compiled firmware
            for name in WAYS:
                jobs = [(name, robot, seconds if turn >= 0 else 0.5)] * processes
                found = pool.map(measure, jobs, chunksize=1)
                if turn >= 0:
                    rates[name].append(sum(found))
    return {name: np.array(values) for name, values in rates.items()}


def report(alone: dict[str, np.ndarray], together: dict[str, np.ndarray], processes: int) -> dict[str, dict]:
    """Prints the table; returns its figures."""
    print(f"{'':18}{'us a step':>10}{'spread':>14}{'x PyBullet':>12}{'x real time':>13}{processes:>6} cores, steps/s")
    base = np.median(alone[BASE])
    table = {}
    for name, rates in alone.items():
        took = np.sort(1e6 / rates)
        row = {
            "us_a_step": float(np.median(took)),
            "us_a_step_range": [float(took[0]), float(took[-1])],
            "ratio": float(base / np.median(rates)),
            "real_time_factor": float(np.median(rates) / FIRMWARE_RATE_HZ),
            "steps_s": float(np.median(rates)),
            "steps_s_all_cores": float(np.median(together[name])),
            "gain_all_cores": float(np.median(together[name]) / np.median(rates)),
        }
        table[name] = row
        spread = f"{took[0]:.1f} to {took[-1]:.1f}"
        print(
            f"{name:18}{row['us_a_step']:10.1f}{spread:>14}{row['ratio']:12.2f}{row['real_time_factor']:13.0f}"
            f"{row['steps_s_all_cores']:14.0f} ({row['gain_all_cores']:.2f} x one)"
        )
    return table


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--robot", default="reference")
    parser.add_argument("--seconds", type=float, default=10.0, help="of simulated time, of each way in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    processes = len(os.sched_getaffinity(0))
    measure_alone(arguments.robot, 0.5, 1)  # warms up
    alone = measure_alone(arguments.robot, arguments.seconds, arguments.rounds)
    together = measure_together(arguments.robot, arguments.seconds, arguments.rounds, processes)
    table = report(alone, together, processes)
    print(f"an environment's step is {TICKS_PER_STATE} of these")
    if arguments.json:
        arguments.json.write_text(json.dumps({"robot": arguments.robot, "ways": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
