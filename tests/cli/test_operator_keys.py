"""Keys on a real terminal and buttons of a pad, and what comes of each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.episode_keys import EpisodeKeys
from robot_il.cli.hands import DEFLECTION, LET_GO_NS, KeyboardHands
from robot_il.cli.keyboard import Keyboard
from robot_il.cli.operator_keys import OperatorKeys
from robot_il.control.controllers import LinearController
from robot_il.control.guard import Guard
from robot_il.control.loop import ControlLoop
from robot_il.control.posture import Course
from robot_il.control.supervisor import SupervisorState
from robot_il.control.teleop import Stick, Teleop
from robot_il.recording.episode_book import EpisodeBook
from robot_il.recording.episodes import book_of
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import load_robot
from robot_il.tasks import TASKS
from tests.scripted_robot import GAIN, PERIOD_NS, MemorySink, ScriptedRobot


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


LEGS = Course(low_m=0.2, high_m=0.3)


class Driven:
    """A scripted robot under a loop, driven by a policy and a person at its keys."""

    def __init__(self, hands: int, keyboard: Keyboard, label: str = "unlabeled") -> None:
        self.robot, self.sink = ScriptedRobot(), MemorySink()
        self.held = KeyboardHands(keyboard, self.robot.clock)
        self.stick = Stick(self.held, self.sink)
        law = LinearController(GAIN, TASKS["stand"])
        self.teleop = Teleop(load_robot(), self.stick, self.sink, "shared", law)
        self.presses: dict[int, bytes] = {}
        self.asked: dict[int, dict] = {}
        self.taken: list[bool] = []
        self.sticks: list[float] = []
        self.told: list[str] = []
        self._hands = hands
        self.loop = ControlLoop(
            self.robot, self.robot.clock, Guard(self.teleop, law), self.sink, self._tick, self.teleop, course=LEGS
        )
        self.episodes = EpisodeKeys(self.sink, self.robot.clock, "stand", "shared", label, self.told.append)
        self.keys = OperatorKeys(
            keyboard, self.loop, self.robot, self.sink, self.episodes, self.told.append, self.held, self.stick
        )
        self.loop.observe(2)
        self.taken.clear()
        self.sticks.clear()

    def _tick(self, state: object, decision: object) -> None:
        self.taken.append(self.teleop.taken)
        self.sticks.append(self.teleop.stick_forward)
        tick = len(self.taken)
        os.write(self._hands, self.presses.get(tick, b""))
        if tick in self.asked:
            self.stick.requests.append(json.dumps(self.asked[tick]).encode())
        self.keys.look()

    def named(self, name: str) -> list[dict]:
        return [detail for event, detail in self.sink.events if event == name]

    def book(self) -> EpisodeBook:
        """The episodes, as the recording's own room makes them of the operations."""
        book = EpisodeBook()
        for operation in self.named("episode"):
            book.apply(operation)
        return book


@pytest.fixture
def driven(terminal: tuple[int, int]) -> Iterator[Driven]:
    hands, program = terminal
    with Keyboard(program) as keyboard:
        yield Driven(hands, keyboard)


@pytest.mark.parametrize(("key", "way"), [(b"\x1b[A", 1), (b"w", 1), (b"\x1b[B", -1), (b"s", -1)])
def test_a_key_takes_the_robot_over_for_as_long_as_it_is_held(driven: Driven, key: bytes, way: int) -> None:
    driven.presses = {20: key, 60: key}
    driven.loop.run(500)
    let_go = 60 + LET_GO_NS // PERIOD_NS
    assert not any(driven.taken[:20])
    assert all(driven.taken[20:let_go])
    assert not any(driven.taken[let_go + 110 :])
    assert driven.sticks[20:let_go] == [pytest.approx(way * DEFLECTION)] * (let_go - 20)
    assert not any(driven.sticks[let_go + 2 :])
    assert [name for name, _ in driven.sink.events if name in ("take_over", "give_back")] == ["take_over", "give_back"]


def test_space_is_a_safe_stop(driven: Driven) -> None:
    driven.presses = {20: b" "}
    report = driven.loop.run(1000)
    assert report.outcome is SupervisorState.DISARMED
    assert report.controlled < 100
    assert driven.named("key") == [{"key": " "}]


def test_e_is_an_emergency_stop(driven: Driven) -> None:
    driven.presses = {20: b"e"}
    driven.loop.run(40)
    assert "estop" in driven.robot.requests


def test_a_pads_buttons_stop_as_the_keys_do(driven: Driven) -> None:
    driven.asked = {20: {"do": "press", "action": "stop"}}
    report = driven.loop.run(1000)
    assert report.controlled < 100
    assert driven.named("button") == [{"action": "stop"}]


@pytest.mark.parametrize(
    ("key", "by"), [(b"+", 0.01), (b"\x1b[5~", 0.01), (b"-", -0.01), (b"\x1b[6~", -0.01), (b"++-+", 0.02)]
)
def test_keys_raise_and_lower_the_body_and_the_log_says_who_asked(driven: Driven, key: bytes, by: float) -> None:
    driven.presses = {20: key}
    driven.loop.run(40)
    asked = [event["height_m"] for event in driven.named("height_asked")]
    assert asked[-1] == driven.loop.height_m == pytest.approx(driven.robot.height + by)
    assert driven.robot.heights[15] == driven.robot.height
    assert driven.robot.heights[30] == asked[-1]
    assert driven.told[-1] == f"body to {asked[-1]:.3f} m above the axle"
    assert len(driven.named("key")) == len(asked)
    assert not any(driven.taken)


def test_a_body_is_raised_no_higher_than_its_legs_hold(driven: Driven) -> None:
    driven.presses = {20: b"+" * 50}
    driven.loop.run(40)
    assert driven.robot.heights[30] == float(np.float32(LEGS.high_m))


def test_a_pads_buttons_raise_and_lower_as_the_keys_do(driven: Driven) -> None:
    driven.asked = {20: {"do": "press", "action": "raise"}, 25: {"do": "press", "action": "lower"}}
    driven.loop.run(40)
    asked = [event["height_m"] for event in driven.named("height_asked")]
    assert asked == pytest.approx([driven.robot.height + 0.01, driven.robot.height])


def test_a_pads_emergency_stop_is_one(driven: Driven) -> None:
    driven.asked = {20: {"do": "press", "action": "estop"}}
    driven.loop.run(40)
    assert "estop" in driven.robot.requests


def test_a_pad_that_goes_and_comes_is_logged_and_said(driven: Driven) -> None:
    driven.asked = {20: {"do": "pad", "state": "gone"}, 25: {"do": "pad", "state": "here", "name": "X", "more": 1}}
    driven.loop.run(40)
    assert driven.named("pad") == [{"state": "gone", "pad": {}}, {"state": "here", "pad": {"name": "X"}}]
    assert driven.told == ["the pad is gone", "the pad is back"]


@pytest.mark.parametrize(
    "request_", [{"do": "press", "action": "jump"}, {"do": "press"}, {"do": "arm"}, {"x": 1}], ids=str
)
def test_what_nobody_may_ask_for_is_not_done(driven: Driven, request_: dict) -> None:
    driven.asked = {20: request_}
    before = len(driven.sink.events)
    report = driven.loop.run(60)
    assert report.controlled == 60
    assert {name for name, _ in driven.sink.events[before:]} == {"supervisor"}


def test_other_keys_do_nothing(driven: Driven) -> None:
    driven.presses = {20: b"xyztr"}
    report = driven.loop.run(60)
    assert report.controlled == 60
    assert not any(driven.taken)


# episodes


def test_enter_starts_and_stops_an_episode_and_a_figure_labels_the_newest(driven: Driven) -> None:
    driven.presses = {20: b"\n", 60: b"\n", 65: b"1", 80: b"\n", 85: b"2", 90: b"3", 120: b"\r"}
    driven.loop.run(200)
    first, second = driven.book().episodes
    assert (first.id, first.label, first.mode, first.task) == ("e1", "expert", "shared", "stand")
    assert first.seconds == pytest.approx(40 * PERIOD_NS / 1e9)
    assert (second.label, second.labelled_by) == ("undesirable", "person")
    assert second.seconds == pytest.approx(40 * PERIOD_NS / 1e9)


@pytest.mark.parametrize("backspace", [b"\x7f", b"\b"])
def test_backspace_deletes_the_newest_and_begins_it_anew(driven: Driven, backspace: bytes) -> None:
    driven.presses = {20: b"\n", 40: backspace, 60: b"\n", 80: backspace, 100: b"\n"}
    driven.loop.run(200)
    book = driven.book()
    assert [(episode.id, episode.deleted) for episode in book.all] == [("e1", True), ("e2", True), ("e3", False)]
    assert book.episodes[0].seconds == pytest.approx(20 * PERIOD_NS / 1e9)


def test_a_label_before_any_episode_is_told_to_mean_nothing(driven: Driven) -> None:
    driven.presses = {20: b"1"}
    driven.loop.run(40)
    assert driven.named("episode") == []
    assert "Enter" in driven.told[0]


def test_what_is_open_at_the_end_is_stopped_there(driven: Driven) -> None:
    driven.presses = {20: b"\n"}
    driven.loop.run(100)
    driven.episodes.finish()
    driven.episodes.finish()
    (episode,) = driven.book().episodes
    assert episode.stop_ns == driven.robot.clock.now_ns()


def test_an_episode_has_the_recordings_label_until_it_is_given_its_own(terminal: tuple[int, int]) -> None:
    hands, program = terminal
    with Keyboard(program) as keyboard:
        driven = Driven(hands, keyboard, label="suboptimal")
        driven.presses = {20: b"\n", 40: b"\n", 60: b"\n", 80: b"\n", 85: b"1"}
        driven.loop.run(150)
    assert [(e.label, e.labelled_by) for e in driven.book().episodes] == [
        ("suboptimal", "recording"),
        ("expert", "person"),
    ]


@pytest.mark.parametrize("pressed", [False, True])
def test_a_log_is_one_whole_episode_unless_somebody_pressed_enter(tmp_path: Path, pressed: bool) -> None:
    robot, path = ScriptedRobot(), tmp_path / "log.mcap"
    law = LinearController(GAIN, TASKS["stand"])
    with Recorder(path, Session("stand", "expert", law.identity), robot.clock, lossless=True) as recorder:
        loop = ControlLoop(robot, robot.clock, Guard(law, law), recorder)
        episodes = EpisodeKeys(recorder, robot.clock, "stand", "lqr", "expert", lambda text: None)
        loop.run(50)
        if pressed:
            episodes.obey("record")
            loop.observe(20)
            episodes.finish()
    (episode,) = book_of(read_log(path)).episodes
    assert (episode.id, episode.label) == ("e1" if pressed else "whole", "expert")
    assert (episode.seconds < 0.11) == pressed
