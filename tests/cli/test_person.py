"""A person drives the twin in each mode: it goes where the hand wants, and stands when the hand lets go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli import main
from robot_il.cli.hands import DEFLECTION, LET_GO_NS, KeyboardHands, Person, open_hands
from robot_il.cli.keyboard import Keyboard
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import lqr_gain
from robot_il.control.supervisor import SupervisorState
from robot_il.control.teleop import LARGEST_YAW_RATE_RAD_S
from robot_il.errors import ConfigError
from robot_il.learning.build import Request, build_dataset
from robot_il.recording.reader import read_log
from robot_il.robot import load_robot
from robot_il.spec import HandDevice
from robot_il.tasks import TASKS
from tests.cli.hand_flights import fly, pushed

REST = pushed(deadman=False)
STAND = TASKS["stand"]


def lqr() -> LinearController:
    return LinearController(lqr_gain(load_robot(), STAND), STAND)


def driven_ticks(path: Path) -> np.ndarray:
    ticks = read_log(path).ticks
    return ticks[ticks["source"] > 0]


@pytest.fixture(scope="module")
def assisted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forward from 1 to 5 s, left from 7 to 9 s, with the hand at rest in between and after."""
    path = tmp_path_factory.mktemp("person") / "assisted.mcap"
    report = fly(
        path,
        lambda t: pushed(0.6) if 1 <= t < 5 else pushed(turn=0.5) if 7 <= t < 9 else REST,
        12,
        "assisted",
    )
    assert (report.outcome, report.controlled) == (SupervisorState.DISARMED, 2400)
    return path


def test_in_assisted_the_robot_goes_about_as_fast_as_the_stick_asks(assisted: Path) -> None:
    velocity = driven_ticks(assisted)["velocity"]
    assert velocity[450:1000].mean() == pytest.approx(0.3, abs=0.06)
    assert velocity[200:1000].max() < 0.45


def test_in_assisted_the_robot_turns_as_the_stick_asks_and_to_no_other_side(assisted: Path) -> None:
    ticks = driven_ticks(assisted)
    assert ticks["yaw_rate"][1480:1780].mean() == pytest.approx(0.5 * LARGEST_YAW_RATE_RAD_S, abs=0.1)
    assert abs(ticks["yaw"][1390]) < 0.05


def test_in_assisted_the_robot_stands_when_the_hand_lets_go(assisted: Path) -> None:
    ticks = driven_ticks(assisted)
    assert np.abs(ticks["velocity"][-200:]).max() < 0.06
    assert np.abs(ticks["yaw_rate"][-200:]).max() < 0.15
    assert ticks["position"][-1] - ticks["position"][1000] < 0.5


def test_a_persons_flight_replays_bit_for_bit(assisted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["replay", str(assisted)]) == 0
    assert "bit-equal" in capsys.readouterr().out


def test_a_persons_flight_can_be_learned_from_and_names_them(assisted: Path) -> None:
    session = read_log(assisted).session
    assert (session.controller["name"], session.controller["mode"]) == ("person", "assisted")
    dataset = build_dataset(Request({"expert": [assisted]}, "stand", seed=0))
    assert len(dataset) > 2300


def test_every_hand_is_in_the_log_with_its_raw_axes(assisted: Path) -> None:
    hands = read_log(assisted).hands
    assert len(hands) == pytest.approx(12 * 50, abs=10)
    assert (hands["device"] == HandDevice.GAMEPAD).all()
    np.testing.assert_array_equal(hands["axis_1"], hands["forward"])
    assert np.diff(hands["hand_seq"].astype(np.int64)).min() > 0


def test_by_lean_a_held_stick_accelerates_and_a_released_one_brakes(tmp_path: Path) -> None:
    path = tmp_path / "lean.mcap"
    report = fly(path, lambda t: pushed(0.4) if 1 <= t < 2.5 else REST, 8, "assisted", assist="lean")
    velocity = driven_ticks(path)["velocity"]
    assert report.rescued == 0
    assert velocity[200:700].max() > 0.3
    assert np.abs(velocity[-200:]).max() < 0.08


def test_in_direct_nobody_falls_though_the_stick_is_all_torque(tmp_path: Path) -> None:
    path = tmp_path / "direct.mcap"
    report = fly(path, lambda t: pushed(0.3) if 1 <= t < 3 else REST, 8, "direct")
    ticks = driven_ticks(path)
    asked = ticks[(ticks["source"] == 1) & (ticks["stick_forward"] != 0)]
    assert report.outcome is SupervisorState.DISARMED
    np.testing.assert_allclose(asked["intent"], 0.3 * 4.0, atol=1e-6)
    assert report.rescued > 0, "a constant torque throws the robot over, and the guard catches it"
    assert np.abs(ticks["pitch"]).max() < 0.4
    assert np.abs(ticks["velocity"][-100:]).max() < 0.1
    assert main.main(["replay", str(path)]) == 0


def test_in_shared_the_person_takes_the_robot_and_the_policy_gets_it_back(tmp_path: Path) -> None:
    path = tmp_path / "shared.mcap"
    report = fly(path, lambda t: pushed(0.6) if 1 <= t < 2 else REST, 6, "shared", lqr())
    ticks = driven_ticks(path)
    theirs = np.isfinite(ticks["intent"]).nonzero()[0]
    assert report.outcome is SupervisorState.DISARMED
    assert theirs[0] == pytest.approx(200, abs=20)
    assert theirs[-1] == pytest.approx(500, abs=20)
    assert np.abs(ticks["velocity"][-100:]).max() < 0.1


@pytest.mark.parametrize("mode", ["direct", "assisted", "shared"])
def test_a_hand_that_falls_silent_while_it_is_held_stops_the_robot(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "silent.mcap"
    held = pushed(0.1 if mode == "direct" else 0.8)
    report = fly(
        path,
        lambda t: held if 1 <= t < 1.5 else None if t >= 1.5 else REST,
        8,
        mode,
        lqr() if mode == "shared" else None,
    )
    ticks = driven_ticks(path)
    assert report.outcome is SupervisorState.DISARMED
    assert "operator lost" in report.reasons
    stopped_ns = ticks["host_receive_ns"][-1] - read_log(path).hands["host_ns"][-1]
    assert 0.5e9 < stopped_ns < 3.5e9
    last_ns = read_log(path).hands["host_ns"][-1]
    neutral = ticks[ticks["host_receive_ns"] > last_ns + 155_000_000]
    assert not neutral["stick_forward"].any()
    assert (neutral["source"] == 2).all()
    # brought to rest, and only then let go
    assert np.abs(ticks["velocity"][-5:]).max() < 0.1


class SetClock:
    def __init__(self) -> None:
        self.time_ns = 10**9

    def now_ns(self) -> int:
        return self.time_ns


@pytest.fixture
def keys() -> Iterator[tuple[KeyboardHands, SetClock]]:
    """Keys of a real terminal, which nobody presses but the test."""
    person, program = os.openpty()
    clock = SetClock()
    with os.fdopen(person, "wb", 0), os.fdopen(program, "rb", 0), Keyboard(program) as keyboard:
        yield KeyboardHands(keyboard, clock), clock


def test_a_hand_at_the_keys_is_said_when_it_changes_and_every_50_ms(keys: tuple) -> None:
    hands, clock = keys
    said = []
    for _ in range(40):
        said.append(len(hands.receive()[0]))
        clock.time_ns += 5_000_000
    assert said == ([1] + [0] * 9) * 4
    hands.press("up")
    assert hands.receive()[0][0].forward == DEFLECTION


@pytest.mark.parametrize(
    ("key", "forward", "turn"),
    [
        ("up", 1, 0),
        ("w", 1, 0),
        ("down", -1, 0),
        ("s", -1, 0),
        ("left", 0, 1),
        ("a", 0, 1),
        ("right", 0, -1),
        ("d", 0, -1),
    ],
)
def test_each_key_goes_its_way_until_it_is_let_go(keys: tuple, key: str, forward: int, turn: int) -> None:
    hands, clock = keys
    rest = hands.receive()[0][0]
    hands.press(key)
    held = hands.receive()[0][0]
    assert (held.deadman, held.forward, held.turn) == (True, DEFLECTION * forward, DEFLECTION * turn)
    assert (held.device, held.buttons.bit_count(), held.seq) == (HandDevice.KEYBOARD, 1, rest.seq + 1)
    clock.time_ns += LET_GO_NS
    assert hands.receive()[0][0].deadman
    clock.time_ns += 1
    assert hands.receive()[0][0] == rest._replace(seq=rest.seq + 3)


def test_both_ways_at_once_is_both_and_opposite_ones_are_the_newest(keys: tuple) -> None:
    hands, _ = keys
    for key in ("up", "left", "down"):
        hands.press(key)
    hand = hands.receive()[0][0]
    assert (hand.forward, hand.turn) == (-DEFLECTION, DEFLECTION)


def test_a_key_that_means_nothing_is_no_hand(keys: tuple) -> None:
    hands, _ = keys
    for key in ("x", "\n", "", "é"):
        hands.press(key)
    assert not hands.receive()[0][0].deadman


def test_a_terminal_that_is_gone_says_nothing_any_more() -> None:
    person, program = os.openpty()
    clock = SetClock()
    with os.fdopen(program, "rb", 0), Keyboard(program) as keyboard:
        hands = KeyboardHands(keyboard, clock)
        hands.press("up")
        assert hands.receive()[0]
        os.close(person)
        assert keyboard.pressed() == []
        assert not keyboard.there
        clock.time_ns += 60_000_000
        assert hands.receive() == ([], [])


def test_without_a_terminal_nobody_drives_by_keys(tmp_path: Path) -> None:
    with (
        (tmp_path / "no-terminal").open("w+b") as nothing,
        Keyboard(nothing.fileno()) as keyboard,
        pytest.raises(ConfigError, match="terminal"),
        open_hands(Person("keyboard", "assisted"), keyboard),
    ):
        pass
