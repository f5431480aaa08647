"""Where the physics engines differ, and by how much: the same robots through the same trials in each."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_il.robot import Robot
from robot_il.spec import CONTROL_PERIOD_S
from sim.conditions import Conditions
from sim.engine import ENGINES, STEP_S, make_plant
from sim.engines_trials import OPEN_S, SIGNALS, UNITS, run_closed, run_open, trials_for

OPEN_HORIZONS_S = (0.05, 0.1, 0.2, OPEN_S)
CLOSED_HORIZONS_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
CLOSED = "lqr"
TIMED_STEPS = 200
TIMED_ROUNDS = 15
QUANTILE = 0.95
HARDLY = (1e-3, 1e-2, 1e-3, 1e-2, 1e-3, 1e-2, 1e-3)
"""Of each signal, in its unit: it hardly moved."""


@dataclass(frozen=True, eq=False)
class Compared:
    """One trial in both engines.

    Attributes:
        name: of the trial.
        about: what happens in it.
        step_s: from row to row.
        horizons_s: at which the engines are compared.
        values: engine to (N, T, len(SIGNALS)), a draw each; NaN once a robot has fallen.
    """

    name: str
    about: str
    step_s: float
    horizons_s: tuple[float, ...]
    values: dict[str, np.ndarray]

    @property
    def times_s(self) -> np.ndarray:
        """(T,) since the start."""
        times: np.ndarray = self.step_s * np.arange(self.values[ENGINES[0]].shape[1])
        return times

    @property
    def differences(self) -> np.ndarray:
        """(N, T, len(SIGNALS)) the second engine minus the first."""
        found: np.ndarray = self.values[ENGINES[1]] - self.values[ENGINES[0]]
        return found

    @property
    def moved(self) -> np.ndarray:
        """(N, T, len(SIGNALS)) change since the start in the first engine."""
        values = self.values[ENGINES[0]]
        return values - values[:, :1]

    def upright(self, engine: str) -> int:
        """How many draws the robot got through."""
        return int(np.isfinite(self.values[engine][:, -1, 0]).sum())

    def table(self) -> list[dict[str, Any]]:
        """A row for each signal and horizon, over the draws on which no robot has fallen by then.

        Of the difference: its root mean square, its 95 % quantile by size and the largest; beside them the root mean
        square of how far the signal moved.
        """
        rows = []
        for column, (signal, unit) in enumerate(zip(SIGNALS, UNITS, strict=True)):
            for horizon in self.horizons_s:
                place = round(horizon / self.step_s)
                off = self.differences[:, place, column]
                known = np.isfinite(off)
                if known.any():
                    sizes, moved = np.abs(off[known]), self.moved[known, place, column]
                    rows.append({
                        "signal": signal, "unit": unit, "horizon_s": horizon, "draws": int(known.sum()),
                        "rms": _rms(sizes), "quantile_95": float(np.quantile(sizes, QUANTILE)),
                        "largest": float(sizes.max()), "moved_rms": _rms(moved),
                    })  # fmt: skip
        return rows


@dataclass(frozen=True)
class Timing:
    """Time of one step of a plant, without sensors, drives and MCU, over some rounds that took turns.

    Attributes:
        step_us: engine to the median over the rounds.
        ratio: of the first engine's to the second's: median, smallest and largest over the rounds.
        rounds: how many there were.
    """

    step_us: dict[str, float]
    ratio: tuple[float, float, float]
    rounds: int = TIMED_ROUNDS


def compare_engines(
    robot: Robot, seeds: range, seconds: float, told: Callable[[int, int], None] = lambda done, total: None
) -> list[Compared]:
    """Every trial in every engine.

    Args:
        robot: profile.
        seeds: a draw each.
        seconds: of the closed loop.
        told: called with (trials done, of how many) for a person who waits.

    Raises:
        ConfigError: an engine is not installed.
        LinkError: a twin's MCU does not arm.
    """
    trials = trials_for(robot)
    total, done = (len(trials) + 1) * len(seeds) * len(ENGINES), 0
    told(done, total)

    def gather(runs: Iterable[np.ndarray]) -> np.ndarray:
        nonlocal done
        rows = []
        for run in runs:
            rows.append(run)
            done += 1
            told(done, total)
        return np.stack(rows)

    compared = [
        Compared(
            trial.name, trial.about, STEP_S, OPEN_HORIZONS_S,
            {engine: gather(run_open(trial, robot, engine, seed) for seed in seeds) for engine in ENGINES},
        )
        for trial in trials
    ]  # fmt: skip
    closed = {engine: gather(run_closed(robot, engine, seed, seconds) for seed in seeds) for engine in ENGINES}
    horizons = tuple(horizon for horizon in CLOSED_HORIZONS_S if horizon <= seconds)
    about = f"the LQR through an evaluation's draws, pushes and all, {seconds:g} s"
    return [*compared, Compared(CLOSED, about, CONTROL_PERIOD_S, horizons, closed)]


def hardly_moved(row: dict[str, Any]) -> bool:
    """Whether a row of ``Compared.table`` tells of a signal that the trial is not about."""
    return bool(row["moved_rms"] < HARDLY[SIGNALS.index(row["signal"])])


def time_steps(robot: Robot) -> Timing:
    """How long a step takes in each engine; the engines take turns, so that a busy machine is busy for both."""
    plants = {engine: make_plant(engine, robot, Conditions()) for engine in ENGINES}
    took: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for _ in range(TIMED_ROUNDS):
        for engine, plant in plants.items():
            plant.place(0.0)
            start = time.perf_counter()
            for _ in range(TIMED_STEPS):
                plant.step(0.0, 0.0)
            took[engine].append(1e6 * (time.perf_counter() - start) / TIMED_STEPS)
    for plant in plants.values():
        plant.close()
    ratios = np.array(took[ENGINES[0]]) / np.array(took[ENGINES[1]])
    spread = float(np.median(ratios)), float(ratios.min()), float(ratios.max())
    return Timing({engine: float(np.median(values)) for engine, values in took.items()}, spread)


def versions() -> dict[str, str]:
    """Engine to its version, as it tells it."""
    told = {"pybullet": "getAPIVersion", "mujoco": "mj_versionString"}
    return {engine: str(getattr(importlib.import_module(engine), told[engine])()) for engine in ENGINES}


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
