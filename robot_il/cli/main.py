"""The command line, ``robot-il COMMAND``: the only place where concrete devices, controllers and sinks are chosen."""

from __future__ import annotations

import argparse
import importlib
import sys

from robot_il import __version__
from robot_il.errors import RobotIlError
from robot_il.spec import SPEC_HASH

COMMANDS = (
    "doctor",
    "robot",
    "twin",
    "sysid",
    "wiggle",
    "console",
    "pad",
    "record",
    "collect",
    "log",
    "dataset",
    "train",
    "compare",
    "select",
    "evaluate",
    "region",
    "hil",
    "export",
    "run_policy",
    "replay",
    "report",
    "film",
)
"""Modules of this package that each add one command, in the order in which a person needs them."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command; the command modules import heavy libraries only when they run."""
    parser = argparse.ArgumentParser(
        prog="robot-il",
        description="Record demonstrations, train a policy offline, prove it in the twin, run it at 200 Hz.",
    )
    parser.add_argument("--version", action="version", version=f"robot-il {__version__}, spec {SPEC_HASH[:12]}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"robot_il.cli.{name}").add_parser(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0 done, 1 refused with a reason, 2 wrong usage, 130 interrupted."""
    parsed = build_parser().parse_args(arguments)
    try:
        return parsed.run(parsed) or 0
    except RobotIlError as error:
        print(f"robot-il: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("robot-il: interrupted", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(f"robot-il: error: {_missing_part(error)}", file=sys.stderr)
        return 1


def _missing_part(error: ModuleNotFoundError) -> str:
    extras = {
        **dict.fromkeys(("torch", "onnx", "matplotlib", "rich"), "train"),
        "pybullet": "sim",
        "unicorn": "firmware",
        **dict.fromkeys(("h5py", "pyarrow"), "interop"),
        "foxglove": "foxglove",
        **dict.fromkeys(("nicegui", "fastapi"), "console"),
        "pygame": "pads",
        **dict.fromkeys(("gymnasium", "PIL", "imageio_ffmpeg"), "gym"),
    }
    extra = extras.get(error.name or "", "")
    if not extra and (error.name or "").split(".")[0] in ("gymnasium", "mujoco"):
        extra = "hopper"
    if not extra:
        raise error
    return (
        f"expected the part [{extra}] of this package for that command; came an install without {error.name}; "
        f"install it from the repository with: pip install '.[{extra}]'"
    )


if __name__ == "__main__":
    sys.exit(main())
