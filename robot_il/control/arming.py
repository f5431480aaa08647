"""The checklist before the wheels may turn: every reason at once, each with its remedy."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_il.control.controllers import Controller
from robot_il.control.device import Identity, State
from robot_il.control.guard import implausible_signal
from robot_il.control.loop import Arrival
from robot_il.control.region_heights import Regions
from robot_il.errors import ArmingError
from robot_il.spec import LIMITS, SPEC_HASH, Fault, Mode

OBSERVED_S = 0.2
ROUND_TRIP_LIMIT_S = 0.010
LOST_SHARE = 0.1
CLOCK_DRIFT_LIMIT = 0.002
"""Share by which the robot's clock may be faster or slower than the host's; two crystals differ by a tenth of it at
most, the rest is what 0.2 s of arrivals leave unknown."""
RESTLESS_RAD_S = 1.0
GRAVITY_M_S2 = 9.81
GRAVITY_TOLERANCE_M_S2 = 1.5
GRAVITY_MISMATCH_RAD = 0.05
"""Largest disagreement of pitch with the direction of gravity while the robot is held; after a tumble the estimate
takes some seconds to come back, and until then would make the robot roll away."""
FREE_DISK_BYTES = 100_000_000
LATE_SHARE = 0.5
"""Share of a period that nine in ten STATEs, and answers to them, may be late by and take."""
_ALIVE = ("pitch_rate", "accel_x", "accel_z")


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


def checklist(
    identity: Identity, arrivals: Sequence[Arrival], log_folder: Path | None, region: Regions | None = None
) -> list[Check]:
    """Judges the link, the sensors and the robot's pose from the STATEs of the last moments.

    Args:
        identity: from ``Device.open``.
        arrivals: STATEs read without answering them; ``OBSERVED_S`` of them were asked for.
        log_folder: where the log goes; None where nothing is logged.
        region: from which the fallback can catch the robot; None where it has to do without.
    """
    states = [arrival.state for arrival in arrivals]
    checks = [
        Check("firmware", True, f"{identity.firmware_version}, spec {SPEC_HASH[:12]} as here", ""),
        Check(
            "link round trip",
            identity.round_trip_s <= ROUND_TRIP_LIMIT_S,
            f"{identity.round_trip_s * 1e3:.1f} ms",
            "set the port to low latency, use a shorter cable, or stop what else loads this machine",
        ),
        _check_rate(states, identity.rate_hz),
    ]
    if len(arrivals) > 1:
        checks += [_check_clock(arrivals), *_check_robot(states), *_check_inertial(states)]
        if region is not None:
            checks += [_check_height(states, region), _check_region(states, region)]
    if log_folder is not None:
        free = shutil.disk_usage(log_folder).free
        checks.append(
            Check("free disk", free >= FREE_DISK_BYTES, f"{free / 1e6:.0f} MB in {log_folder}", "free 100 MB there")
        )
    return checks


def _check_rate(states: Sequence[State], rate_hz: int) -> Check:
    remedy = f"check that the firmware runs and the link carries {0.12 * rate_hz:.0f} kB/s"
    wanted = round(OBSERVED_S * rate_hz)
    if len(states) < wanted:
        return Check("state rate", False, f"{len(states)} STATEs of {wanted}", remedy)
    missing = states[-1].state_seq - states[0].state_seq + 1 - len(states)
    span_us = states[-1].mcu_time_us - states[0].mcu_time_us
    period_ms = span_us / 1e3 / max(1, states[-1].state_seq - states[0].state_seq)
    right = abs(period_ms - 1e3 / rate_hz) < 0.01 and missing <= LOST_SHARE * len(states)
    return Check("state rate", right, f"one per {period_ms:.2f} ms, {missing} lost", remedy)


def _check_clock(arrivals: Sequence[Arrival]) -> Check:
    """The least delayed arrivals of either half tell how far the clocks moved apart meanwhile."""
    behind_ns = np.array([arrival.receive_ns - 1000 * arrival.state.mcu_time_us for arrival in arrivals])
    middle = len(behind_ns) // 2
    first, second = int(np.argmin(behind_ns[:middle])), middle + int(np.argmin(behind_ns[middle:]))
    span_ns = max(1, arrivals[second].receive_ns - arrivals[first].receive_ns)
    drift = float(behind_ns[second] - behind_ns[first]) / span_ns
    return Check(
        "robot's clock",
        abs(drift) <= CLOCK_DRIFT_LIMIT,
        f"{drift * 1e6:+.0f} ppm against this host's",
        "check the firmware's tick; of a twin: stop what else loads this machine",
    )


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


def felt_pitch(states: Sequence[State]) -> float:
    """Pitch in rad that the direction of gravity gives, for a robot that is held still."""
    return math.atan2(-np.mean([state.accel_x for state in states]), np.mean([state.accel_z for state in states]))


def _check_inertial(states: Sequence[State]) -> list[Check]:
    """A live sensor has noise, and of a robot that is held it feels gravity, where its pitch says down is."""
    still = [name for name in _ALIVE if len({getattr(state, name) for state in states}) == 1]
    force = math.hypot(*(float(np.mean([getattr(state, name) for state in states])) for name in ("accel_x", "accel_z")))
    felt, said = felt_pitch(states), float(np.mean([state.pitch for state in states]))
    right = abs(force - GRAVITY_M_S2) <= GRAVITY_TOLERANCE_M_S2 and abs(felt - said) <= GRAVITY_MISMATCH_RAD
    return [
        Check("inertial sensor alive", not still, f"constant: {', '.join(still) or 'nothing'}", "restart the robot"),
        Check(
            "gravity",
            right,
            f"{force:.2f} m/s^2 from {felt:+.3f} rad, pitch {said:+.3f} rad",
            "hold the robot still; check scale, axes and signs of the accelerometer in the firmware's board file",
        ),
    ]


def _check_height(states: Sequence[State], region: Regions) -> Check:
    """Both law and region go with the height; where the board was not told of it, neither is right."""
    unknown = [state.height for state in states if not region.at(state.height)]
    low, high = region.heights_m[0], region.heights_m[-1]
    return Check(
        "leg height",
        not unknown,
        f"base {(unknown or [states[-1].height])[0]:.3f} m above the axle, known from {low:.3f} to {high:.3f} m",
        "give the firmware's board the heights that robot-il robot show prints",
    )


def _check_region(states: Sequence[State], region: Regions) -> Check:
    """Every STATE counts: whoever holds the robot must hold it where it can be caught, and not just pass through."""
    margins = [region.margin(state) for state in states]
    return Check(
        "inside the region",
        all(margin >= 0.0 for margin in margins),
        f"margin {min(margins):+.2f}, 1 at rest and 0 at the edge of what the fallback can catch",
        f"hold the robot upright and still, within {region.at_rest_rad:.2f} rad",
    )


def check_timing(
    arrivals: Sequence[Arrival], lateness_us: Sequence[float], controller: Controller, rate_hz: int
) -> Check:
    """Whether this machine keeps up: how late STATEs come, and how long the controller takes over them.

    Args:
        arrivals: STATEs read without answering them.
        lateness_us: of the same against the loop's grid.
        controller: asked for an answer to each, which nobody sends; forgets them again.
        rate_hz: of the loop.
    """
    remedy = "stop what else loads this machine, see robot-il doctor, or use a smaller network or a lower --rate"
    answers_us = []
    try:
        for arrival in arrivals:
            start_ns = time.perf_counter_ns()
            controller.torque(arrival.state)
            answers_us.append((time.perf_counter_ns() - start_ns) / 1000.0)
    except Exception as error:  # whatever a controller raises is a reason not to let it drive
        return Check("loop timing", False, f"the controller raised {type(error).__name__}: {error}", "mend it")
    controller.reset()
    late_us, slow_us = (float(np.percentile(values or [0.0], 90)) for values in (list(lateness_us), answers_us))
    limit_us = LATE_SHARE * 1e6 / rate_hz
    return Check(
        "loop timing",
        late_us <= limit_us and slow_us <= limit_us,
        f"9 in 10 STATEs at most {late_us:.0f} us late, answers within {slow_us:.0f} us; {limit_us:.0f} are allowed",
        remedy,
    )


def check_log(failure: str) -> Check:
    """Whether the recorder runs.

    Args:
        failure: what stopped it; empty while it runs.
    """
    return Check("log running", not failure, failure or "yes", "see to that and start again; nothing drives unrecorded")


def check_self_test(pairs: int, largest: float, tolerance: float) -> Check:
    """Whether a policy still gives the answers that its file carries.

    Args:
        pairs: recorded inputs that were evaluated again.
        largest: largest difference of an answer, as a share of the action's range.
        tolerance: that is allowed.
    """
    found = f"{pairs} recorded answers, off by at most {largest:.1e} of the range"
    return Check("policy self test", largest <= tolerance, found, "export the policy again on this machine")


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
