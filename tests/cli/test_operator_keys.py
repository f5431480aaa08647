"""Keys on a real terminal, and what comes of each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from robot_il.cli.keyboard import Keyboard
from robot_il.cli.operator_keys import LET_GO_NS, VELOCITY_M_S, OperatorKeys
from robot_il.control.controllers import LinearController
from robot_il.control.guard import Guard
from robot_il.control.loop import ControlLoop, NullSink
from robot_il.control.supervisor import SupervisorState
from robot_il.control.takeover import TakeOver, VelocityDriver
from robot_il.robot import load_robot
from robot_il.spec import TASKS
from tests.scripted_robot import GAIN, ScriptedRobot


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The hands' end and the program's end."""
    hands, program = os.openpty()
    yield hands, program
    os.close(hands)
    os.close(program)


def test_keys_come_in_order_and_nothing_waits(terminal: tuple[int, int]) -> None:
    hands, program = terminal
    with Keyboard(program) as keyboard:
        assert keyboard.there
        assert keyboard.pressed() == []
        os.write(hands, b"t\x1b[A\x1b[Ar\x1b[B e")
        assert keyboard.pressed() == ["t", "up", "up", "r", "down", " ", "e"]
        assert keyboard.pressed() == []


def test_what_is_no_text_is_no_key(terminal: tuple[int, int]) -> None:
    hands, program = terminal
    with Keyboard(program) as keyboard:
        os.write(hands, b"\xff\xfet")
        assert keyboard.pressed() == ["t"]


def test_without_a_terminal_nobody_presses_anything() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "wb", 0) as other, Keyboard(reader) as keyboard:
        other.write(b"t")
        assert not keyboard.there
        assert keyboard.pressed() == []


class Driven:
    """A scripted robot under a loop, and a hand on its keys."""

    def __init__(self, hands: int, keyboard: Keyboard) -> None:
        self.robot = ScriptedRobot()
        law = LinearController(GAIN, TASKS["stand"])
        self.driver = VelocityDriver(load_robot())
        self.takeover = TakeOver(law, self.driver)
        self.presses: dict[int, bytes] = {}
        self.seen: list[tuple[bool, float]] = []
        self._hands = hands
        self._ticks = 0
        self.loop = ControlLoop(self.robot, self.robot.clock, Guard(self.takeover, law), NullSink(), self._tick)
        self.keys = OperatorKeys(
            keyboard, self.loop, self.robot, self.robot.clock, NullSink(), self.takeover, self.driver
        )

    def _tick(self, state: object, decision: object) -> None:
        self._ticks += 1
        os.write(self._hands, self.presses.get(self._ticks, b""))
        self.keys.look()
        self.seen.append((self.takeover.taken, self.driver.wanted_m_s))


@pytest.fixture
def driven(terminal: tuple[int, int]) -> Iterator[Driven]:
    hands, program = terminal
    with Keyboard(program) as keyboard:
        yield Driven(hands, keyboard)


def test_t_takes_the_robot_over_and_r_gives_it_back(driven: Driven) -> None:
    driven.presses = {20: b"t", 40: b"r"}
    driven.loop.run(60)
    assert [taken for taken, _ in driven.seen[18:41]] == [False] + [True] * 20 + [False] * 2


def test_an_arrow_drives_for_as_long_as_it_is_held(driven: Driven) -> None:
    driven.presses = {20: b"t\x1b[A", 60: b"\x1b[B"}
    driven.loop.run(400)
    let_go = 60 + LET_GO_NS // 5_000_000
    wanted = [asked for _, asked in driven.seen]
    assert wanted[19] == VELOCITY_M_S
    assert wanted[59] == -VELOCITY_M_S
    assert wanted[let_go - 2] == -VELOCITY_M_S
    assert wanted[let_go + 1] == 0.0


def test_space_is_a_safe_stop(driven: Driven) -> None:
    driven.presses = {20: b" "}
    report = driven.loop.run(1000)
    assert report.outcome is SupervisorState.DISARMED
    assert report.controlled < 100


def test_e_is_an_emergency_stop(driven: Driven) -> None:
    driven.presses = {20: b"e"}
    driven.loop.run(40)
    assert "estop" in driven.robot.requests


def test_other_keys_do_nothing(driven: Driven) -> None:
    driven.presses = {20: b"xyz\n\x1b[C"}
    report = driven.loop.run(60)
    assert report.controlled == 60
    assert not any(taken for taken, _ in driven.seen)
