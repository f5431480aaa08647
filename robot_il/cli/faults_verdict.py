"""What became of a faulty flight, and which promise it broke."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_il.cli.faults_flight import Sight
from robot_il.cli.faults_host import Plan
from robot_il.spec import CONTROL_PERIOD_S, FIRMWARE_RATE_HZ, LIMITS
from sim.faults import FALLBACK, FELL, MCU_STOP, RIDES, SAFE_STOP

DRIVEN_MS = LIMITS.command_timeout_ms + 1000 / FIRMWARE_RATE_HZ
"""The promised bound, and the one tick in which the MCU acts on it."""
LOST_LOG_S = 0.5
UP, DOWN, DRIVEN_DOWN = "stayed up", "came down, wheels off", "came down, wheels not off"
_WORLD_EVENTS = ("fallen", "released")


@dataclass(frozen=True)
class Verdict:
    """What became of one flight.

    Attributes:
        fault: its name.
        seed: of the flight.
        outcome: one of ``sim.faults.OUTCOMES``.
        robot: ``stayed up``: the MCU drove the wheels at the flight's end, and the lean was never beyond the task's
            fall since the fault. ``came down, wheels off``: the MCU did not drive them at the end, and since the robot
            leant beyond the MCU's tilt limit no wheel was driven for more than 101 ms all in all. Else ``came down,
            wheels not off``.
        guard: what the host's guard did after the fault and up to the flight's end: states of the supervisor with their
            reasons.
        mcu: mode changes and resets of the MCU in that time, with the fault bits.
        guard_ms: from the fault to the guard's first reaction; None for none.
        mcu_ms: from the fault to the MCU's first; None for none.
        driven_ms: longest time that a wheel was driven after the STATE that the newest fresh command answers.
        largest_lean_rad: since the fault.
        moved_m: from the place of the fault to that of the flight's end.
        lost_log_s: ticks that the recorder was given and the log has not, as time.
        log: its path.
        log_status: complete, or cut.
        crashes: what crashed; empty for nothing.
        broken: promises that were not kept, in words; empty where all were.
    """

    fault: str
    seed: int
    outcome: str
    robot: str
    guard: tuple[str, ...]
    mcu: tuple[str, ...]
    guard_ms: float | None
    mcu_ms: float | None
    driven_ms: float
    largest_lean_rad: float
    moved_m: float
    lost_log_s: float
    log: Path
    log_status: str
    crashes: str
    broken: tuple[str, ...]

    @property
    def reaction_ms(self) -> float | None:
        """From the fault to the first reaction of either; None for none."""
        return min((ms for ms in (self.guard_ms, self.mcu_ms) if ms is not None), default=None)


def judge(plan: Plan, sight: Sight) -> Verdict:
    """Judges one flight by the world's truth; only what the guard did is taken from the log."""
    guard = _guard(plan, sight)
    mcu = [(ms, event) for ms, event in sight.mcu if event["event"] not in _WORLD_EVENTS]
    robot = _robot(plan, sight)
    outcome = _outcome(robot, [event["event"] for _, event in mcu], [state for _, state, _ in guard])
    lost_s = max(0, sight.given_ticks - len(sight.log.ticks)) * CONTROL_PERIOD_S
    words = [_with(state, reasons) for _, state, reasons in guard]
    return Verdict(
        fault=plan.case.name,
        seed=plan.seed,
        outcome=outcome,
        robot=robot,
        guard=tuple(words or filter(None, (sight.host_end,))),
        mcu=tuple(_with(event["event"], event.get("faults", [])) for _, event in mcu),
        guard_ms=guard[0][0] if guard else None,
        mcu_ms=mcu[0][0] if mcu else None,
        driven_ms=sight.driven_ms,
        largest_lean_rad=sight.largest_lean_rad,
        moved_m=sight.moved_m,
        lost_log_s=lost_s,
        log=sight.log.path,
        log_status=sight.log.status,
        crashes="; ".join(filter(None, (sight.host_crash, sight.firmware_crash))),
        broken=_broken(plan, sight, outcome, robot, lost_s),
    )


def _guard(plan: Plan, sight: Sight) -> list[tuple[float, str, list[str]]]:
    """(ms since the fault, state or act, reasons) of what the guard did up to the flight's end.

    A healthy flight changes nothing between the first RUNNING and the fault, so all that follows belongs to the fault.
    """
    found: list[tuple[float, str, list[str]]] = []
    running = False
    for event in sight.log.events:
        ms = (event["host_ns"] - sight.clock_offset_ns) * 1e-6 - sight.begun_us * 1e-3
        what = _act(event)
        if running and what is not None and ms < plan.seconds * 1e3:
            found.append((ms, *what))
        running = running or (what is not None and what[0] == "RUNNING")
    return found


def _act(event: dict[str, Any]) -> tuple[str, list[str]] | None:
    """What an event of the log says that the guard or its loop did; None for other events."""
    name, detail = event["name"], event["detail"]
    if name == "supervisor":
        return detail["after"], detail["reasons"]
    if name == "observation_late" and detail["what"] == "OBSERVATION_LOST":
        return "DISARM sent", ["OBSERVATION_LOST"]
    return ("FAULT", ["LINK_LOST"]) if name == "link_lost" else None


def _robot(plan: Plan, sight: Sight) -> str:
    if sight.armed and sight.largest_lean_rad <= plan.task.fall_tilt_rad:
        return UP
    return DRIVEN_DOWN if sight.armed or sight.driven_down_ms > DRIVEN_MS else DOWN


def _outcome(robot: str, mcu: list[str], guard: list[str]) -> str:
    """The class of the flight: who ended it, or who had the robot."""
    if mcu:
        return SAFE_STOP if mcu[0] == "disarmed" else MCU_STOP
    if robot != UP:
        return FELL
    return FALLBACK if "FALLBACK" in guard else RIDES


def _with(word: str, reasons: list[str]) -> str:
    return f"{word} ({', '.join(reasons)})" if reasons else word


def _broken(plan: Plan, sight: Sight, outcome: str, robot: str, lost_s: float) -> tuple[str, ...]:
    found = {
        "the robot never flew": not sight.begun_us,
        f"came {outcome}, promised {' or '.join(plan.case.expected)}": outcome not in plan.case.expected,
        f"a wheel was driven for {sight.driven_ms:.0f} ms without a fresh command": sight.driven_ms > DRIVEN_MS,
        f"{robot}: driven for {sight.driven_down_ms:.0f} ms when it was down": robot == DRIVEN_DOWN,
        f"the host crashed: {sight.host_crash}": bool(sight.host_crash),
        f"the firmware crashed: {sight.firmware_crash}": bool(sight.firmware_crash),
        f"{lost_s:.2f} s of the log lost": lost_s > LOST_LOG_S,
    }
    return tuple(words for words, happened in found.items() if happened)
