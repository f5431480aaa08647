"""``robot-il pad``: which pads are plugged in, what they say, and a map for one that is not known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robot_il.cli.sdl_pads import Pad, Reading, SdlPads

PERIOD_S = 0.01
NO_PAD = (
    "no pad is seen. Plug one in, or press a button to wake it; on Linux the user must be allowed to read "
    "/dev/input/event*, which those who are logged in at the machine are, and others by the group input"
)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "pad",
        help="list gamepads, watch one, make a map for one",
        description="Lists the gamepads that are plugged in, with the map by which each is read.",
    )
    parser.add_argument("--watch", action="store_true", help="show what the pad says, and what the robot would be told")
    parser.add_argument("--make", type=Path, metavar="FILE", help="ask for each movement in turn and write a map, TOML")
    parser.add_argument("--pad", default="", metavar="TEXT", help="part of the pad's name (default: the first)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Lists, watches or asks."""
    import time

    from robot_il.cli.sdl_pads import SdlPads

    with SdlPads() as pads:
        there = [pad for pad in pads.look() if arguments.pad.lower() in pad.name.lower()]
        if not there:
            print(NO_PAD)
            return 1
        if arguments.make:
            return _make(there[0], readings(pads, there[0], lambda: time.sleep(PERIOD_S)), arguments.make)
        if arguments.watch:
            return _watch(there[0], readings(pads, there[0], lambda: time.sleep(PERIOD_S)))
        for pad in there:
            print(describe(pad))
    return 0


def readings(pads: SdlPads, pad: Pad, wait: Callable[[], None]) -> Iterator[Reading]:
    """What the pad says, over and over; ends when it is gone.

    Args:
        pads: of this machine.
        pad: one of them.
        wait: called before each reading.
    """
    while True:
        wait()
        if pad not in pads.look():
            return
        yield pad.read()


def describe(pad: Pad) -> str:
    """A pad and the map by which it is read, for a person."""
    from robot_il.cli.pad_source import map_for
    from robot_il.errors import ConfigError

    head = f"{pad.name}\n  GUID     {pad.guid}, {pad.axes} axes, {pad.buttons} buttons"
    head += ", over Bluetooth" if pad.bluetooth else ""
    try:
        found = map_for(pad)
    except ConfigError as error:
        return f"{head}\n  no map   {error}"
    held = f"button {' or '.join(map(str, found.deadman))}" if found.deadman else "none, moving the stick is enough"
    buttons = ", ".join(f"{action} {number}" for action, number in found.buttons.items()) or "none"
    return (
        f"{head}\n  map      {found.name}, {found.origin}\n  forward  {_axis(found.forward)}\n"
        f"  turn     {_axis(found.turn)}\n  dead-man {held}\n  buttons  {buttons}\n"
        f"  dead zone {found.dead_zone:g} ({found.zone}), full at {found.full:g}, expo {found.expo:g}"
    )


def _axis(axis: object) -> str:
    from robot_il.control.pad_layout import Axis, Triggers

    if isinstance(axis, Triggers):
        return f"triggers {axis.trigger} and {axis.back_trigger}, at rest {axis.rest:g}"
    assert isinstance(axis, Axis)
    return f"axis {axis.axis}, {'positive' if axis.sign > 0 else 'negative'}"


def _watch(pad: Pad, said: Iterator[Reading]) -> int:
    from robot_il.cli.pad_source import HeldPad, map_for

    held = HeldPad(pad, map_for(pad))
    print(f"{describe(pad)}\nCtrl-C ends")
    shown = ""
    for count, reading in enumerate(said):
        hand, actions = held.take(reading, count, round(count * PERIOD_S * 1e9))
        line = watched(reading, hand.forward, hand.turn, hand.deadman)
        for action in actions:
            print(f"\r\x1b[2K{action}" if sys.stdout.isatty() else action)
        if line != shown:
            print(
                f"\r\x1b[2K{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True
            )
            shown = line
    print("\nthe pad is gone")
    return 1


def watched(reading: Reading, forward: float, turn: float, deadman: bool) -> str:
    """One line of a reading and what comes of it."""
    axes = " ".join(f"{value:+.2f}" for value in reading.axes)
    pressed = " ".join(str(number) for number in range(32) if reading.buttons >> number & 1) or "-"
    held = "held" if deadman else "released"
    return f"axes {axes}  buttons {pressed}  ->  forward {forward:+.2f}  turn {turn:+.2f}  dead-man {held}"


def _make(pad: Pad, said: Iterator[Reading], path: Path) -> int:
    from robot_il.cli.pad_wizard import make_map
    from robot_il.control.pad_map import user_folder, write_pad_map
    from robot_il.errors import ConfigError

    if path.exists():
        raise ConfigError("a file that is not there yet", str(path), "name another, or remove it")
    print(f"{pad.name}, GUID {pad.guid}")
    made = make_map(pad.name, pad.guid, said, lambda text: print(text, flush=True))
    write_pad_map(made, path)
    print(f"wrote {path}")
    if path.absolute().parent != user_folder().absolute():
        print(f"it is used once it is in {user_folder()}")
    return 0
