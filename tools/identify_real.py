"""Identifies a real two-wheeled balancing robot from some runs and predicts others; prints a table.

    python tools/identify_real.py [--runs 0 1 2 ...] [--rounds N] [--out FILE]

Seven upright runs of a Regbot at 66.7 Hz (tilt, wheel speed, and one sample of the motors' voltage in each period) are
no part of this project: the folder that holds ``real-robot/regbot_group47.npz`` is named by ROBOT_IL_BENCHMARK,
``../shared/benchmark`` without. Each run is predicted by what was fitted to the other six. A prediction begins at every
reading; it may look at the readings up to then, and at the recorded voltages up to the horizon. With ``--out`` the
errors are kept as JSON and further runs are added to what is there; the intervals are 95 % (Student's t over the runs).

Methods: persistence; ARX models of tilt and speed, least squares for one step and then iterated, of the order that does
best on the runs it is fitted to; least squares from the same past and voltages straight to each horizon; the identified
robot in open loop; the identified robot with its controller's law; and least squares to each horizon that is told what
the latter predicts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from sim.identification.equations import Body
from sim.identification.filtering import FIGURES, LAGS, Filter, Law, ahead, filtered, joined

FILE = Path("real-robot") / "regbot_group47.npz"
PERIOD_S = 0.015
HORIZONS = {"0.25 s": 17, "1 s": 67}
TUNED = (4, 17, 67)
SCALE = np.array([0.05, 0.05])
"""Errors of tilt in rad and speed in m/s that count alike when the robot is identified."""
PAST = 20
ORDERS = (1, 2, 3, 5, 8)
RIDGE = 1e-2
BODY = Body(0.87, 0.10, 4.5e-5, 0.03, rest_rad_s=0.2)
"""0.97 kg in all and wheels of 30 mm, as published for this robot; two wheels of 50 g are an estimate."""
BOUNDS = {
    "torque_nm_v": (0.05, 0.1),
    "height_m": (0.015, 0.1),
    "inertia_kg_m2": (3e-4, 8e-3),
    "viscous_nm_s": (0.005, 0.009),
    "coulomb_nm": (0.035, 0.07),
    "share_of_next": (0.01, 1.0),
    "input_v": (0.05, 0.8),
    "tilt_rad": (7e-4, 5e-3),
    "speed_m_s": (0.015, 0.05),
    "rate_walk": (0.05, 3.0),
    "speed_walk": (0.005, 0.3),
    "offset_walk": (3e-4, 0.1),
    "memory_s": (0.1, 100.0),
    "law_share": (0.5, 10.0),
}
"""Where the search looks, in powers; the first five around what is published of motors, masses and gears."""
MEMBERS, ELITE = 36, 9
METHODS = ("persistence", "ARX iterated", "regression", "robot, open loop", "robot", "robot + regression")


def load() -> list[np.ndarray]:
    """The runs, each (T, 3) of tilt in rad, wheel speed in m/s, mean voltage of both motors."""
    folder = Path(os.environ.get("ROBOT_IL_BENCHMARK", "../shared/benchmark"))
    if not (folder / FILE).is_file():
        sys.exit(f"expected the recordings in {folder / FILE}; name their folder by ROBOT_IL_BENCHMARK")
    runs = []
    with np.load(folder / FILE, allow_pickle=False) as archive:
        for log in json.loads(str(archive["info"]))["logs"]:
            if "tilt" in log["columns"] and ("test3" in log["key"] or "test4" in log["key"]) and log["rows"] > 300:
                column = dict(zip(log["columns"], archive[log["key"]].astype(float).T, strict=True))
                pairs = [0.5 * (column[f"{name}_l"] + column[f"{name}_r"]) for name in ("wheel", "volt")]
                runs.append(np.stack((column["tilt"], *pairs), axis=1))
    return runs


def starts_of(run: np.ndarray) -> np.ndarray:
    """Readings at which a prediction begins: the same ones for every method and horizon."""
    return np.arange(PAST, len(run) - max(HORIZONS.values()))


# -- linear -----------------------------------------------------------------------------------------------------------


def arx(runs: Sequence[np.ndarray], order: int) -> np.ndarray:
    """Weights (3 * order + 1, 2) of the next tilt and speed on the last readings and 1."""
    rows, wanted = [], []
    for run in runs:
        now = np.arange(order - 1, len(run) - 1)
        rows.append(np.stack([run[now - lag] for lag in range(order)], axis=1).reshape(len(now), -1))
        wanted.append(run[now + 1, :2])
    table = np.concatenate(rows)
    table = np.column_stack((table, np.ones(len(table))))
    weights: np.ndarray = np.linalg.lstsq(table, np.concatenate(wanted), rcond=None)[0]
    return weights


def iterate(weights: np.ndarray, run: np.ndarray, horizons: Sequence[int]) -> np.ndarray:
    """(H, N, 2) tilt and speed, one step after another, under the recorded voltages."""
    order, starts = (len(weights) - 1) // 3, starts_of(run)
    past = np.stack([run[starts - lag] for lag in range(order)], axis=1)
    found = []
    for step in range(1, max(horizons) + 1):
        following = np.column_stack((past.reshape(len(starts), -1), np.ones(len(starts)))) @ weights
        newest = np.column_stack((following, run[starts + step, 2]))
        past = np.concatenate([newest[:, None], past[:, :-1]], axis=1)
        if step in horizons:
            found.append(following)
    return np.stack(found)


def best_order(runs: Sequence[np.ndarray], horizon: int) -> int:
    """The order that does best on the very runs it is fitted to, at this horizon."""

    def error(order: int) -> float:
        weights = arx(runs, order)
        missed = [iterate(weights, run, [horizon])[0] - run[starts_of(run) + horizon, :2] for run in runs]
        return float(np.sum(np.mean(np.concatenate(missed) ** 2, axis=0) / SCALE**2))

    return min(ORDERS, key=error)


def features(run: np.ndarray, horizon: int, told: np.ndarray | None) -> np.ndarray:
    """(N, F) past readings, voltages up to the horizon, what another method predicts, and 1."""
    starts = starts_of(run)
    past = run[starts[:, None] - np.arange(PAST)].reshape(len(starts), -1)
    voltages = run[starts[:, None] + np.arange(1, horizon + 1), 2]
    extra = [] if told is None else [told]
    return np.column_stack((past, voltages, *extra, np.ones(len(starts))))


def regression(
    runs: Sequence[np.ndarray], run: np.ndarray, horizon: int, told: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """(N, 2) by ridge regression straight to the horizon; ``told``: predictions for each of ``runs``, then ``run``."""
    tables = [features(one, horizon, told[place] if told else None) for place, one in enumerate(runs)]
    table = np.concatenate(tables)
    wanted = np.concatenate([one[starts_of(one) + horizon, :2] for one in runs])
    weights = np.linalg.solve(table.T @ table + RIDGE * np.eye(table.shape[1]), table.T @ wanted)
    predicted: np.ndarray = features(run, horizon, told[-1] if told else None) @ weights
    return predicted


# -- the identified robot ----------------------------------------------------------------------------------------------


def bounds() -> tuple[np.ndarray, np.ndarray]:
    """(len(FIGURES),) logarithms of where the search looks."""
    low, high = np.log(np.array([BOUNDS[name] for name in FIGURES])).T
    return low, high


def pieces(runs: Sequence[np.ndarray], length: int = 240, lead: int = 40) -> np.ndarray:
    """(N, length, 3) overlapping cuts of the runs, so that many filters run side by side."""
    step = length - max(TUNED) - lead
    return np.stack([run[begin : begin + length] for run in runs for begin in range(0, len(run) - length + 1, step)])


def cost(members: np.ndarray, cuts: np.ndarray, law: Law, every: int = 20, lead: int = 40) -> np.ndarray:
    """(B,) how far each member (B, len(FIGURES)) misses tilt and speed, in units of ``SCALE``, over ``TUNED``."""
    count, number, length, _ = len(members), *cuts.shape
    model = Filter(BODY, np.repeat(np.exp(members).T, number, axis=1), PERIOD_S)
    tilt, speed, voltage = np.moveaxis(np.tile(cuts, (count, 1, 1)), 2, 0)
    starts = np.arange(lead, length - max(TUNED), every)
    beliefs = filtered(model, *(values[:, : starts[-1] + 1] for values in (tilt, speed, voltage)), PERIOD_S)
    wide = Filter(BODY, np.tile(np.repeat(np.exp(members).T, number, axis=1), (1, len(starts))), PERIOD_S)
    inputs = np.concatenate([voltage[:, start + 1 - LAGS : start + max(TUNED) + 1] for start in starts])
    predicted = ahead(wide, joined([beliefs[start] for start in starts]), law, inputs, TUNED)
    wanted = np.stack(
        [np.concatenate([np.stack((tilt[:, s + h], speed[:, s + h]), axis=1) for s in starts]) for h in TUNED]
    )
    missed = np.clip(np.nan_to_num(predicted - wanted, nan=2.0), -2.0, 2.0)
    squares = (missed**2).reshape(len(TUNED), len(starts), count, number, 2).mean(axis=(1, 3))
    total: np.ndarray = (np.sqrt(squares) / SCALE).sum(axis=(0, 2))
    return total


def search(runs: Sequence[np.ndarray], law: Law, rounds: int, seed: int) -> np.ndarray:
    """Figures by the cross-entropy method (Rubinstein, Methodol. Comput. Appl. Probab. 1(2), 1999)."""
    random, cuts = np.random.default_rng(seed), pieces(runs)
    low, high = bounds()
    middle, width = 0.5 * (low + high), (high - low) / 3.0
    best, least = middle, np.inf
    for number in range(rounds):
        members = np.clip(middle + width * random.standard_normal((MEMBERS, len(low))), low, high)
        members[0] = best
        costs = cost(members, cuts, law)
        order = np.argsort(costs)[:ELITE]
        if costs[order[0]] < least:
            best, least = members[order[0]].copy(), float(costs[order[0]])
        middle, width = members[order].mean(axis=0), 1.1 * members[order].std(axis=0) + 1e-3
        print(f"\r  round {number + 1} of {rounds}, cost {least:.3f} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return best


def by_robot(figures: np.ndarray, law: Law | None, run: np.ndarray) -> np.ndarray:
    """(H, N, 2) what the identified robot does."""
    starts, horizons = starts_of(run), list(HORIZONS.values())
    one = Filter(BODY, np.exp(figures)[:, None], PERIOD_S)
    beliefs = filtered(one, *(run[None, :, column] for column in range(3)), PERIOD_S)
    many = Filter(BODY, np.repeat(np.exp(figures)[:, None], len(starts), axis=1), PERIOD_S)
    inputs = np.stack([run[start + 1 - LAGS : start + max(horizons) + 1, 2] for start in starts])
    return ahead(many, joined([beliefs[start] for start in starts]), law, inputs, horizons)


# -- all together -----------------------------------------------------------------------------------------------------


def fold(runs: Sequence[np.ndarray], index: int, rounds: int) -> dict[str, Any]:
    """Errors of every method on one run, fitted to the others, and the figures found."""
    others, run = [one for place, one in enumerate(runs) if place != index], runs[index]
    law = Law.fitted(others, PERIOD_S)
    figures = search(others, law, rounds, index)
    robot = [by_robot(figures, law, one) for one in (*others, run)]
    loose = by_robot(figures, None, run)
    starts = starts_of(run)
    errors: dict[str, Any] = {}
    for place, (name, horizon) in enumerate(HORIZONS.items()):
        predicted = {
            "persistence": run[starts, :2],
            "ARX iterated": iterate(arx(others, best_order(others, horizon)), run, [horizon])[0],
            "regression": regression(others, run, horizon),
            "robot, open loop": loose[place],
            "robot": robot[-1][place],
            "robot + regression": regression(others, run, horizon, [told[place] for told in robot]),
        }
        wanted = run[starts + horizon, :2]
        errors[name] = {
            method: np.sqrt(np.mean((values - wanted) ** 2, axis=0)).tolist() for method, values in predicted.items()
        }
    return {"errors": errors, "figures": dict(zip(FIGURES, np.exp(figures).tolist(), strict=True))}


def interval(values: np.ndarray) -> str:
    """Mean and 95 % interval over runs."""
    if len(values) < 2:
        return f"{values.mean():.4f}"
    reach = scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.4f} ± {reach:.4f}"


def table(results: dict[str, Any]) -> str:
    """Root mean square errors, mean over the runs, and the robot against each other method run by run."""
    lines = ["| horizon | method | tilt, rad | speed, m/s | robot is better on |", "|---|---|---|---|---|"]
    for name in HORIZONS:
        errors = {method: np.array([fold["errors"][name][method] for fold in results.values()]) for method in METHODS}
        for method, values in errors.items():
            won = (errors["robot"] < values).sum(axis=0)
            beside = "" if method.startswith("robot") else f"tilt {won[0]}, speed {won[1]} of {len(values)} runs"
            lines.append(f"| {name} | {method} | {interval(values[:, 0])} | {interval(values[:, 1])} | {beside} |")
    return "\n".join(lines)


def main() -> None:
    """Fits, predicts, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", help="predict only these (default all)")
    parser.add_argument("--rounds", type=int, default=20, help="of the search, 36 robots each (default 20)")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    runs = load()
    results: dict[str, Any] = {}
    if arguments.out and arguments.out.exists():
        results = json.loads(arguments.out.read_text(encoding="utf-8"))
    for index in arguments.runs or range(len(runs)):
        print(f"run {index}, {len(runs[index])} readings", file=sys.stderr, flush=True)
        results[str(index)] = fold(runs, index, arguments.rounds)
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(table(results))
    for name in FIGURES[:5]:
        values = [entry["figures"][name] for entry in results.values()]
        print(f"{name}: {min(values):.4g} to {max(values):.4g} over the folds")


if __name__ == "__main__":
    main()
