"""The host's state machine: who may drive, decided by events alone.

The MCU enforces the hard limits on its own; this machine decides, above them, whether the controller, the LQR fallback
or nobody answers the next STATE. It is a table, so that a test can walk every state with every event.
"""

from __future__ import annotations

import enum


class SupervisorState(enum.IntEnum):
    """Who is in charge; the ``supervisor`` signal of a tick."""

    DISARMED = 0
    ARMING = 1
    RUNNING = 2
    FALLBACK = 3
    SAFE_STOP = 4
    """Zero torque and DISARM until the MCU confirms."""
    FAULT = 5
    """The MCU stopped by itself, or the link is gone; nothing more is sent."""


class SupervisorEvent(enum.Enum):
    """Everything that can change who is in charge."""

    ARM_REQUESTED = "arm requested"
    MCU_ARMED = "the MCU reports armed"
    ARM_REFUSED = "the MCU did not arm in time"
    CONTROLLER_FAILED = "the controller raised or gave a non-finite torque"
    CONTROLLER_SLOW = "the controller missed its deadline too often"
    CONTROLLER_LATE = "one answer of the controller took longer than 3 periods"
    REGION_LEFT = "the robot neared the edge of what the fallback can catch"
    REGION_REGAINED = "the robot has been far from the edge for long enough"
    OBSERVATION_INVALID = "a signal is not finite or outside its plausible range"
    OBSERVATION_REPEATED = "a STATE that is no newer than the last one"
    OBSERVATION_STALE = "no STATE for more than 3 periods"
    OBSERVATION_LOST = "no STATE for more than 10 periods"
    OPERATOR_SILENT = "nothing heard from the operator for 150 ms"
    OPERATOR_LOST = "nothing heard from the operator for 500 ms"
    STOP_REQUESTED = "a stop was requested"
    SETTLED = "the robot stands still, or took too long to"
    TILT_EXCEEDED = "the lean is beyond the host's limit"
    MCU_STOPPED = "the MCU left the armed mode by itself"
    MCU_DISARMED = "the MCU reports disarmed"
    LINK_LOST = "the link is gone"


_S, _E = SupervisorState, SupervisorEvent
_DRIVING = (_S.RUNNING, _S.FALLBACK)
_ACTIVE = (_S.ARMING, *_DRIVING)

TRANSITIONS: dict[tuple[SupervisorState, SupervisorEvent], SupervisorState] = {
    (_S.DISARMED, _E.ARM_REQUESTED): _S.ARMING,
    (_S.ARMING, _E.MCU_ARMED): _S.RUNNING,
    (_S.ARMING, _E.ARM_REFUSED): _S.SAFE_STOP,
    (_S.ARMING, _E.STOP_REQUESTED): _S.SAFE_STOP,
    (_S.ARMING, _E.OBSERVATION_STALE): _S.SAFE_STOP,
    (_S.ARMING, _E.OBSERVATION_REPEATED): _S.SAFE_STOP,
    (_S.ARMING, _E.OPERATOR_LOST): _S.SAFE_STOP,
    (_S.RUNNING, _E.CONTROLLER_FAILED): _S.FALLBACK,
    (_S.RUNNING, _E.CONTROLLER_SLOW): _S.FALLBACK,
    (_S.RUNNING, _E.CONTROLLER_LATE): _S.FALLBACK,
    (_S.RUNNING, _E.REGION_LEFT): _S.FALLBACK,
    (_S.RUNNING, _E.OBSERVATION_STALE): _S.FALLBACK,
    **{(state, _E.OBSERVATION_REPEATED): _S.FALLBACK for state in _DRIVING},
    **{(state, _E.OPERATOR_SILENT): _S.FALLBACK for state in _DRIVING},
    **{(state, _E.OPERATOR_LOST): _S.FALLBACK for state in _DRIVING},
    **{(state, _E.STOP_REQUESTED): _S.FALLBACK for state in _DRIVING},
    (_S.FALLBACK, _E.REGION_REGAINED): _S.RUNNING,
    (_S.FALLBACK, _E.SETTLED): _S.SAFE_STOP,
    (_S.SAFE_STOP, _E.MCU_DISARMED): _S.DISARMED,
    (_S.SAFE_STOP, _E.MCU_STOPPED): _S.FAULT,
    **{(state, _E.OBSERVATION_INVALID): _S.SAFE_STOP for state in _ACTIVE},
    **{(state, _E.OBSERVATION_LOST): _S.SAFE_STOP for state in _ACTIVE},
    **{(state, _E.TILT_EXCEEDED): _S.SAFE_STOP for state in _ACTIVE},
    **{(state, _E.MCU_STOPPED): _S.FAULT for state in _ACTIVE},
    **{(state, _E.LINK_LOST): _S.FAULT for state in _S},
}
"""(state, event) -> next state; a pair that is not listed changes nothing."""


class Reason(enum.IntFlag):
    """Why the controller is not in charge; bits of the ``reasons`` signal, kept until the next arming."""

    CONTROLLER_FAILED = 1 << 0
    CONTROLLER_SLOW = 1 << 1
    REGION_LEFT = 1 << 2
    OBSERVATION_INVALID = 1 << 3
    OBSERVATION_STALE = 1 << 4
    OBSERVATION_LOST = 1 << 5
    STOP_REQUESTED = 1 << 6
    TILT_EXCEEDED = 1 << 7
    MCU_STOPPED = 1 << 8
    LINK_LOST = 1 << 9
    ARM_REFUSED = 1 << 10
    CONTROLLER_LATE = 1 << 11
    OBSERVATION_REPEATED = 1 << 12
    OPERATOR_SILENT = 1 << 13
    OPERATOR_LOST = 1 << 14


class Supervisor:
    """Holds the state and the reasons; nothing else assigns either."""

    def __init__(self) -> None:
        self.state = SupervisorState.DISARMED
        self.reasons = Reason(0)

    def handle(self, event: SupervisorEvent) -> bool:
        """Applies one event; True where the table lists it for the present state."""
        following = TRANSITIONS.get((self.state, event))
        if following is None:
            return False
        if event is SupervisorEvent.ARM_REQUESTED:
            self.reasons = Reason(0)
        elif event.name in Reason.__members__:
            self.reasons |= Reason[event.name]
        self.state = following
        return True
