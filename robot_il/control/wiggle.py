"""The first meeting with a robot: is each motor where we think, does it turn the way we think, do the sensors agree?

One swapped cable or flipped sign turns every controller into one that throws the robot over. So before a robot is
driven for the first time, each wheel is nudged by itself, and what the sensors say of it compared with what was asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from robot_il.control.arming import Check, felt_pitch
from robot_il.control.clock import Clock
from robot_il.control.device import Device, State
from robot_il.errors import LinkError
from robot_il.robot import Robot
from robot_il.spec import CONTROL_PERIOD_S, CONTROL_RATE_HZ, Mode

LARGEST_NUDGE_NM = 0.4
FRICTION_MARGIN = 4.0
"""On the friction in the profile: a robot may have twice as much, and drives that give less than they are asked for."""
NUDGE_TICKS = 16
REST_TICKS = 8
LEAST_TURN_RAD_S = 0.3
"""A wheel that was nudged turns at least so much faster than the other one, which turns too as the robot tips over."""
AS_THE_FIRST = 0.6
"""Share of what the first wheel did that the second has to do: the first one, coasting, lags behind a dead one too."""
APPLIED_SHARE = 0.5
"""Share of the nudge that the MCU must report to have demanded of that drive."""
LEAST_TIP_RAD = 0.1
TIP_MISMATCH_SHARE = 0.2
"""Largest disagreement of the summed gyro with the tilt that the accelerometer sees, as a share of it."""
STILL_TICKS = 40
STILL_RAD_S = 0.1
ARM_PATIENCE_S = 5
SILENCE_NS = 200_000_000
_SIDES = ("left", "right")


def nudge_nm(robot: Robot) -> float:
    """Torque that turns one wheel of a robot far enough to be seen, in the air as on the floor, and hardly farther.

    Enough to break its friction and to give twice ``LEAST_TURN_RAD_S``, within the nudge, to a wheel that half of the
    robot rests on; a light robot would be thrown by what a heavy one needs.
    """
    pendulum = robot.pendulum
    rolling_kg_m2 = 0.5 * (
        robot.mass_kg * pendulum.wheel_radius_m**2 + pendulum.wheel_inertia_kg_m2 + pendulum.rotor_inertia_kg_m2
    )
    turning_nm = rolling_kg_m2 * 2.0 * LEAST_TURN_RAD_S / (NUDGE_TICKS * CONTROL_PERIOD_S)
    return min(
        FRICTION_MARGIN * robot.drive.coulomb_friction_nm + turning_nm, LARGEST_NUDGE_NM, robot.drive.torque_limit_nm
    )


class Nudges(NamedTuple):
    """The STATEs from each wheel's first command on, ``NUDGE_TICKS + REST_TICKS`` of them."""

    left: list[State]
    right: list[State]


def nudge(device: Device, clock: Clock, torque_nm: float, watch: Callable[[], None] = lambda: None) -> Nudges:
    """Arms, nudges the left wheel forward, then the right one, and disarms; takes a quarter of a second.

    Args:
        device: opened.
        clock: of the device's deadlines.
        torque_nm: of each nudge, see ``nudge_nm``.
        watch: called after every STATE; what it raises ends the nudge, disarmed.

    Raises:
        LinkError: the robot fell silent, or did not arm.
    """
    watched = _Watched(device, clock, watch)
    try:
        _arm(watched)
        return Nudges(_nudge_one(watched, 0, torque_nm), _nudge_one(watched, 1, torque_nm))
    finally:
        device.request("disarm")


class _Watched(NamedTuple):
    """A device whose every STATE somebody looks at."""

    device: Device
    clock: Clock
    watch: Callable[[], None]

    def next(self) -> State:
        state = _next(self.device, self.clock)
        self.watch()
        return state


def _next(device: Device, clock: Clock) -> State:
    state = device.read(clock.now_ns() + SILENCE_NS)
    if state is None:
        raise LinkError("a STATE every 5 ms", f"none for {SILENCE_NS // 1_000_000} ms", "check the robot's cable")
    return state


def _arm(watched: _Watched) -> None:
    for tick in range(ARM_PATIENCE_S * CONTROL_RATE_HZ):
        if watched.next().mode == Mode.ARMED:
            return
        if tick % 10 == 0:
            watched.device.request("arm")
    raise LinkError(f"the MCU to arm within {ARM_PATIENCE_S} s", "it did not", "hold the robot upright and still")


def _nudge_one(watched: _Watched, side: int, torque_nm: float) -> list[State]:
    torques = [0.0, 0.0]
    states = []
    for tick in range(NUDGE_TICKS + REST_TICKS):
        torques[side] = torque_nm if tick < NUDGE_TICKS else 0.0
        states.append(watched.next())
        watched.device.write(*torques)
    return states


def judge(nudges: Nudges, torque_nm: float) -> list[Check]:
    """One line for each wheel; of the accelerometer the arming checklist has one.

    Args:
        nudges: what was seen.
        torque_nm: that was asked for.
    """
    first = _judge_wheel(nudges.left, 0, torque_nm, LEAST_TURN_RAD_S)
    own, other = (_largest_change(nudges.left, f"wheel_velocity_{name}") for name in _SIDES)
    least = max(LEAST_TURN_RAD_S, AS_THE_FIRST * (own - other))
    return [first, _judge_wheel(nudges.right, 1, torque_nm, least)]


def _judge_wheel(states: Sequence[State], side: int, torque_nm: float, least_rad_s: float) -> Check:
    turns = [_largest_change(states, f"wheel_velocity_{name}") for name in _SIDES]
    applied = max(getattr(state, f"applied_{_SIDES[side]}") for state in states)
    own, other = turns[side], turns[1 - side]
    found = f"{own:+.2f} rad/s for {torque_nm:.3g} N m, the other wheel {other:+.2f}"
    if applied < APPLIED_SHARE * torque_nm:
        remedy = f"the MCU demanded only {applied:.3g} N m of this drive: look for a limit that was set"
    elif abs(own - other) < least_rad_s:  # both go where the robot tips, and neither where it was driven
        remedy = "free the wheel, and check its drive, its encoder and their cables"
    elif abs(other) > abs(own):
        remedy = "the other wheel turned: swap the two drives, or their encoders, in the firmware's board file"
    else:
        remedy = (
            "it turned, or seemed to turn, backwards: flip the sign of its drive or its encoder in the board file, "
            "or swap the two drives where it was the other wheel that moved"
        )
    return Check(f"{_SIDES[side]} wheel", own - other >= least_rad_s, found, remedy)


def _largest_change(states: Sequence[State], name: str) -> float:
    values = np.array([getattr(state, name) for state in states])
    change = values - values[0]
    return float(change[np.argmax(np.abs(change))])


class Tip(NamedTuple):
    """The robot was tipped forward by hand.

    Attributes:
        felt_rad: change of the direction of gravity between two still moments.
        turned_rad: the gyro's rate summed between them.
    """

    felt_rad: float
    turned_rad: float


def watch_tip(device: Device, clock: Clock, patience_s: float) -> Tip | None:
    """Waits until the robot, still so far, has been tipped and held still again; None where it was not.

    Args:
        device: disarmed.
        clock: of its deadlines.
        patience_s: longest wait, in s.

    Raises:
        LinkError: the robot fell silent.
    """
    recent: deque[State] = deque(maxlen=STILL_TICKS)
    start: float | None = None
    turned, last = 0.0, _next(device, clock)
    for _ in range(round(patience_s * CONTROL_RATE_HZ)):
        state = _next(device, clock)
        elapsed_s = (state.mcu_time_us - last.mcu_time_us) * 1e-6
        turned += 0.5 * (state.pitch_rate + last.pitch_rate) * elapsed_s  # trapezoidal rule
        last = state
        recent.append(state)
        if len(recent) < STILL_TICKS or max(abs(one.pitch_rate) for one in recent) > STILL_RAD_S:
            continue
        if start is None:
            start, turned = felt_pitch(recent), 0.0
        elif abs(felt_pitch(recent) - start) >= LEAST_TIP_RAD:
            return Tip(felt_pitch(recent) - start, turned)
    return None


def judge_tip(tip: Tip | None) -> Check:
    """Whether accelerometer and gyro both saw the robot tip forward, and by the same angle."""
    if tip is None:
        remedy = f"tip the robot forward by {LEAST_TIP_RAD} to 0.5 rad, slowly, and hold it still there for a second"
        return Check("gyro", False, "it was not tipped", remedy)
    found = f"tipped by {tip.felt_rad:+.3f} rad, gyro {tip.turned_rad:+.3f} rad"
    if tip.felt_rad < 0:
        return Check("gyro", False, found, "it was tipped backwards, or the accelerometer's x axis has the wrong sign")
    agree = abs(tip.turned_rad - tip.felt_rad) <= TIP_MISMATCH_SHARE * tip.felt_rad
    return Check("gyro", agree, found, "check sign, axis and scale of the gyro in the firmware's board file")
