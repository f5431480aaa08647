"""Trains on recordings of a real two-wheeled balancing robot and prints the voltage error on runs kept apart.

    python tools/real_robot.py [--methods linear bc dmil] [--out DIR]

The recordings (7 upright runs at 66.7 Hz, state tilt, distance, tilt rate, speed; action the mean motor voltage; the
demonstrator is a cascaded PI controller) are no part of this project: the folder that holds
``real-robot/regbot_group47_demos.npz`` is named by ROBOT_IL_BENCHMARK, ``../shared/benchmark`` without. Each run is
tested on once: the runs are dealt into three folds, and each fold is a seed of its own. Of the other runs, one is held
out for early stopping, so that the rows a policy is judged on chose nothing. Intervals are 95 % (Student's t over the
three folds).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.stats

from robot_il.learning.column_map import Column, ColumnMap
from robot_il.learning.dataset import Dataset, load_dataset, save_dataset
from robot_il.learning.importers import Split, import_npz
from robot_il.learning.learner import held_out_scores
from robot_il.learning.problem import Problem, Source
from robot_il.learning.progress import terminal_progress
from robot_il.learning.registry import METHODS
from robot_il.learning.runs import RunFolder, read_tensors
from robot_il.learning.trainer import Job, train

FILE = Path("real-robot") / "regbot_group47_demos.npz"
FOLDS = 3
BATTERY_V = 12.0
COLUMNS = ColumnMap(
    observation=(
        Column(0, "tilt", "rad"),
        Column(1, "distance", "m"),
        Column(2, "tilt_rate", "rad/s"),
        Column(3, "speed", "m/s"),
    ),
    action=(Column(0, "voltage", "V", low=-BATTERY_V, high=BATTERY_V),),
    period_s=0.015,
)


def cut(recordings: Path, runs: np.ndarray, out: Path) -> Path:
    """Those runs alone, as an archive of the same arrays."""
    with np.load(recordings, allow_pickle=False) as archive:
        chosen = np.isin(archive["episode"], runs)
        names = ("observations", "actions", "next_observations", "terminals", "timeouts", "episode", "step")
        np.savez(out, **{name: archive[name][chosen] for name in names})
    return out


def fold(recordings: Path, index: int, folder: Path) -> tuple[Path, Dataset]:
    """A dataset folder to train on, with one run of it held out, and the runs to be judged on."""
    runs = np.random.default_rng(0).permutation(7)
    test = runs[index::FOLDS]
    training = import_npz(
        cut(recordings, np.setdiff1d(runs, test), folder / "train.npz"), Split("expert", 0.2, index), COLUMNS
    )
    save_dataset(folder / "data", training)
    return folder / "data", import_npz(cut(recordings, test, folder / "test.npz"), Split("expert", 0.0, index), COLUMNS)


def judge(run: RunFolder, training: Dataset, test: Dataset) -> dict[str, float]:
    """Scores of the chosen networks on the test runs: nll in nats over voltage/12 V, mse in V^2, mean over runs."""
    stored = run.config()
    method = METHODS[stored["method"]]
    config = method.config.from_dict(stored["settings"])
    problem = Problem.build(training, config.sources(), drop_falls=method.learner.drop_falls)
    learner = method.learner(config, problem, stored["seed"])
    best = read_tensors(run.path / "checkpoints" / "best.pt")
    for name, module in learner.modules.items():
        module.load_state_dict(best["modules"][name])
    every = np.arange(len(test))
    source = Source.of("test", test, problem.coordinates, every[:0], every)
    return held_out_scores([source], learner.negative_log_likelihood, learner.act)


def interval(values: list[float]) -> str:
    """Mean and half width of the 95 % interval."""
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):7.3f} +- {half:6.3f}"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["linear", "bc", "dmil"], choices=sorted(METHODS))
    parser.add_argument("--out", type=Path, help="folder for datasets and runs; a temporary one without")
    args = parser.parse_args()
    recordings = Path(os.environ.get("ROBOT_IL_BENCHMARK", "../shared/benchmark")) / FILE
    if not recordings.is_file():
        print(f"skipped: {recordings} is absent; name the folder that holds {FILE} with ROBOT_IL_BENCHMARK")
        return 0
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in args.methods}
    with tempfile.TemporaryDirectory() as temporary, terminal_progress() as progress:
        for index in range(FOLDS):
            folder = (args.out or Path(temporary)) / f"fold{index}"
            folder.mkdir(parents=True)
            data, test = fold(recordings, index, folder)
            for name in args.methods:
                train(Job(name, data, folder / name, seed=index), progress)
                run = RunFolder(folder / name)
                scores[name].append(judge(run, load_dataset(data), test) | {"seconds": run.summary()["seconds"]})
                progress.note(
                    f"fold {index}, {name}: " + ", ".join(f"{k} {v:.3f}" for k, v in scores[name][-1].items())
                )
    print(f"mean +- 95 % over {FOLDS} folds")
    print(f"{'method':<8}{'voltage error, rms [V]':>26}{'nll [nats]':>22}{'seconds':>10}")
    for name, folds in scores.items():
        rms = interval([values["mse"] ** 0.5 for values in folds])
        nll = interval([values["nll"] for values in folds])
        print(f"{name:<8}{rms:>26}{nll:>22}{np.mean([values['seconds'] for values in folds]):>10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
