"""``robot-il export``: from a run to one verified policy file."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser("export", help="make a policy file of a training run")
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a complete training run")
    parser.add_argument("--out", type=Path, required=True, metavar="POLICY.onnx", help="file to write")
    parser.set_defaults(run=export)


def export(args: argparse.Namespace) -> None:
    """Exports and says what was proven."""
    from robot_il.learning.export import export_policy

    report = export_policy(args.folder, args.out)
    metadata = report.metadata
    print(f"{report.path}: {metadata.method} for {metadata.task or 'foreign data'}, {report.bytes} bytes")
    print(f"  sha256   {report.sha256}")
    print(f"  dataset  {metadata.dataset_hash[:12]}, code {metadata.code_version}")
    print(f"  parity   {report.parity:.2g} of the action's range on {report.inputs} inputs (at most 1e-5)")
