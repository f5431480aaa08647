"""``robot-il report``: one HTML page with the plots of recordings, trainings, an evaluation and a deployed run."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "report",
        help="one HTML page of all results",
        description="Writes one self-contained HTML page; give it whichever of the four you have.",
    )
    parser.add_argument("--demonstrations", nargs="*", default=[], type=Path, metavar="LOG")
    parser.add_argument("--runs", nargs="*", default=[], type=Path, metavar="RUN", help="training runs")
    parser.add_argument(
        "--evaluation", type=Path, metavar="JSON", help="scores written by robot-il evaluate --json, or comparison.json"
    )
    parser.add_argument("--deployed", type=Path, metavar="LOG", help="log of a deployed run")
    parser.add_argument("--out", required=True, type=Path)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Writes the report."""
    from robot_il.learning.report import write_report

    write_report(
        arguments.out,
        demonstrations=arguments.demonstrations,
        runs=arguments.runs,
        evaluation=arguments.evaluation,
        deployed=arguments.deployed,
    )
    print(f"report {arguments.out.resolve()}")
