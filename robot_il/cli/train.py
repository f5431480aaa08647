"""``robot-il train``: one method on one dataset."""

from __future__ import annotations

import argparse
import functools
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

EXIT_INTERRUPTED = 130


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds ``train`` to the commands."""
    parser = commands.add_parser("train", help="train a policy from a dataset")
    parser.add_argument("method", nargs="?", help="see --list")
    parser.add_argument("--list", action="store_true", help="print the methods, what each needs and when to use it")
    parser.add_argument("--data", type=Path, metavar="DIR", help="dataset folder")
    parser.add_argument("--out", type=Path, metavar="RUN", help="run folder to write")
    parser.add_argument("--seed", type=int, metavar="N", help="of everything random (default 0)")
    parser.add_argument("--steps", type=int, metavar="N", help="most steps; short for --set steps=N")
    parser.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda",
        help="where to train (default auto: a GPU where torch has one)",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with RUN")
    parser.add_argument(
        "--pairs", type=Path, metavar="FILE",
        help="preference pairs as JSON lines, in place of those drawn from labels (data/formats/preferences.md)",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings",
        help="a setting of the method; an unknown key prints those there are",
    )  # fmt: skip
    parser.add_argument(
        "--robot", default="reference", help="profile of the twin, for a method that needs one (default reference)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int | None:
    """Lists the methods, or trains."""
    if args.list:
        print(method_table())
        return None
    from robot_il.cli.twin_environment import twin_environment
    from robot_il.errors import ConfigError
    from robot_il.learning.config import settings_from_words
    from robot_il.learning.progress import terminal_progress
    from robot_il.learning.trainer import Job, train

    for name, value in (("METHOD", args.method), ("--data DIR", args.data), ("--out RUN", args.out)):
        if value is None:
            raise ConfigError("robot-il train METHOD --data DIR --out RUN", f"no {name}", "see robot-il train --list")
    settings = settings_from_words([*args.settings, *([f"steps={args.steps}"] if args.steps is not None else [])])
    job = Job(args.method, args.data, args.out, args.seed, settings, args.resume, args.pairs, args.device)
    with _stop_on_signal() as signalled, terminal_progress() as progress:
        environment = functools.partial(twin_environment, robot=args.robot)
        summary = train(job, progress, lambda: bool(signalled), environment)
    if summary is None:
        print(f"stopped; robot-il train {args.method} --data {args.data} --out {args.out} --resume goes on")
        return EXIT_INTERRUPTED
    print(summary_text(summary))
    return None


@contextmanager
def _stop_on_signal() -> Iterator[list[int]]:
    """A list that the first Ctrl-C or SIGTERM fills, for a stop between two steps; the second one ends at once."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        received.append(number)
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def method_table() -> str:
    """The registry as text: method, needed labels, when to use it, and its paper."""
    from robot_il.learning.registry import METHODS

    rows = [("method", "needs", "use it for", "source")]
    rows += [(name, method.needs(), method.use, method.paper) for name, method in METHODS.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def summary_text(summary: dict[str, Any]) -> str:
    """What a person wants to know of a finished run, the least-squares baseline beside it."""
    reason = {"steps": "all steps taken", "held-out": "no better on held-out episodes"}[summary["stop_reason"]]
    lines = [
        f"{summary['method']}: chose step {summary['chosen_step']} of {summary['steps']} ({reason}), "
        f"{summary['seconds']:.1f} s"
    ]
    if not summary["held_out"]:
        return "\n".join([*lines, "no held-out rows: how good it is remains unknown until it is evaluated"])
    lines.append(f"{'held out':<16}{'nll [nats]':>12}{'mse':>14}{'rms error':>12}")
    units = ", ".join(sorted({channel["unit"] for channel in summary["dataset"]["action"]}))
    for name, scores in ((summary["method"], summary["held_out"]), ("least squares", summary["baseline"])):
        lines.append(f"{name:<16}{scores['nll']:>12.4f}{scores['mse']:>14.6g}{scores['mse'] ** 0.5:>12.5g} {units}")
    right = {name: score for name, score in summary["held_out"].items() if name.endswith("_accuracy")}
    if right:
        scores = ", ".join(f"{name.removesuffix('_accuracy')} reward {score:.0%}" for name, score in right.items())
        lines.append(f"held-out pairs ordered rightly: {scores}")
    return "\n".join(lines)
