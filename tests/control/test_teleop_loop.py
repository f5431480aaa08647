"""A person's stick under the whole loop of a scripted robot: silence at its edges, and what each tick says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from robot_il.control.controllers import LinearController
from robot_il.control.guard import Guard, GuardLimits, LoopInput
from robot_il.control.loop import ControlLoop
from robot_il.control.operator import Hand
from robot_il.control.supervisor import SupervisorState
from robot_il.control.teleop import GIVE_BACK_S, LARGEST_YAW_RATE_RAD_S, MODES, Stick, Teleop
from robot_il.robot import load_robot
from robot_il.spec import TICK_DTYPE, HandDevice
from robot_il.tasks import TASKS
from tests.control.held_stick import Held
from tests.scripted_robot import GAIN, MemorySink, ScriptedRobot

LAW = LinearController(GAIN, TASKS["stand"])


def flight(
    mode: str, script: Callable[[int], Hand | None], ticks: int = 400
) -> tuple[np.ndarray, ControlLoop, MemorySink]:
    """A scripted robot under a person; ``script`` says what comes with each tick."""
    robot, sink, held = ScriptedRobot(), MemorySink(), Held()
    stick = Stick(held, sink)
    policy = LinearController(GAIN, TASKS["stand"], "policy") if mode == "shared" else None
    teleop = Teleop(load_robot(), stick, sink, mode, policy)
    seen = 0

    def on_tick(state: object, decision: object) -> None:
        nonlocal seen
        seen += 1
        hand = script(seen)
        if hand is not None:
            held.put(hand.forward, hand.turn, hand.deadman)

    limits = GuardLimits(max_rescues=10**6, switch_tilt_rad=0.3)
    loop = ControlLoop(robot, robot.clock, Guard(teleop, LAW, limits), sink, on_tick, teleop)
    loop.observe(5)
    loop.run(ticks)
    return np.frombuffer(b"".join(sink.rows), TICK_DTYPE), loop, sink


REST = Hand(0, HandDevice.GAMEPAD, False, 0.0, 0.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("silent_ticks", "silent", "lost"), [(30, False, False), (31, True, False), (100, True, False), (101, True, True)]
)
def test_silence_brings_the_fallback_after_150_ms_and_the_end_after_500(
    mode: str, silent_ticks: int, silent: bool, lost: bool
) -> None:
    begin = 50

    def script(tick: int) -> Hand | None:
        return None if begin <= tick < begin + silent_ticks else REST

    ticks, loop, _ = flight(mode, script)
    inputs = ticks["inputs"][10:]  # nobody was heard before the first hand
    assert bool((inputs & LoopInput.OPERATOR_SILENT).any()) == silent
    assert bool((inputs & LoopInput.OPERATOR_LOST).any()) == lost
    assert bool(loop.report.rescued) == silent
    assert loop.report.outcome is SupervisorState.DISARMED
    assert (loop.report.controlled + loop.report.rescued < 400) == lost


@pytest.mark.parametrize("mode", MODES)
def test_without_anybody_the_robot_is_never_armed(mode: str) -> None:
    ticks, loop, _ = flight(mode, lambda tick: None)
    assert loop.report.controlled == loop.report.rescued == 0
    assert not ticks["sent_seq"].any()
    assert "operator lost" in loop.report.reasons


@pytest.mark.parametrize("mode", MODES)
def test_a_person_who_comes_back_gets_the_robot_after_a_second_of_calm(mode: str) -> None:
    _, loop, _ = flight(mode, lambda tick: None if 50 <= tick < 90 else REST)
    assert 200 <= loop.report.rescued < 260
    assert loop.report.controlled > 100


@pytest.mark.parametrize("mode", MODES)
def test_each_tick_says_what_the_stick_did_and_whose_the_torque_was(mode: str) -> None:
    pushed = REST._replace(deadman=True, turn=0.5)
    ticks, _, sink = flight(mode, lambda tick: pushed if 100 <= tick < 150 else REST, ticks=350)
    driven = ticks[ticks["source"] == 1]
    turning = driven["stick_turn"] != 0
    assert turning.sum() == 50
    assert (driven["yaw_rate_wanted"][turning] == np.float32(0.5 * LARGEST_YAW_RATE_RAD_S)).all()
    assert not driven["yaw_rate_wanted"][~turning].any()
    finite = np.isfinite(driven["intent"])
    np.testing.assert_array_equal(driven["intent"][finite], driven["controller_torque"][finite])
    # in shared the person keeps the robot for half a second after letting go
    assert finite.sum() == (50 + round(GIVE_BACK_S * 200) if mode == "shared" else len(driven))
    assert [name for name, _ in sink.events if name in ("take_over", "give_back")] == (
        ["take_over", "give_back"] if mode == "shared" else []
    )
