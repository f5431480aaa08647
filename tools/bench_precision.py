"""Do policies come out otherwise when matrix products are computed at torch's "medium" precision? A paired table.

    python tools/bench_precision.py [--seeds 5] [--methods bc,dmil,d2mil] [--steps 1500] [--episodes 20] [--out DIR]

Recordings of the lock-step twin (the LQR as expert, an operator beside it) make one dataset; every method is trained
with every seed twice, at "highest" and at "medium", all else the same, and each policy drives the same episodes. Shown
are the held-out negative log-likelihood and the seconds survived at either precision, and their paired differences with
95 % intervals (Student's t over seeds). The error of a product at either precision is measured on this processor beside
it, since "medium" is float32 by another library on some and bfloat16 on others.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from robot_il.cli.collecting import record_episode
from robot_il.cli.demonstrators import DEMONSTRATORS
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController, PolicyController
from robot_il.control.lqr import lqr_gain
from robot_il.learning.build import Request, build_dataset
from robot_il.learning.comparison import Spread
from robot_il.learning.dataset import save_dataset
from robot_il.learning.numerics import PRODUCT_ERROR_BOUND, product_error
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.progress import Progress, terminal_progress
from robot_il.learning.registry import METHODS
from robot_il.learning.runs import write_json
from robot_il.learning.trainer import Job, train
from robot_il.robot import load_robot
from robot_il.spec import LABELS
from robot_il.tasks import TASKS
from sim.conditions import sample_conditions

TASK = TASKS["stand"]
RECORDED_S, JUDGED_S = 10.0, 10.0
PRECISIONS = ("highest", "medium")
RECORDINGS = {"expert": ("lqr", 3), "suboptimal": ("operator", 6)}
JUDGING_SEED = 10_000

RECORDING, JUDGED = (Rollout("reference", TASK, seconds) for seconds in (RECORDED_S, JUDGED_S))
GAIN = lqr_gain(JUDGED.robot, TASK)
LQR = LinearController(GAIN, TASK)


def record(folder: Path, progress: Progress) -> Path:
    """The dataset's folder, made where it is not there."""
    data = folder / "data"
    if data.exists():
        return data
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Path]] = {label: [] for label in LABELS}
    total = sum(count for _, count in RECORDINGS.values())
    for label, (name, count) in RECORDINGS.items():
        for number in range(count):
            path = folder / f"{label}-{number}.mcap"
            path.unlink(missing_ok=True)
            start = sample_conditions(TASK, number, load_robot())
            record_episode(
                RECORDING, DEMONSTRATORS[name].controller(RECORDING.robot, TASK, number), label, start, number, path
            )
            files[label].append(path)
            progress.show("recording", sum(map(len, files.values())), total)
    save_dataset(data, build_dataset(Request(files, TASK.name, seed=0)))
    return data


def survived_s(path: Path, episodes: int) -> float:
    """Mean seconds that a policy file stands, over the same episodes for every policy."""
    weights = PolicyWeights.load(path)

    def act(observation: tuple[float, ...]) -> float:
        return float(weights(np.array([observation], dtype=np.float32))[0, 0])

    stood = []
    for number in range(JUDGING_SEED, JUDGING_SEED + episodes):
        start = sample_conditions(TASK, number, load_robot())
        stood.append(JUDGED.run(PolicyController(act, TASK, {"path": str(path)}), LQR, start, number).seconds)
    return float(np.mean(stood))


def scores(
    method: str, seed: int, precision: str, data: Path, arguments: argparse.Namespace, progress: Progress
) -> dict[str, float]:
    """Of one training; kept beside its run."""
    kept = arguments.out / f"{method}-{seed}-{precision}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    run = arguments.out / f"{method}-{seed}-{precision}"
    fields = METHODS[method].config.__dataclass_fields__
    settings = {"steps": str(arguments.steps)} | ({"data": "all"} if "data" in fields else {})
    begun = run.exists()
    job = Job(method, data, run, None if begun else seed, settings, begun, precision=precision)
    summary = train(job, progress)
    assert summary is not None  # nothing asks it to stop
    stood = survived_s(run / "policy.npz", arguments.episodes)
    found = {"nll": summary["held_out"]["nll"], "survived": stood, "step": float(summary["chosen_step"])}
    write_json(kept, found)
    return found


def row(method: str, results: dict[str, list[dict[str, float]]]) -> str:
    """One method as a line of the table."""
    words = [f"`{method}`"]
    for key, digits in (("nll", 4), ("survived", 2)):
        low, high = ([found[key] for found in results[precision]] for precision in PRECISIONS)
        words += [spread.text(digits) for values in (low, high) if (spread := Spread.of(values))]
        apart = Spread.of([new - old for old, new in zip(low, high, strict=True)])
        words.append("" if apart is None or apart.half is None else f"{apart.mean:+.1e} ± {apart.half:.1e}")
    return "| " + " | ".join(words) + " |"


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", default="bc,dmil,d2mil")
    parser.add_argument("--steps", type=int, default=1500, help="most steps of a training")
    parser.add_argument("--episodes", type=int, default=20, help="that each policy drives")
    parser.add_argument("--out", type=Path, help="folder that keeps what is finished; a temporary one without")
    return parser.parse_args(words)


def main() -> int:
    """Prints the table."""
    arguments = parse()
    with tempfile.TemporaryDirectory() as temporary, terminal_progress() as progress:
        arguments.out = arguments.out or Path(temporary)
        data = record(arguments.out, progress)
        lines = []
        for method in arguments.methods.split(","):
            results: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
            for seed in range(arguments.seeds):
                for precision in PRECISIONS:
                    results[precision].append(scores(method, seed, precision, data, arguments, progress))
            progress.note(f"{method}: {json.dumps(results)}")
            lines.append(row(method, results))
    errors = ", ".join(f"{precision} {product_error(precision):.1e}" for precision in PRECISIONS)
    print("| method | nll, highest | medium | difference | survived s, highest | medium | difference |")
    print("|---|---|---|---|---|---|---|", *lines, sep="\n")
    print(
        f"\n{arguments.seeds} seeds; relative error of a product: {errors} (accepted up to {PRODUCT_ERROR_BOUND:.0e})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
