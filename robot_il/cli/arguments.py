"""Arguments that several commands share; imports nothing heavy."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from robot_il.errors import ConfigError
from robot_il.spec import CONTROL_RATE_HZ, LOOP_RATES_HZ
from robot_il.tasks import find_task

INPUTS = ("gamepad", "keyboard")
ASSISTS = ("velocity", "lean")
RANDOMISED = ("usual", "identified", "plausible", "none")
"""``sim.randomisation.WIDTHS``, for commands that start without the twin."""
ENGINES = ("pybullet", "mujoco")
"""``sim.engine.ENGINES``, for the same."""


def task_name(text: str) -> str:
    """The type of an argument that names a task, with or without a set-point: ``drive_turn`` or ``drive@0.4``."""
    try:
        return find_task(text).name
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def check_place(place: Path, *, make_folder: bool = False) -> None:
    """Makes sure, before anything takes minutes, that a file can be written.

    Args:
        place: of the file.
        make_folder: where its folder is not there yet.

    Raises:
        ConfigError: it cannot.
    """
    try:
        if make_folder:
            place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place.parent):
            pass
    except OSError as error:
        raise ConfigError(
            f"to write {place}", error.strerror or str(error), "make its folder, or choose another place"
        ) from error


def add_drive_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that ``record`` and ``run`` share."""
    parser.add_argument("--device", required=True, metavar="PORT", help="serial port of the robot or of a twin")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to drive (default 30)")
    parser.add_argument(
        "--rate", type=int, default=CONTROL_RATE_HZ, choices=LOOP_RATES_HZ, metavar="HZ",
        help="of the loop: 200, 500 or 1000 (default 200; datasets are made of recordings at 200)",
    )  # fmt: skip
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--note", default="", help="free text kept in the log")
    parser.add_argument(
        "--patience", type=float, default=5.0, help="seconds to wait for the arming checklist to pass (default 5)"
    )


def add_randomise(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that says how far the twins are from the robot's profile."""
    parser.add_argument(
        "--randomise", default=RANDOMISED[0], choices=RANDOMISED,
        help="twins unlike the profile: by the usual shares (default), as far as its identified intervals leave open, "
        "anywhere in its plausible ranges, or not at all; start and pushes are the same for all",
    )  # fmt: skip


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that says which physics engine moves the twin."""
    parser.add_argument(
        "--engine", default=ENGINES[0], choices=ENGINES,
        help="physics engine of the twin (default pybullet; robot-il twin engines shows where they differ)",
    )  # fmt: skip


def add_hand_arguments(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Adds the arguments that say what a person drives with.

    Args:
        parser: of the command.
        default: input where none is named; None for the keys of the terminal where there is one, else nobody.
    """
    named = default or "keyboard where there is a terminal, else nobody"
    parser.add_argument("--input", default=default, choices=INPUTS, help=f"what a person drives with (default {named})")
    parser.add_argument(
        "--pad", default="", metavar="TEXT", help="part of the name of the gamepad (default: the first)"
    )
    parser.add_argument(
        "--assist", default="velocity", choices=ASSISTS,
        help="what the stick moves where the LQR balances: velocity, or lean, which is acceleration (default velocity)",
    )  # fmt: skip
