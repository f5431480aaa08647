"""The checklist before the wheels may turn: every reason at once, each with its remedy."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robot_il.control.clock import PERIOD_NS
from robot_il.control.device import Identity, State
from robot_il.control.guard import implausible_signal
from robot_il.errors import ArmingError
from robot_il.spec import LIMITS, Fault, Mode

OBSERVED_TICKS = 40
ROUND_TRIP_LIMIT_S = 0.010
RESTLESS_RAD_S = 1.0
FREE_DISK_BYTES = 100_000_000


@dataclass(frozen=True)
class Check:
    """One line of the checklist.

    Attributes:
        name: what is checked.
        passed: whether it may go on.
        found: what was found, with unit.
        remedy: what to do where it did not pass.
    """

    name: str
    passed: bool
    found: str
    remedy: str


def checklist(identity: Identity, states: Sequence[State], log_folder: Path | None) -> list[Check]:
    """Judges the link, the sensors and the robot's pose from the STATEs of the last moments.

    Args:
        identity: from ``Device.open``.
        states: STATEs read without answering them; ``OBSERVED_TICKS`` were asked for.
        log_folder: where the log goes; None where nothing is logged.
    """
    checks = [
        Check(
            "link round trip",
            identity.round_trip_s <= ROUND_TRIP_LIMIT_S,
            f"{identity.round_trip_s * 1e3:.1f} ms",
            "set the port to low latency, use a shorter cable, or stop what else loads this machine",
        ),
        _check_rate(states),
    ]
    if states:
        checks += _check_robot(states)
    if log_folder is not None:
        free = shutil.disk_usage(log_folder).free
        checks.append(
            Check("free disk", free >= FREE_DISK_BYTES, f"{free / 1e6:.0f} MB in {log_folder}", "free 100 MB there")
        )
    return checks


def _check_rate(states: Sequence[State]) -> Check:
    remedy = "check that the firmware runs and the link carries 20 kB/s"
    if len(states) < OBSERVED_TICKS:
        return Check("state rate", False, f"{len(states)} STATEs of {OBSERVED_TICKS}", remedy)
    missing = states[-1].state_seq - states[0].state_seq + 1 - len(states)
    span_us = states[-1].mcu_time_us - states[0].mcu_time_us
    period_ms = span_us / 1e3 / max(1, states[-1].state_seq - states[0].state_seq)
    right = abs(period_ms - PERIOD_NS / 1e6) < 0.01 and missing <= len(states) // 10
    return Check("state rate", right, f"one per {period_ms:.2f} ms, {missing} lost", remedy)


def _check_robot(states: Sequence[State]) -> list[Check]:
    last = states[-1]
    faults = Fault(last.faults)
    implausible = next((name for state in states if (name := implausible_signal(state)) is not None), None)
    restless = max(abs(state.pitch_rate) for state in states)
    return [
        Check(
            "MCU ready",
            last.mode == Mode.DISARMED and not faults,
            f"{Mode(last.mode).name}, faults: {', '.join(fault.name or '' for fault in faults) or 'none'}",
            "remove the cause of the fault; an emergency stop or an earlier stop clears with DISARM",
        ),
        Check("sensors plausible", implausible is None, implausible or "all", "check that sensor and its cable"),
        Check(
            "robot upright",
            abs(last.pitch) <= LIMITS.arm_tilt_rad,
            f"pitch {last.pitch:+.3f} rad",
            f"hold the robot within {LIMITS.arm_tilt_rad} rad of upright",
        ),
        Check("robot at rest", restless <= RESTLESS_RAD_S, f"up to {restless:.2f} rad/s", "hold the robot still"),
        Check(
            "battery",
            last.battery >= LIMITS.battery_low_v,
            f"{last.battery:.1f} V",
            f"charge it; at least {LIMITS.battery_low_v} V are needed",
        ),
    ]


def require(checks: Sequence[Check]) -> None:
    """Lets a passed checklist through.

    Raises:
        ArmingError: naming every check that failed, what was found and its remedy.
    """
    failed = [check for check in checks if not check.passed]
    if failed:
        raise ArmingError(
            f"all {len(checks)} arming checks to pass",
            f"{len(failed)} failed: " + ", ".join(f"{check.name} ({check.found})" for check in failed),
            "; ".join(dict.fromkeys(check.remedy for check in failed)),
        )
