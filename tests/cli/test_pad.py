"""``robot-il pad``: pads that SDL makes up are listed, watched, and given a map by being pushed about."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot_il.cli import main, pad, pad_wizard
from robot_il.cli.pad import describe, readings, watched
from robot_il.cli.pad_wizard import MOST_DEAD_ZONE, PATIENCE, make_map
from robot_il.cli.sdl_pads import Reading, SdlPads
from robot_il.control.pad_layout import Axis
from robot_il.control.pad_map import find_pad_map, write_pad_map
from robot_il.errors import ConfigError
from robot_il.spec import HandDevice
from tests.cli.virtual_pads import VirtualPad, no_maps_of_ones_own, pads

__all__ = ["no_maps_of_ones_own", "pads"]

pytest.importorskip("pygame")


def test_where_no_pad_is_the_command_says_so_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["pad"]) == 1
    said = capsys.readouterr().out
    assert "no pad" in said
    assert "/dev/input" in said


def test_without_pygame_the_command_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("pygame"):
            raise ModuleNotFoundError("No module named 'pygame'", name="pygame")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main.main(["pad"]) == 1
    assert "pip install '.[pads]'" in capsys.readouterr().err


def test_a_pad_is_described_with_its_guid_and_the_map_in_use(pads: SdlPads) -> None:
    VirtualPad()
    said = describe(pads.look()[0])
    for part in ("Virtual Controller", "ff00", "6 axes", "SDL's", "dead-man button 9 or 10", "estop 4"):
        assert part in said


def test_a_pad_without_a_map_is_listed_with_what_to_do(pads: SdlPads) -> None:
    VirtualPad(axes=2, buttons=3, kind=0)
    assert "robot-il pad --make" in describe(pads.look()[0])


def test_watching_shows_the_raw_pad_and_what_the_robot_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = iter(["rest", "push", "stop", "gone"])
    plugged: list[VirtualPad] = []

    def step(seconds: float) -> None:
        """In place of the waiting between two readings."""
        act = {
            "rest": lambda: None,
            "push": lambda: (plugged[0].push(1, -1.0), plugged[0].press(9)),
            "stop": lambda: plugged[0].press(1),
            "gone": plugged[0].unplug,
        }
        act[next(steps)]()

    class PadsWithOne(SdlPads):
        def __init__(self) -> None:
            super().__init__()
            plugged.append(VirtualPad())

    monkeypatch.setattr("robot_il.cli.sdl_pads.SdlPads", PadsWithOne)
    monkeypatch.setattr("time.sleep", step)
    assert main.main(["pad", "--watch"]) == 1
    said = capsys.readouterr().out
    assert "forward +1.00  turn +0.00  dead-man held" in said
    assert "buttons 1 9" in said
    assert "\nstop\n" in said
    assert said.rstrip().endswith("the pad is gone")


def test_a_line_of_watching_names_every_button() -> None:
    assert "buttons 0 31" in watched(Reading((), 1 | 1 << 31), 0.0, 0.0, False)
    assert "buttons -" in watched(Reading((), 0), 0.0, 0.0, False)


def test_readings_end_with_the_pad(pads: SdlPads) -> None:
    plugged = VirtualPad()
    said = readings(pads, pads.look()[0], lambda: None)
    assert next(said).buttons == 0
    plugged.unplug()
    assert next(said, None) is None


REST = Reading((0.01, -0.02, 0.0, -1.0), 0)


def doing(*steps: tuple[Reading, int]) -> Iterator[Reading]:
    for reading, count in steps:
        for _ in range(count):
            yield reading


def pushed(axis: int, value: float) -> Reading:
    axes = list(REST.axes)
    axes[axis] = value
    return Reading(tuple(axes), 0)


def pressed(button: int) -> Reading:
    return Reading(REST.axes, 1 << button)


ALONE = (REST, 100)
FORWARD = ((pushed(1, -1.0), 40), (REST, 5))
LEFT = ((pushed(2, 0.9), 40), (REST, 5))


def made(*steps: tuple[Reading, int]):
    return make_map("odd pad", "0300db13aaaa", doing(ALONE, *steps), lambda text: None)


def test_the_wizard_learns_axes_signs_and_buttons() -> None:
    found = made(*FORWARD, *LEFT, (pressed(7), 40), (REST, 5), (pressed(2), 40), (REST, 5))
    assert (found.forward, found.turn) == (Axis(1, -1), Axis(2, 1))
    assert (found.deadman, dict(found.buttons), found.guids) == ((7,), {"stop": 2}, ("03000000aaaa",))
    hand = found.hand(1, HandDevice.GAMEPAD, pushed(1, -1.0).axes, 1 << 7)
    assert (hand.deadman, hand.forward) == (True, pytest.approx(1.0, abs=0.02))


def test_whoever_pushes_the_stick_instead_does_without_the_button() -> None:
    found = made(*FORWARD, *LEFT, *FORWARD, *FORWARD)
    assert (found.deadman, dict(found.buttons)) == ((), {})


def test_a_movement_that_is_not_held_or_not_alone_is_not_believed() -> None:
    slip, both = (pushed(0, 1.0), 10), (Reading((1.0, 1.0, 0.0, -1.0), 0), 60)
    found = made(slip, (REST, 3), both, (REST, 3), *FORWARD, *LEFT, *FORWARD, *FORWARD)
    assert found.forward == Axis(1, -1)


def test_the_dead_zone_covers_what_the_stick_does_by_itself() -> None:
    def noisy() -> Iterator[Reading]:
        for tick in range(100):
            yield Reading((0.05 * (tick % 2), 0.0, 0.0, -1.0), 0)
        yield from doing(*FORWARD, *LEFT, *FORWARD, *FORWARD)

    found = make_map("odd pad", "03", noisy(), lambda text: None)
    assert 0.15 <= found.dead_zone <= MOST_DEAD_ZONE
    assert made(*FORWARD, *LEFT, *FORWARD, *FORWARD).dead_zone == pad_wizard.LEAST_DEAD_ZONE


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((), "gone"),
        (((REST, PATIENCE),), "that movement"),
        (((pushed(1, -1.0), 40 + PATIENCE),), "let go"),
        ((*FORWARD, *FORWARD), "one axis to drive and another to turn"),
        ((*FORWARD, *LEFT, (pressed(7), 40), (REST, 5), (pressed(7), 40), (REST, 5)), "another button"),
    ],
    ids=["gone", "idle", "stuck", "one axis", "one button"],
)
def test_what_does_not_make_a_map_is_refused(steps: tuple, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        made(*steps)


def test_a_pad_that_somebody_moves_while_it_is_to_be_left_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="nobody touches"):
        make_map("odd pad", "03", doing((REST, 50), (pushed(0, 0.9), 50)), lambda text: None)


def test_a_map_that_was_made_by_pushing_a_pad_about_is_the_one_in_use(pads: SdlPads, tmp_path: Path) -> None:
    plugged = VirtualPad(axes=3, buttons=4, kind=0)
    found = pads.look()[0]

    def acting() -> Iterator[None]:
        yield from (None for _ in range(100))
        for act, undo in (
            (lambda: plugged.push(1, 1.0), lambda: plugged.push(1, 0.0)),
            (lambda: plugged.push(0, -1.0), lambda: plugged.push(0, 0.0)),
            (lambda: plugged.press(3), lambda: plugged.press(3, down=False)),
            (lambda: plugged.push(1, 1.0), lambda: plugged.push(1, 0.0)),
        ):
            act()
            yield from (None for _ in range(40))
            undo()
            yield from (None for _ in range(5))

    acts = acting()
    made_map = make_map(found.name, found.guid, readings(pads, found, lambda: next(acts)), lambda text: None)
    write_pad_map(made_map, tmp_path / "robot-il" / "pads" / "made.toml")
    in_use = find_pad_map(found.name, found.guid)
    assert (in_use.forward, in_use.turn, in_use.deadman) == (Axis(1, 1), Axis(0, -1), (3,))
    assert "made.toml" in describe(found)


def test_a_file_that_is_there_is_not_written_over(pads: SdlPads, tmp_path: Path) -> None:
    VirtualPad()
    path = tmp_path / "there.toml"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="not there yet"):
        pad._make(pads.look()[0], iter(()), path)
    assert path.read_text() == "mine"
