"""``robot-il compare``: every method with several seeds on one dataset, in one table and one figure."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robot_il.cli.training_pool import Outcome
    from robot_il.learning.comparison import Row
    from robot_il.learning.dataset import Dataset
    from robot_il.learning.trainer import Job

PLAN = "compare.json"
EVERY_METHOD = "all"


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "compare",
        help="train several methods with several seeds and score them side by side",
        description="Trains every method with every seed on one dataset, scores all policies on the same draws in the "
        "twin (or on held-out episodes, where no twin fits the data), and writes one table and one figure. Run it "
        "again to go on where it stopped, or to add methods, seeds or episodes: what is complete is kept.",
    )
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="dataset folder")
    parser.add_argument("--methods", default=EVERY_METHOD, metavar="A,B,...", help="see robot-il train --list; or all")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each method, seeds 0 to N - 1 (default 3)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--episodes", type=int, default=50, help="draws in the twin for each policy (default 50)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of an episode (default 10)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core); the result does not depend on it")
    parser.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda",
        help="where to train (default auto: a GPU where torch has one, on which all seeds of a method step together)",
    )  # fmt: skip
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="preference pairs, for the methods that take them")
    parser.add_argument(
        "--set", action="extend", nargs="+", default=[], metavar="METHOD.KEY=VALUE", dest="settings",
        help="a setting of one method, or as all.KEY=VALUE of every method that has it (all.steps: and takes several)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Trains, scores and compares; returns 1 when a run failed (others are still compared)."""
    from robot_il.cli.compare_scores import score_policies
    from robot_il.cli.training_pool import train_all
    from robot_il.errors import ConfigError
    from robot_il.learning.dataset import load_dataset
    from robot_il.learning.devices import choose_device

    for name, least in (("seeds", 1), ("episodes", 1)):
        if getattr(arguments, name) < least:
            raise ConfigError(f"at least {least}", f"--{name} {getattr(arguments, name)}", "ask for more")
    settings = method_settings(_methods(arguments.methods), arguments.settings)
    choose_device(arguments.device)
    dataset = load_dataset(arguments.data)
    _continue(arguments.out, dataset, settings)
    jobs = _jobs(arguments, settings)
    outcomes = train_all(jobs, _workers(arguments.workers), arguments.robot)
    complete = [outcome for outcome in outcomes if outcome.summary is not None]
    if not complete:
        raise ConfigError(
            "data that at least one method can learn from",
            "; ".join(_left_out(outcomes).values()),
            "record what is missing",
        )
    rows = score_policies(arguments, dataset, complete, _workers(arguments.workers))
    _conclude(arguments, dataset, rows, _left_out(outcomes))
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def _methods(words: str) -> list[str]:
    from robot_il.learning.registry import METHODS, find_method

    if words == EVERY_METHOD:
        return list(METHODS)
    return list(dict.fromkeys(find_method(word.strip()).name for word in words.split(",")))


def method_settings(methods: Sequence[str], words: Sequence[str]) -> dict[str, dict[str, str]]:
    """The settings of each method, checked.

    Args:
        methods: those to be compared.
        words: ``METHOD.KEY=VALUE``; METHOD may be ``all``, for every method that has such a setting.

    Raises:
        ConfigError: a method or setting that is not there, or a value that cannot be used.
    """
    from robot_il.errors import ConfigError
    from robot_il.learning.config import settings_from_words
    from robot_il.learning.registry import METHODS

    fields = {name: method.config.__dataclass_fields__ for name, method in METHODS.items()}
    settings: dict[str, dict[str, str]] = {name: {} for name in methods}
    # What is said of one method outweighs what is said of all.
    for key, value in sorted(settings_from_words(words).items(), key=lambda item: not item[0].startswith("all.")):
        method, _, setting = key.partition(".")
        everywhere = method == EVERY_METHOD and any(setting in known for known in fields.values())
        if not setting or not (everywhere or method in methods):
            raise ConfigError(
                f"METHOD.KEY=VALUE with a method out of {', '.join(methods)}", f"{key}={value}", "correct --set"
            )
        for name in methods if everywhere else [method]:
            one_step = setting == "steps" and fields[name]["steps"].default == 1
            if not everywhere or (setting in fields[name] and not one_step):
                settings[name][setting] = value
    for name in methods:
        METHODS[name].config.parse(settings[name])
    return settings


def _continue(out: Path, dataset: Dataset, settings: Mapping[str, dict[str, str]]) -> None:
    """Begins the folder, or checks that it is one of the same comparison.

    Raises:
        ConfigError: it is something else, or of other data or settings.
    """
    from robot_il.errors import ConfigError
    from robot_il.learning.runs import read_json, write_json

    path = out / PLAN
    if out.exists() and not path.exists() and any(out.iterdir()):
        raise ConfigError("a new folder, or one of robot-il compare", str(out), "name another with --out")
    before = read_json(path, "the plan of a comparison") if path.exists() else {}
    known = before.get("settings", {})
    sides: list[tuple[str, Any, Any]] = [("dataset", before.get("dataset", dataset.info.hash), dataset.info.hash)]
    sides += [(f"settings of {name}", known.get(name, given), given) for name, given in settings.items()]
    for name, then, now in sides:
        if then != now:
            raise ConfigError(f"{name} {then}, as {out} was begun", str(now), "name another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, {"dataset": dataset.info.hash, "settings": {**known, **settings}})


def _jobs(arguments: argparse.Namespace, settings: Mapping[str, dict[str, str]]) -> list[Job]:
    """Seed by seed, so that an interrupted comparison has something to say of every method."""
    from robot_il.learning.registry import METHODS
    from robot_il.learning.trainer import Job

    jobs = []
    for seed in range(arguments.seeds):
        for name, given in settings.items():
            takes = METHODS[name].config.parse(given).takes_preferences()
            out = arguments.out / "runs" / f"{name}-{seed}"
            pairs = arguments.pairs if takes else None
            jobs.append(Job(name, arguments.data, out, seed, given, pairs=pairs, device=arguments.device))
    return jobs


def _workers(asked: int | None) -> int:
    import os

    return asked or len(os.sched_getaffinity(0))


def _left_out(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Why methods or single runs are missing: a method without its data once, a failed run by its name."""
    reasons = {}
    for outcome in outcomes:
        if outcome.skipped:
            reasons[outcome.job.method] = f"skipped: {outcome.skipped}"
        elif outcome.failed:
            reasons[outcome.name] = f"failed: {outcome.failed}"
    return reasons


def _conclude(
    arguments: argparse.Namespace, dataset: Dataset, rows: Sequence[Row], left_out: Mapping[str, str]
) -> None:
    """Prints the table and writes table, figure and JSON."""
    from robot_il.learning import figures, figures_training
    from robot_il.learning.comparison import comparison_json, format_comparison
    from robot_il.learning.evaluation import write_text
    from robot_il.learning.selection import judged_rows

    action = dataset.info.action
    table = format_comparison(rows, ", ".join(sorted({channel.unit for channel in action})))
    about: dict[str, Any] = {
        "task": dataset.info.task,
        "dataset": dataset.info.hash,
        "episodes": arguments.episodes,
        "seconds": arguments.seconds,
        "held_out_rows": judged_rows(dataset)[1],
    }
    lines = [
        _heading(arguments, about),
        table,
        "",
        "intervals: of survival 95 % Wilson, all seeds together; of the rest 95 % t over seeds "
        "(each seed's value is the median over its draws)",
        *(f"{name} {reason}" for name, reason in left_out.items()),
    ]
    print("\n".join(lines))
    out = arguments.out
    write_text(out / "comparison.txt", "\n".join(lines))
    write_text(out / "comparison.json", comparison_json(about, rows, left_out))
    figures.save(lambda: figures_training.comparison(rows), out / "comparison.png")
    print(f"figure {out / 'comparison.png'}, table {out / 'comparison.txt'}, numbers {out / 'comparison.json'}")


def _heading(arguments: argparse.Namespace, about: Mapping[str, Any]) -> str:
    judged = f"held-out error on the {about['held_out_rows']} episodes"
    if not about["task"]:
        return f"imported data, no twin fits: {judged}"
    return (
        f"task {about['task']}, {arguments.episodes} episodes of {arguments.seconds:g} s in the lock-step twin for "
        f"each policy, the same draws for all, no fallback; {judged}"
    )
