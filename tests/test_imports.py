"""What the robot's controller runs must not pull in what only a workstation has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "pybullet", "onnx", "matplotlib", "rich", "gymnasium")
ROBOT_SIDE = (
    "robot_il.cli.main",
    "robot_il.cli.drive",
    "robot_il.cli.policies",
    "robot_il.cli.record",
    "robot_il.cli.replay",
    "robot_il.cli.log",
    "robot_il.recording.writer_process",
    "firmware_bridge.serial_device",
)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ROBOT_SIDE)
def test_the_robot_side_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import {module}") & set(HEAVY)


def test_the_control_loops_process_loads_nothing_heavy_while_it_starts() -> None:
    statement = (
        "from robot_il.cli.main import build_parser; "
        "build_parser().parse_args(['run', 'x.onnx', '--device', 'y']); "
        "import robot_il.cli.drive, robot_il.cli.policies, onnxruntime"
    )
    assert not loaded_by(statement) & set(HEAVY)


def test_showing_the_help_loads_neither_scipy_nor_onnxruntime() -> None:
    loaded = loaded_by("from robot_il.cli.main import build_parser; build_parser()")
    assert not loaded & {"scipy", "onnxruntime", "torch", "pybullet", "mcap"}


def test_imports_point_one_way() -> None:
    result = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert result.returncode == 0, result.stdout
