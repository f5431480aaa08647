"""``robot-il export``: from a run to one verified policy file, and to the same policy in C."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "export",
        help="make a policy file of a training run, or its C",
        description="Makes one verified policy file of a training run (--out), and the same policy as a C99 header and "
        "source for a microcontroller (--c), proven equal before it is written.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="RUN", help="folder of a complete training run; a policy file for --c"
    )
    parser.add_argument("--out", type=Path, metavar="POLICY.onnx", help="policy file to write")
    parser.add_argument("--c", type=Path, metavar="FOLDER", help="where policy.h and policy.c go")
    parser.set_defaults(run=export)


def export(args: argparse.Namespace) -> None:
    """Exports and says what was proven."""
    from robot_il.errors import ConfigError

    if args.out is None and args.c is None:
        raise ConfigError("--out POLICY.onnx or --c FOLDER", "neither", "say what to write")
    if args.out is not None:
        _export_onnx(args.folder, args.out)
    if args.c is not None:
        _export_c(args.out or args.folder, args.c)


def _export_onnx(run: Path, out: Path) -> None:
    from robot_il.learning.export import export_policy

    report = export_policy(run, out)
    metadata = report.metadata
    print(f"{report.path}: {metadata.method} for {metadata.task or 'foreign data'}, {report.bytes} bytes")
    print(f"  sha256   {report.sha256}")
    print(f"  dataset  {metadata.dataset_hash[:12]}, code {metadata.code_version}")
    print(f"  parity   {report.parity:.2g} of the action's range on {report.inputs} inputs (at most 1e-5)")


def _export_c(source: Path, folder: Path) -> None:
    from robot_il.cli.c_policy import write_proven_c

    proven = write_proven_c(source, folder)
    export = proven.export
    print(f"{folder}: policy.h, policy.c; {export.parameters} parameters, {export.multiply_adds} multiply-adds a call")
    print(f"  of       {export.sha256}")
    print("  self test passed on this machine")
    print(f"  parity   {proven.parity:.2g} of the action's range on {len(proven.inputs)} inputs (at most 1e-5)")
