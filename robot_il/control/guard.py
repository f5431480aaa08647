"""From one STATE to one pair of wheel torques: checks, the controller in charge, limits, yaw hold.

``Guard.decide`` is a function of the STATEs and loop inputs it has been given so far and of nothing else: no clock, no
I/O. That is what makes a recorded run recomputable bit for bit.
"""

from __future__ import annotations

import enum
import math
from typing import NamedTuple

from robot_il.control.controllers import Controller
from robot_il.control.device import State
from robot_il.control.plausible import implausible_signal
from robot_il.control.region_heights import Regions
from robot_il.control.shaping import GuardLimits, TorqueShaper, limits_for
from robot_il.control.supervisor import Reason, Supervisor, SupervisorEvent, SupervisorState
from robot_il.spec import CONTROL_RATE_HZ, Mode

__all__ = [
    "LOST_REPEATS_S", "NO_INPUT", "Decision", "Guard", "GuardLimits", "LoopInput", "implausible_signal", "limits_for",
]  # fmt: skip

_S, _E = SupervisorState, SupervisorEvent
_NONE, _CONTROLLER, _FALLBACK = 0, 1, 2
LOST_REPEATS_S = 0.05
"""Time of STATEs in a row that are no newer than the one before, after which nothing is known of the robot any more."""
_EXCUSED = (_E.OBSERVATION_STALE, _E.OBSERVATION_REPEATED, _E.OPERATOR_SILENT)
"""Not the controller's fault: it gets the robot back as often as that happens."""
_RESCUES = (_E.REGION_LEFT, _E.CONTROLLER_LATE)
"""The controller's fault: it gets the robot back ``max_rescues`` times."""
_STOPS = Reason.STOP_REQUESTED | Reason.OPERATOR_LOST


class LoopInput(enum.IntFlag):
    """What only the loop can know, told to the guard with a STATE; bits of the ``inputs`` signal."""

    ARM_REQUESTED = 1 << 0
    ARM_REFUSED = 1 << 1
    OBSERVATION_STALE = 1 << 2
    OBSERVATION_LOST = 1 << 3
    CONTROLLER_SLOW = 1 << 4
    STOP_REQUESTED = 1 << 5
    CONTROLLER_LATE = 1 << 6
    OPERATOR_SILENT = 1 << 7
    OPERATOR_LOST = 1 << 8


NO_INPUT = LoopInput(0)


class Decision(NamedTuple):
    """What the guard makes of one STATE.

    Attributes:
        drive: whether a COMMAND answers this STATE.
        request: ``arm``, ``disarm`` or None: what else to send.
        intent: operator's torque in N m, NaN without one.
        controller_torque: total torque in N m asked for by whoever is in charge.
        limited_torque: total torque in N m after the limits.
        left: left wheel torque in N m.
        right: right wheel torque in N m.
        source: 0 none, 1 controller, 2 fallback.
        margin: of the STATE to the edge of what the fallback can catch: 1 at rest, 0 at the edge; NaN without a region.
    """

    drive: bool
    request: str | None
    intent: float
    controller_torque: float
    limited_torque: float
    left: float
    right: float
    source: int
    margin: float = math.nan


class Guard:
    """Joins a controller, a fallback and the supervisor.

    Args:
        controller: who drives while all is well.
        fallback: who catches the robot when it is not; also brings it to rest before a safe stop.
        limits: the host's limits.
        region: from which the fallback can catch the robot; without one, a bound on the predicted lean stands for it.
        rate_hz: of the STATEs.
    """

    def __init__(
        self,
        controller: Controller,
        fallback: Controller,
        limits: GuardLimits | None = None,
        region: Regions | None = None,
        rate_hz: int = CONTROL_RATE_HZ,
    ) -> None:
        self.supervisor = Supervisor()
        self.controller = controller
        self.fallback = fallback
        self.limits = limits or GuardLimits()
        self.region = region
        self.rate_hz = rate_hz
        self.failure = ""
        """What the controller did wrong, for the log."""
        self._shaper = TorqueShaper(self.limits, rate_hz)
        self._newest: tuple[int, int] | None = None
        self._repeats = 0
        self._margin = math.nan
        self._start()

    def _start(self) -> None:
        self.controller.reset()
        self.fallback.reset()
        self._shaper.reset()
        self._calm_ticks = 0
        self._settle_ticks = 0
        self._rescues = 0
        self._returnable = False

    def decide(self, state: State, inputs: LoopInput = NO_INPUT, yaw_rate_wanted: float = 0.0) -> Decision:
        """Judges one STATE and says what to send in answer.

        Args:
            state: the newest STATE.
            inputs: what the loop noticed since the last one.
            yaw_rate_wanted: how fast the robot is to turn while the controller is in charge, in rad/s, left positive;
                0 holds the heading.

        Returns:
            torques that are finite and within the limits, whatever the controller did.
        """
        self._margin = self.region.margin(state) if self.region is not None else math.nan
        self._take_inputs(inputs)
        self._check(state)
        current = self.supervisor.state
        if current is _S.RUNNING:
            torque = self._ask_controller(state)
            if torque is not None:
                return self._drive(state, torque, _CONTROLLER, yaw_rate_wanted)
            current = self.supervisor.state
        if current is _S.FALLBACK:
            return self._drive(state, self.fallback.torque(state), _FALLBACK)
        if current is _S.SAFE_STOP:
            self._shaper.last_nm = 0.0
            drive = state.mode == Mode.ARMED
            return Decision(drive, "disarm", math.nan, 0.0, 0.0, 0.0, 0.0, _NONE, self._margin)
        request = "arm" if current is _S.ARMING else None
        return Decision(False, request, math.nan, 0.0, 0.0, 0.0, 0.0, _NONE, self._margin)

    def _take_inputs(self, inputs: LoopInput) -> None:
        if not inputs:
            return
        for bit in LoopInput:
            if inputs & bit and bit.name is not None:
                self.handle(SupervisorEvent[bit.name])

    def handle(self, event: SupervisorEvent) -> None:
        """Applies one event, and the bookkeeping that goes with a change of hands."""
        before, stopping = self.supervisor.state, self.stopping
        if not self.supervisor.handle(event):
            return
        if event is _E.ARM_REQUESTED:
            self._start()
        if self.supervisor.state is _S.FALLBACK:
            if before is not _S.FALLBACK:
                self.fallback.reset()
                self._returnable = True
            if not stopping:
                self._settle_ticks = 0
            self._calm_ticks = 0
            self._rescues += event in _RESCUES
            forgiven = event in _RESCUES and self._rescues <= self.limits.max_rescues
            self._returnable = self._returnable and (forgiven or event in _EXCUSED)

    def _check(self, state: State) -> None:
        """Turns what the STATE shows into events."""
        if state.mode == Mode.ARMED:
            self.handle(_E.MCU_ARMED)
        elif self.supervisor.state is not _S.ARMING:
            disarming = self.supervisor.state is _S.SAFE_STOP and state.mode == Mode.DISARMED
            self.handle(_E.MCU_DISARMED if disarming else _E.MCU_STOPPED)
        self._watch_for_repeats(state)
        if self.supervisor.state not in (_S.ARMING, _S.RUNNING, _S.FALLBACK):
            return
        if implausible_signal(state) is not None:
            self.handle(_E.OBSERVATION_INVALID)
        elif abs(state.pitch) > self.limits.tilt_rad:
            self.handle(_E.TILT_EXCEEDED)
        else:
            self._watch_region(state)

    def _watch_for_repeats(self, state: State) -> None:
        """A STATE that is no newer than the last one says nothing of the robot, however punctual it comes."""
        newest, self._newest = self._newest, (state.mcu_time_us, state.state_seq)
        if newest is None or (state.mcu_time_us > newest[0] and state.state_seq != newest[1]):
            self._repeats = 0
            return
        self._repeats += 1
        self.handle(_E.OBSERVATION_LOST if self._repeats > LOST_REPEATS_S * self.rate_hz else _E.OBSERVATION_REPEATED)

    def _watch_region(self, state: State) -> None:
        near_edge, calm = self._judge(state)
        if self.supervisor.state is _S.RUNNING:
            if near_edge:
                self.handle(_E.REGION_LEFT)
        elif self.supervisor.state is _S.FALLBACK:
            self._calm_ticks = self._calm_ticks + 1 if calm else 0
            if self._returnable and self._calm_ticks >= self.limits.regain_s * self.rate_hz:
                self.handle(_E.REGION_REGAINED)
            elif self.stopping:
                self._settle(state)

    def _judge(self, state: State) -> tuple[bool, bool]:
        """Whether the fallback had better take over now, and whether the robot is calm."""
        limits = self.limits
        if self.region is None or math.isinf(limits.switch_tilt_rad):
            lean = abs(state.pitch + limits.lookahead_s * state.pitch_rate)
            return max(lean, abs(state.pitch)) > limits.switch_tilt_rad, lean < 0.5 * limits.switch_tilt_rad
        margin = self.region.margin_ahead(state, self._shaper.last_nm)
        return margin < limits.switch_margin, margin > limits.regain_margin

    @property
    def controller_trusted(self) -> bool:
        """Whether the controller drives, or will again once the robot is calm."""
        return self.supervisor.state is _S.RUNNING or (self.supervisor.state is _S.FALLBACK and self._returnable)

    @property
    def stopping(self) -> bool:
        """Whether the fallback is bringing the robot to rest for good."""
        return bool(self.supervisor.reasons & _STOPS)

    def _settle(self, state: State) -> None:
        self._settle_ticks += 1
        at_rest = abs(state.velocity) < 0.05 and abs(state.pitch) < 0.05 and abs(state.pitch_rate) < 0.2
        if at_rest or self._settle_ticks > self.limits.settle_s * self.rate_hz:
            self.handle(_E.SETTLED)

    def _ask_controller(self, state: State) -> float | None:
        """The controller's torque in N m; None, and the fallback in charge, where it failed."""
        try:
            torque = float(self.controller.torque(state))
            self.failure = "" if math.isfinite(torque) else f"the controller's torque is {torque}"
        except Exception as error:  # whatever a controller raises, the robot must be caught
            self.failure = f"the controller raised {type(error).__name__}: {error}"
        if not self.failure:
            return torque
        self.handle(_E.CONTROLLER_FAILED)
        return None

    def _drive(self, state: State, torque: float, source: int, yaw_rate_wanted: float = 0.0) -> Decision:
        limited = self._shaper.limit(torque)
        left, right = self._shaper.split(state.yaw, state.yaw_rate, limited, yaw_rate_wanted)
        intent = self.controller.intent if source == _CONTROLLER else math.nan
        return Decision(True, None, intent, torque, limited, left, right, source, self._margin)
