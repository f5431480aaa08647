"""How often do policies do what they were shown not to do? Twin recordings, several methods, one table.

    python tools/undesirable.py [--seeds 5] [--out DIR] [--docs]

For every seed anew: recordings from the lock-step twin, a dataset, one policy a method, all with the same most steps
and the same batch. The recordings are

    expert        the LQR, from small leans, lightly pushed
    undesirable   swinging and overspeeding state feedbacks and a badly trembling operator, from larger leans
    unlabeled     half by a steady operator, half by the undesirable drivers, and nobody says which is which

``contradice`` sees all three, ``uniq`` the undesirable rows and the others as one mixture, ``bc`` with ``data=all``
that mixture alone. Each policy then drives the same fresh episodes, begun and pushed as the expert's were. A tick
counts as undesirable when its measured |pitch| or |velocity| is beyond the 99th percentile of the expert's, or when the
policy has fallen before it. Intervals are 95 % (Student's t over seeds); differences from ``bc`` are paired by seed.

With ``--out`` finished seeds are kept and not done again; with ``--docs`` the table is written into the methods' pages.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from robot_il.cli.collecting import record_episode
from robot_il.cli.demonstrators import DEMONSTRATORS
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import Controller, LinearController, PolicyController
from robot_il.control.lqr import lqr_gain
from robot_il.learning.build import Request, build_dataset
from robot_il.learning.dataset import load_dataset, save_dataset
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.progress import Progress, terminal_progress
from robot_il.learning.trainer import Job, train
from robot_il.spec import CONTROL_RATE_HZ, LABELS, TICK_DTYPE
from robot_il.tasks import TASKS
from sim.conditions import Conditions, nominal

TASK = TASKS["stand"]
JUDGED_S = 8.0
PERCENTILE = 99.0
SIGNALS = ("pitch", "velocity")
POLICIES: dict[str, tuple[str, dict[str, str]]] = {
    "bc": ("bc", {"data": "all"}),
    "contradice": ("contradice", {}),
    "uniq": ("uniq", {}),
    "uniq, objective=critics": ("uniq", {"objective": "critics"}),
    "contradice, alpha=0": ("contradice", {"alpha": "0"}),
    "bc, expert rows alone": ("bc", {"data": "expert"}),
}
"""Each policy's method and what differs from the defaults; the first is what the others are compared with."""
REFERENCE = "LQR"
PAGES = ("contradice", "uniq")
MARKERS = ("<!-- undesirable: begin -->", "<!-- undesirable: end -->")
DOCS = Path(__file__).resolve().parents[1] / "docs" / "methods"

JUDGED = Rollout("reference", TASK, JUDGED_S)
GAIN = lqr_gain(JUDGED.robot, TASK)
LQR = LinearController(GAIN, TASK)
BAD = ("swinging", "overspeeding", "trembling-operator")


def conditions(random: np.random.Generator, lean_rad: float, push_n_s: float, seconds: float) -> Conditions:
    """A start within ``lean_rad`` and a push of up to ``push_n_s`` every 2 s, on the nominal robot."""
    times = np.arange(1.0, seconds, 2.0) + random.uniform(-0.3, 0.3)
    pushes = tuple((float(time), float(random.uniform(-push_n_s, push_n_s))) for time in times)
    return dataclasses.replace(
        nominal(TASK), initial_pitch_rad=float(random.uniform(-lean_rad, lean_rad)), pushes=pushes
    )


def good_conditions(random: np.random.Generator, seconds: float) -> Conditions:
    """As the expert meets them, and every policy that is judged."""
    return conditions(random, 0.05, 2.0, seconds)


def driver(name: str, seed: int) -> Controller:
    """One of those who can be recorded."""
    return DEMONSTRATORS[name].controller(JUDGED.robot, TASK, seed)


def record(folder: Path, seed: int, arguments: argparse.Namespace, progress: Progress) -> dict[str, list[Path]]:
    """Records all demonstrations of a seed; the files of each label."""
    seconds, times = arguments.recorded_seconds, arguments.recordings
    rollout = Rollout("reference", TASK, seconds)
    random = np.random.default_rng((1, seed))
    files: dict[str, list[Path]] = {label: [] for label in LABELS}

    def one(label: str, controller: Controller, start: Conditions) -> None:
        path = folder / f"{label}-{len(files[label])}.mcap"
        record_episode(rollout, controller, label, start, int(random.integers(2**31)), path)
        files[label].append(path)
        progress.show(f"seed {seed}: recording", sum(map(len, files.values())), 11 * times)

    for _ in range(2 * times):
        one("expert", LQR, good_conditions(random, seconds))
    for index in range(3 * times):
        one("undesirable", driver(BAD[index % 3], 1000 + index), conditions(random, 0.15, 2.0, seconds))
    for index in range(3 * times):
        one("unlabeled", driver("skilled-operator", 2000 + index), good_conditions(random, seconds))
    for index in range(3 * times):
        one("unlabeled", driver(BAD[index % 3], 3000 + index), conditions(random, 0.15, 2.0, seconds))
    return files


class _Ticks:
    """Keeps the ticks of an episode."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def tick(self, row: bytes) -> None:
        self._rows.append(bytes(row))

    def event(self, name: str, **detail: object) -> None:
        del name, detail

    def hand(self, row: bytes) -> None:
        del row

    def driven(self) -> np.ndarray:
        """Ticks on which the controller was in charge."""
        ticks = np.frombuffer(b"".join(self._rows), TICK_DTYPE)
        return ticks[ticks["source"] == 1]


def judge(controller: Controller, bounds: dict[str, float], episodes: int, draw: int) -> dict[str, float]:
    """Share of undesirable ticks and of survived episodes, over the same draws for every policy."""
    planned, shares, survived = round(JUDGED_S * CONTROL_RATE_HZ), [], 0
    for index in range(episodes):
        random, sink = np.random.default_rng((2, draw, index)), _Ticks()
        episode = JUDGED.run(controller, LQR, good_conditions(random, JUDGED_S), 1000 * draw + index, sink)
        ticks = sink.driven()[:planned]
        beyond = np.logical_or.reduce([np.abs(ticks[name]) > bound for name, bound in bounds.items()])
        driven = len(ticks) if episode.survived else min(len(ticks), round(episode.seconds * CONTROL_RATE_HZ))
        missing = 0 if episode.survived else planned - driven
        shares.append((int(beyond[:driven].sum()) + missing) / (driven + missing))
        survived += episode.survived
    return {"undesirable": float(np.mean(shares)), "survived": survived / episodes}


def expert_bounds(folder: Path) -> dict[str, float]:
    """The expert's 99th percentile of each signal's size, in its unit."""
    data = load_dataset(folder)
    rows = data.observations[data.select("expert")]
    columns = [channel.name for channel in data.info.observation]
    return {name: float(np.percentile(np.abs(rows[:, columns.index(name)]), PERCENTILE)) for name in SIGNALS}


def policy_of(path: Path) -> Controller:
    """The policy of a run as a controller."""
    weights = PolicyWeights.load(path)

    def act(observation: tuple[float, ...]) -> float:
        return float(weights(np.array([observation], dtype=np.float32))[0, 0])

    return PolicyController(act, TASK, {"path": str(path)})


def one_seed(seed: int, folder: Path, arguments: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Records, trains and judges; scores by policy."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data"
    if not data.exists():
        for leftover in folder.glob("*.mcap"):
            leftover.unlink()
        files = record(folder, seed, arguments, progress)
        save_dataset(data, build_dataset(Request(files, TASK.name, seed=seed)))
    bounds = expert_bounds(data)
    scores: dict[str, Any] = {REFERENCE: judge(LQR, bounds, arguments.episodes, seed)}
    for name in arguments.policies:
        method, settings = POLICIES[name]
        run = folder / name.replace(" ", "").replace(",", "-").replace("=", "")
        budget = {"steps": str(arguments.steps), "batch": str(arguments.batch)}
        summary = train(
            Job(method, data, run, None if run.exists() else seed, settings | budget, run.exists()), progress
        )
        assert summary is not None  # nothing asks it to stop
        scores[name] = judge(policy_of(run / "policy.npz"), bounds, arguments.episodes, seed)
        scores[name] |= {"seconds": summary["seconds"], "chosen_step": summary["chosen_step"]}
        progress.note(f"seed {seed}, {name}: {json.dumps(scores[name])}")
    return {"bounds": bounds, "scores": scores}


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half width of the 95 % interval."""
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def table(results: list[dict[str, Any]], names: list[str]) -> str:
    """The results as a Markdown table, in percent."""
    lines = ["| policy | undesirable ticks | less `bc` on the mixture | episodes survived |", "|---|---|---|---|"]

    def column(name: str, key: str) -> np.ndarray:
        return 100 * np.array([result["scores"][name][key] for result in results])

    first = names[0]
    for name in [*names, REFERENCE]:
        mean, half = interval(column(name, "undesirable"))
        gap, gap_half = interval(column(name, "undesirable") - column(first, "undesirable"))
        less = "" if name == first else f"{gap:+.1f} ± {gap_half:.1f}"
        shown = name if name == REFERENCE else f"`{name}`" if name != first else "`bc`, the mixture"
        lines.append(f"| {shown} | {mean:.1f} ± {half:.1f} % | {less} | {column(name, 'survived').mean():.0f} % |")
    return "\n".join(lines)


def write_docs(text: str) -> None:
    """Puts the text between the markers of each page."""
    for name in PAGES:
        page = DOCS / f"{name}.md"
        before, _, rest = page.read_text().partition(MARKERS[0])
        _, _, after = rest.partition(MARKERS[1])
        temporary = page.with_suffix(".md.partial")
        temporary.write_text(f"{before}{MARKERS[0]}\n{text}\n{MARKERS[1]}{after}")
        temporary.replace(page)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=12, help="of each policy of each seed")
    parser.add_argument("--recordings", type=int, default=4, help="how often 2 expert, 3 undesirable and 6 unlabeled")
    parser.add_argument("--recorded-seconds", type=float, default=10.0, help="of each recording")
    parser.add_argument("--steps", type=int, default=3000, help="most steps of each training")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), choices=list(POLICIES))
    parser.add_argument("--out", type=Path, help="folder that keeps what is finished; a temporary one without")
    parser.add_argument("--docs", action="store_true", help="write the table into the methods' pages")
    return parser.parse_args(words)


def main() -> int:
    """Prints the table."""
    arguments = parse()
    results = []
    with tempfile.TemporaryDirectory() as temporary, terminal_progress() as progress:
        root = arguments.out or Path(temporary)
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            file = root / f"seed{seed}.json"
            if not file.exists():
                result = one_seed(seed, root / f"seed{seed}", arguments, progress)
                file.write_text(json.dumps(result, indent=1))
            results.append(json.loads(file.read_text()))
    bounds = ", ".join(
        f"|{name}| > {np.mean([result['bounds'][name] for result in results]):.3f} {unit}"
        for name, unit in zip(SIGNALS, ("rad", "m/s"), strict=True)
    )
    steps = f"{arguments.seeds} seeds, {arguments.episodes} episodes of {JUDGED_S:g} s each, at most {arguments.steps} "
    times, seconds = arguments.recordings, arguments.recorded_seconds
    sizes = f"{2 * times} expert, {3 * times} undesirable and {6 * times} unlabeled recordings of {seconds:g} s"
    caption = f"{sizes}; {steps}steps of {arguments.batch} rows; undesirable: {bounds} (mean over seeds), or fallen."
    text = f"{table(results, arguments.policies)}\n\n{caption}"
    print(text)
    if arguments.docs:
        write_docs(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
