"""``robot-il log plot``: the figure of a recording or of one of its episodes."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(parts: argparse._SubParsersAction) -> None:
    """Adds the command."""
    text = "draw a recording: motion, torque chain, who drove, timing"
    parser = parts.add_parser("plot", help=text, description=text)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--episode", metavar="ID", help="only this episode; robot-il log episodes lists them")
    parser.add_argument("--out", type=Path, metavar="FIG", help=".png, .svg or .pdf; by default FILE with .png")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Writes the figure."""
    from robot_il.errors import LogError
    from robot_il.learning import figures
    from robot_il.learning.figures_log import recording
    from robot_il.learning.progress import terminal_progress
    from robot_il.recording.episodes import part_of, read_with_book

    part = f".{args.episode}" if args.episode else ""
    out = args.out or args.file.with_name(f"{args.file.name.removesuffix('.mcap')}{part}.png")
    figures.check_format(out)
    with terminal_progress() as progress:
        progress.show("drawing", 0, 2, f"reading {args.file.name}")
        log, book = read_with_book(args.file)
        episodes = book.episodes
        if args.episode:
            episodes = [book.get(args.episode)]
            log = part_of(log, episodes[0])
        if not len(log.ticks):
            raise LogError(f"ticks to draw in {args.file}{part}", "none", "name another recording or episode")
        progress.show("drawing", 1, 2, out.name)
        figures.save(lambda: recording(log, episodes), out)
    print(f"figure {out.resolve()}")
