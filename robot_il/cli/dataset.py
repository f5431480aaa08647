"""``robot-il dataset``: build a dataset from logs, import someone else's, export one, look at one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from robot_il.cli import dataset_plot
from robot_il.cli.arguments import task_name
from robot_il.errors import DataError
from robot_il.spec import LABELS

if TYPE_CHECKING:
    from robot_il.learning.column_map import ColumnMap
    from robot_il.learning.dataset import Dataset
    from robot_il.learning.importers import Split

ACTIONS = ("sent", "applied", "limited", "controller", "intent")
EXPORTS = ("csv", "npz", "d4rl", "minari", "lerobot")
IMPORTS = (*EXPORTS, "mcap")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its five verbs."""
    parser = commands.add_parser("dataset", help="build, import, export, inspect or draw a dataset")
    verbs = parser.add_subparsers(required=True, metavar="build|import|export|info|plot")
    _add_build(verbs)
    _add_import(verbs)
    _add_export(verbs)
    info = verbs.add_parser("info", help="what is in a dataset")
    info.add_argument("folder", type=Path)
    info.set_defaults(run=show)
    dataset_plot.add_parser(verbs)


def _add_build(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser(
        "build",
        help="from logs that robot-il recorded",
        description="Makes a dataset of the episodes of recordings: those of LOG with the labels that they carry, "
        "those given by label with that label. An episode with hard failures (robot-il log check) is refused.",
    )
    parser.add_argument(
        "recordings",
        type=Path,
        nargs="*",
        metavar="LOG",
        help="recordings, and folders of them with all below",
    )
    for label in LABELS:
        parser.add_argument(f"--{label}", type=Path, nargs="+", action="extend", default=[], metavar="LOG")
        parser.add_argument(
            f"--{label}-transitions", type=int, metavar="N", help=f"use only the first N {label} transitions"
        )
    parser.add_argument(
        "--labels", nargs="+", choices=LABELS, default=LABELS, metavar="LABEL",
        help="use the episodes of these labels alone (default: all)",
    )  # fmt: skip
    parser.add_argument("--task", type=task_name, metavar="TASK", help="default: the one that the logs name")
    parser.add_argument("--action", choices=ACTIONS, default="sent", help="which link of the action chain to learn")
    parser.add_argument(
        "--takeovers",
        action="store_true",
        help="of a recording in which an operator drove for a part of the time, use that part alone",
    )
    failing = parser.add_mutually_exclusive_group()
    failing.add_argument("--drop-failed", action="store_true", help="leave out episodes with hard failures")
    failing.add_argument("--keep-failed", action="store_true", help="use episodes with hard failures all the same")
    _add_split(parser)
    parser.set_defaults(run=build)


def _add_import(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("import", help="from anyone's CSV, npz, D4RL, Minari or LeRobot data")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--format", choices=IMPORTS, required=True)
    parser.add_argument("--columns", type=Path, metavar="MAP.toml", help="names, units and scales of the columns")
    parser.add_argument("--label", choices=LABELS, help="default: the map's, or expert")
    _add_split(parser)
    parser.set_defaults(run=import_files)


def _add_export(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("export", help="to CSV, npz, D4RL, Minari or LeRobot")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--format", choices=EXPORTS, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="file or folder to write; must be new")
    parser.set_defaults(run=export)


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write; must be new")
    parser.add_argument("--held-out-fraction", type=float, default=0.2, metavar="F", help="kept from training")
    parser.add_argument("--seed", type=int, default=0, help="of the split")


def build(args: argparse.Namespace) -> None:
    """``robot-il dataset build``."""
    from robot_il.learning.build import Request, build_dataset
    from robot_il.learning.build_request import DROP, KEEP, REFUSE

    _refuse_existing(args.out)
    options = vars(args)
    request = Request(
        recordings=args.recordings,
        logs={label: options[label] for label in LABELS},
        task=args.task,
        action=args.action,
        held_out_fraction=args.held_out_fraction,
        seed=args.seed,
        first={label: options[f"{label}_transitions"] for label in LABELS},
        takeovers=args.takeovers,
        failed=DROP if args.drop_failed else KEEP if args.keep_failed else REFUSE,
        labels=args.labels,
    )
    _finish(args.out, build_dataset(request, progress=lambda line: print(line, flush=True)))


def import_files(args: argparse.Namespace) -> None:
    """``robot-il dataset import``."""
    from robot_il.learning.column_map import load_column_map
    from robot_il.learning.importers import Split

    _refuse_existing(args.out)
    columns = load_column_map(args.columns) if args.columns else None
    label = args.label or (columns.label if columns else None)
    choice = Split(label or "expert", args.held_out_fraction, args.seed)
    if args.format == "mcap":
        dataset = _import_logs(args, choice)
    elif args.format == "csv" and not args.files[0].is_dir():
        dataset = _import_tables(args.files, choice, columns)
    else:
        dataset = _import_other(args, choice, columns, restore=label is None)
    _finish(args.out, dataset)


def _import_logs(args: argparse.Namespace, choice: Split) -> Dataset:
    """Logs under the labels that they carry; the same as ``dataset build`` with these."""
    from robot_il.learning.build import Request, build_dataset

    if args.columns:
        raise DataError("no column map for logs of robot-il", f"{args.columns}", "leave it out")
    request = Request(
        recordings=() if args.label else args.files,
        logs={args.label: args.files} if args.label else {},
        held_out_fraction=choice.held_out_fraction,
        seed=choice.seed,
    )
    return build_dataset(request, progress=lambda line: print(line, flush=True))


def _import_tables(files: list[Path], choice: Split, columns: ColumnMap | None) -> Dataset:
    from robot_il.learning.import_csv import import_csv

    if columns is None:
        raise DataError("a column map", "none", "name it: --columns map.toml (see data/formats/dataset.md)")
    return import_csv(files, choice, columns)


def _import_other(args: argparse.Namespace, choice: Split, columns: ColumnMap | None, restore: bool) -> Dataset:
    from robot_il.learning.interop.formats import import_dataset
    from robot_il.learning.progress import terminal_progress

    if len(args.files) != 1:
        kind = "npz archive" if args.format == "npz" else f"{args.format} dataset"
        raise DataError(f"one {kind}", f"{len(args.files)} files", "import them one by one")
    with terminal_progress() as progress:
        return import_dataset(args.files[0], args.format, choice, progress, columns, restore)


def export(args: argparse.Namespace) -> None:
    """``robot-il dataset export``."""
    from robot_il.learning.dataset import load_dataset
    from robot_il.learning.interop.files import refuse_existing
    from robot_il.learning.interop.formats import export_dataset
    from robot_il.learning.progress import terminal_progress

    refuse_existing(args.out)
    dataset = load_dataset(args.folder)
    with terminal_progress() as progress:
        losses = export_dataset(dataset, args.format, args.out, progress)
    rows, episodes = len(dataset), len(dataset.info.episodes)
    print(f"{rows} transitions of {episodes} episodes written to {args.out} as {args.format}")
    print("\n".join(f"  not as recorded: {loss}" for loss in losses) or "  nothing is lost")
    print(f"robot-il dataset import --format {args.format} gives {dataset.info.hash[:12]} back, bit for bit")


def show(args: argparse.Namespace) -> None:
    """``robot-il dataset info``."""
    from robot_il.learning.dataset import load_dataset
    from robot_il.learning.dataset_summary import summary_lines

    print("\n".join(summary_lines(load_dataset(args.folder))))


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise DataError("a new folder", f"{folder}, which is there already", "name another or move it away")


def _finish(folder: Path, dataset: Dataset) -> None:
    from robot_il.learning.dataset import save_dataset
    from robot_il.learning.dataset_summary import summary_lines

    save_dataset(folder, dataset)
    print("\n".join([*summary_lines(dataset), f"written to {folder}"]))
