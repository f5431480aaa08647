"""``robot-il dataset plot``: the figure of a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Adds the verb."""
    text = "draw a dataset: phase portraits, histograms, episodes and split"
    parser = verbs.add_parser("plot", help=text, description=text)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FIG", help=".png, .svg or .pdf; by default DIR.png beside it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Writes the figure."""
    from robot_il.learning import figures
    from robot_il.learning.dataset import load_dataset
    from robot_il.learning.figures_dataset import dataset
    from robot_il.learning.progress import terminal_progress

    folder = args.folder.resolve()
    out = args.out or folder.with_name(f"{folder.name}.png")
    figures.check_format(out)
    with terminal_progress() as progress:
        progress.show("drawing", 0, 2, f"reading {folder.name}")
        data = load_dataset(args.folder)
        progress.show("drawing", 1, 2, out.name)
        figures.save(lambda: dataset(data), out)
    print(f"figure {out.resolve()}")
