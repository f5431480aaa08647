"""Is a recording fit to learn from? Hard failures, and scores that tell a busy host from a bad link or robot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from robot_il.recording.chain import look_at_chain, made_on_board
from robot_il.recording.evidence import gaps, longest_repeat, steps
from robot_il.recording.findings import FAIL, OK, WARN, Finding, graded
from robot_il.recording.layouts import ADDED_IN
from robot_il.recording.reader import COMPLETE, DAMAGED, Log
from robot_il.recording.signs import look_at_signs
from robot_il.recording.timing import Timing, measure
from robot_il.spec import (
    HOST_SIGNALS,
    STATE_SIGNALS,
    TICK_SIGNALS,
    Fault,
    Mode,
    Signal,
)

STUCK_S: Final = 0.25
"""A sensor with noise that repeats itself bit for bit this often is stuck."""
NOISY_SENSORS: Final = ("pitch", "pitch_rate", "yaw_rate", "accel_x", "accel_z")
QUANTISED_SENSORS: Final = ("wheel_velocity_left", "wheel_velocity_right")
"""May rest on one value at standstill, so being stuck is only suspicious."""
LATE_SHARE: Final = 0.5
MCU_JITTER_US: Final = 1000
UNDESIRABLE: Final = "undesirable"
"""The label under which a fall is what was to be shown."""

_FLOAT_SIGNALS = [signal.name for signal in TICK_SIGNALS if signal.dtype == "f4"]
_MAY_BE_NAN = {"intent", "margin", "stick_forward", "stick_turn", "height_wanted", "sent_height"}
_ONLY_DRIVEN = {"controller_torque", "limited_torque"}


@dataclass(frozen=True)
class CheckReport:
    """All findings on one log.

    Attributes:
        path: the file.
        label: its label.
        status: whether the file is complete, cut or damaged.
        ticks: ticks in it.
        verdict: who is to blame for lost time, in words.
        findings: in the order of the checks.
        timing: of the whole recording.
    """

    path: str
    label: str
    status: str
    ticks: int
    verdict: str
    findings: tuple[Finding, ...]
    timing: Timing

    @property
    def passed(self) -> bool:
        """No hard failure."""
        return all(finding.severity != FAIL for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; what was never measured is null."""
        return {"passed": self.passed, **without_nan(asdict(self))}

    def lines(self) -> list[str]:
        """All of it as a table for a person."""
        width = max(len(finding.name) for finding in self.findings)
        rows = [f"{finding.severity:<4}  {finding.name:<{width}}  {finding.text}" for finding in self.findings]
        passed = "fit to learn from" if self.passed else "NOT fit to learn from"
        return [f"{self.path}: {self.ticks} ticks, {self.label}, {self.status}", *rows, self.verdict, passed]


def without_nan(value: Any) -> Any:
    """JSON has no NaN: null instead, at any depth."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check(log: Log) -> CheckReport:
    """Looks at a log from all sides."""
    timing = measure(log)
    if len(log.ticks):
        findings = [finding for look in _CHECKS for finding in look(log, timing)]
    else:
        findings = [*_check_file(log, timing), Finding("ticks", FAIL, 0, "not a single tick")]
    return CheckReport(
        path=str(log.path),
        label=log.label,
        status=log.status,
        ticks=len(log.ticks),
        verdict=_verdict(log, timing),
        findings=tuple(findings),
        timing=timing,
    )


def _check_file(log: Log, timing: Timing) -> Iterator[Finding]:
    severity = {COMPLETE: OK, DAMAGED: FAIL}.get(log.status, WARN)
    yield Finding("file", severity, log.lost_ticks, "; ".join(log.problems) or "complete, all checksums hold")


def _check_order(log: Log, timing: Timing) -> Iterator[Finding]:
    for name in ("mcu_time_us", "state_seq", "host_receive_ns", "tick"):
        back = int((steps(log.ticks, name) <= 0).sum())
        yield Finding(f"order of {name}", FAIL if back else OK, back, f"steps back or standing still: {back}")


def _check_gaps(log: Log, timing: Timing) -> Iterator[Finding]:
    on_link, by_host = gaps(log.ticks)
    periods = len(log.ticks) + on_link + by_host
    yield graded("lost on the link", on_link, periods, "STATEs lost or spoiled on the way", 0.0, 0.01)
    yield graded("skipped by the host", by_host, periods, "STATEs that the host was too late to answer", 0.001)
    recorder = int((steps(log.ticks, "tick") - 1).clip(0).sum()) - timing.skipped
    yield graded("lost by the recorder", max(0, recorder), periods, "ticks that were not recorded", 0.0, 0.01)


def _check_time(log: Log, timing: Timing) -> Iterator[Finding]:
    period_us = 1_000_000 // log.session.rate_hz
    late_us = LATE_SHARE * period_us
    late = int((log.ticks["lateness_us"] > late_us).sum())
    yield graded("late ticks", late, len(log.ticks), f"more than {late_us:.0f} us behind the grid", 0.01)
    expected_us = steps(log.ticks, "state_seq") * period_us
    off = int((np.abs(steps(log.ticks, "mcu_time_us") - expected_us) > MCU_JITTER_US).sum())
    yield graded("robot's clock", off, len(log.ticks), f"periods off by more than {MCU_JITTER_US} us", 0.0)
    slipped = math.ceil(timing.slipped_ms)
    text = f"simulated time lost to a busy host: {timing.slipped_ms:.4g} ms"
    yield Finding("slipped time", WARN if slipped else OK, slipped, text)


def _check_values(log: Log, timing: Timing) -> Iterator[Finding]:
    driven, armed = log.ticks["source"] > 0, log.ticks["mode"] == Mode.ARMED
    unknown = _MAY_BE_NAN | _not_recorded(log)
    for name in _FLOAT_SIGNALS:
        wrong = ~np.isfinite(log.ticks[name])
        if name in _ONLY_DRIVEN:
            wrong &= driven
        if name not in unknown and wrong.any():
            count = int(wrong.sum())
            yield Finding(f"{name} finite", FAIL, count, f"not a number or infinite: {count}, first at {_first(wrong)}")
    for signal in STATE_SIGNALS + HOST_SIGNALS:
        if signal.low is None or signal.high is None:
            continue
        values = log.ticks[signal.name]
        beyond = (values < signal.low) | (values > signal.high)
        if beyond.any():
            yield _beyond(signal, beyond, armed)
        at_end = int(((values == signal.low) | (values == signal.high)).sum())
        if at_end and not signal.name.startswith("applied") and signal.low != 0:
            yield Finding(f"{signal.name} saturated", WARN, at_end, f"at the end of its range: {at_end}")


def _beyond(signal: Signal, beyond: np.ndarray, armed: np.ndarray) -> Finding:
    """A robot that lies on the floor, or is put down hard, before it is armed is no fault of its sensors."""
    count = int(beyond.sum())
    text = f"outside {signal.low:g}..{signal.high:g} {signal.unit}: {count}, first at {_first(beyond)}"
    severity = FAIL if (beyond & armed).any() else WARN
    return Finding(f"{signal.name} range", severity, count, text + ("" if severity == FAIL else "; never while armed"))


def _not_recorded(log: Log) -> set[str]:
    """Signals that the format in which the log was first written did not have."""
    first = log.written_by.get("converted_from_format")
    came_later = {name for name, since in ADDED_IN.items() if isinstance(first, int) and since > first}
    return {*log.layout.missing, *came_later}


def _check_stuck(log: Log, timing: Timing) -> Iterator[Finding]:
    armed = log.ticks["mode"] == Mode.ARMED
    for name in (*NOISY_SENSORS, *QUANTISED_SENSORS):
        longest = longest_repeat(log.ticks[name], armed)
        if longest >= STUCK_S * log.session.rate_hz:
            severity = FAIL if name in NOISY_SENSORS else WARN
            yield Finding(f"{name} stuck", severity, longest, f"the same value on {longest} ticks in a row while armed")


def _check_signs(log: Log, timing: Timing) -> Iterator[Finding]:
    yield from look_at_signs(log.ticks, log.session.rate_hz)


def _check_chain(log: Log, timing: Timing) -> Iterator[Finding]:
    yield from look_at_chain(log.ticks, log.session.rate_hz, made_on_board(log.session.controller))


def _check_rejected(log: Log, timing: Timing) -> Iterator[Finding]:
    rejected = int(steps(log.ticks, "rejected").clip(0).sum())
    yield graded("rejected commands", rejected, len(log.ticks), "commands that the robot rejected", 0.0, 0.05)


def _check_stops(log: Log, timing: Timing) -> Iterator[Finding]:
    faults = Fault(int(np.bitwise_or.reduce(log.ticks["faults"][log.ticks["mode"] != Mode.DISARMED], initial=0)))
    stopped = int(np.isin(log.ticks["mode"], (Mode.STOPPED, Mode.ESTOPPED)).sum())
    names = ", ".join(fault.name or "" for fault in faults) or "none"
    severity = WARN if stopped and log.label != UNDESIRABLE else OK
    yield Finding("stops", severity, stopped, f"ticks while stopped: {stopped}; faults: {names}")


_CHECKS: Final[tuple[Callable[[Log, Timing], Iterator[Finding]], ...]] = (
    _check_file,
    _check_order,
    _check_gaps,
    _check_time,
    _check_values,
    _check_stuck,
    _check_signs,
    _check_chain,
    _check_rejected,
    _check_stops,
)


def _first(where: np.ndarray) -> str:
    return f"tick {int(np.argmax(where))}"


def _verdict(log: Log, timing: Timing) -> str:
    if not len(log.ticks):
        return "nothing was recorded"
    on_link, by_host = gaps(log.ticks)
    slow = timing.lateness_us.p99 > LATE_SHARE * 1e6 / log.session.rate_hz
    parts = []
    if by_host or timing.slipped_ms or slow:
        parts.append(
            f"a busy host, not the stack: {by_host} periods skipped, {timing.slipped_ms:.4g} ms slipped in simulation, "
            f"lateness p99 {timing.lateness_us.p99:.0f} us"
        )
    if on_link:
        parts.append(f"a bad link: {on_link} STATEs lost on it")
    return "; ".join(parts) or "time was kept: no period lost, none slipped"
