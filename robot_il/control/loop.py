"""The one control loop, for the LQR, the operator and a policy, on the robot and on its twin.

Ticks are driven by arriving STATEs: read, decide, write, then publish the tick. The host's absolute grid only notices
what did not arrive in time. Nothing here knows whether the device or the clock is real.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from robot_il.control.clock import ArrivalGrid, Clock
from robot_il.control.device import Device, State
from robot_il.control.guard import NO_INPUT, Decision, Guard, LoopInput
from robot_il.control.operator import Operator
from robot_il.control.posture import Course, Wish, height_to_send
from robot_il.control.sink import NullSink, Sink
from robot_il.control.supervisor import SupervisorEvent, SupervisorState
from robot_il.control.tick_row import pack_tick
from robot_il.errors import LinkError
from robot_il.spec import CONTROL_RATE_HZ, Event, Fault, Reject

STALE_NS = 15_000_000
LOST_NS = 50_000_000
"""Silences that count, at any rate: what matters to a robot that falls is time. At 200 Hz they are 3 and 10 periods."""
SLOW_SHARE = 0.05
"""Share of the answers of the last second that may take longer than half a period before the fallback takes over."""
OPERATOR_SILENT_NS = 150_000_000
OPERATOR_LOST_NS = 500_000_000
ARM_PATIENCE_S = 1
REQUEST_PERIOD_S = 0.05
SILENCE_LIMIT_NS = 1_000_000_000
STOP_PATIENCE_S = 1
"""Given to the MCU to confirm a DISARM."""


class Arrival(NamedTuple):
    """A STATE, and when it was complete on the loop's clock, in ns."""

    state: State
    receive_ns: int


@dataclass
class LoopReport:
    """What one run of the loop was like.

    Attributes:
        outcome: state of the supervisor at the end.
        controlled: ticks answered by the controller.
        rescued: ticks answered by the fallback before the stop was asked for.
        settled: ticks answered by the fallback to bring the robot to rest after that.
        as_asked: whether the run ended when it was asked to, with a controller that was still trusted.
        skipped: grid periods without a STATE.
        misses: ticks on which the answer took longer than half a period.
        lateness_us: arrival of each STATE against the grid, in us.
        latency_us: from STATE complete to COMMAND written, of each answered tick, in us.
        reasons: names of the supervisor's reasons, in words.
    """

    outcome: SupervisorState = SupervisorState.DISARMED
    controlled: int = 0
    rescued: int = 0
    settled: int = 0
    as_asked: bool = False
    skipped: int = 0
    misses: int = 0
    lateness_us: array[float] = field(default_factory=lambda: array("d"))
    latency_us: array[float] = field(default_factory=lambda: array("d"))
    reasons: list[str] = field(default_factory=list)


class ControlLoop:
    """Runs a guard against a device.

    Args:
        device: an opened device.
        clock: the clock that the device's deadlines are on.
        guard: decides what to answer.
        sink: takes the ticks and events.
        on_tick: called after each published tick with the state and the decision; for a live display, must be quick.
        rate_hz: at which the device reports its state.
        course: what the task asks besides torque.
        operator: a person without whom the run must not go on: after 150 ms of silence the fallback holds the robot,
            until they are back; after 500 ms it brings the robot to rest for good. None where nobody is needed.
    """

    def __init__(
        self,
        device: Device,
        clock: Clock,
        guard: Guard,
        sink: Sink | None = None,
        on_tick: Callable[[State, Decision], None] | None = None,
        operator: Operator | None = None,
        rate_hz: int = CONTROL_RATE_HZ,
        course: Course | None = None,
    ) -> None:
        self.guard = guard
        self.report = LoopReport()
        self._device = device
        self._clock = clock
        self._sink = sink or NullSink()
        self._on_tick = on_tick
        self.operator = operator
        self._course = course or Course()
        self._height_asked = self._height = math.nan
        self._rate_hz = rate_hz
        self._period_ns = 1_000_000_000 // rate_hz
        self._grid = ArrivalGrid(self._period_ns)
        self._inputs = NO_INPUT
        self._slow: list[int] = []
        self._last_receive_ns = self._free_ns = clock.now_ns()
        self._announced = NO_INPUT
        self._last_request_tick = -rate_hz
        self._stop = False

    def request_stop(self) -> None:
        """Asks for a safe stop: the fallback brings the robot to rest, then the MCU is disarmed.

        Safe to call from a signal handler.
        """
        self._stop = True

    @property
    def height_m(self) -> float:
        """Where the body was last asked to be in this run, else where it is; NaN before a STATE was read."""
        return self._height if math.isnan(self._height_asked) else self._height_asked

    def ask_height(self, height_m: float) -> float:
        """Raises or lowers the body, for a person who asks: theirs goes before the task's to the end of the run.

        Args:
            height_m: of the body's origin above the axle; a number.

        Returns:
            the nearest height that the legs hold, which is asked for from now on, in m.
        """
        self._height_asked = self._course.within(height_m)
        self._sink.event("height_asked", height_m=self._height_asked)
        return self._height_asked

    def renew(self, guard: Guard, operator: Operator | None, course: Course | None = None) -> None:
        """Makes ready for another run of the same connection; the grid and its count go on.

        Args:
            guard: a new one, disarmed.
            operator: see ``ControlLoop``.
            course: see ``ControlLoop``.
        """
        self.guard = guard
        self.operator = operator
        self._course = course or Course()
        self._height_asked = math.nan
        self._free_ns = self._clock.now_ns()  # what it took to prepare this run was no silence of the link
        self.report = LoopReport()
        self._inputs = NO_INPUT
        self._slow = []
        self._stop = False

    def observe(self, ticks: int) -> list[Arrival]:
        """Logs STATEs without answering them; what the arming checklist looks at.

        Returns:
            the STATEs read, fewer than ``ticks`` where the link stayed silent for longer than 1 s.

        Raises:
            LinkError: the link is gone.
        """
        arrivals: list[Arrival] = []
        while len(arrivals) < ticks:
            state = self._read()
            if state is not None:
                self._tick(state)
                arrivals.append(Arrival(state, self._last_receive_ns))
            elif self._silence_ns() > SILENCE_LIMIT_NS:
                break
        return arrivals

    def run(self, ticks: int) -> LoopReport:
        """Arms, lets the guard drive for ``ticks`` driven ticks, then comes to a safe stop.

        Returns:
            the report; its outcome is DISARMED after a clean run and FAULT where the MCU stopped or the link went away.
        """
        self._inputs |= LoopInput.ARM_REQUESTED
        try:
            self._run(ticks)
        except LinkError as error:
            self.guard.handle(SupervisorEvent.LINK_LOST)
            self._sink.event("link_lost", message=str(error))
        return self._finish()

    def _run(self, ticks: int) -> None:
        waited = 0
        while True:
            state = self._read()
            if state is None:
                if self._silence_ns() > SILENCE_LIMIT_NS:
                    raise LinkError(f"{self._rate_hz} STATEs a second", "none for 1 s", "check power and cable")
                continue
            before = self.guard.supervisor.state
            complete = self.report.controlled + self.report.rescued >= ticks
            if (self._stop or complete) and not self.guard.stopping:
                self._inputs |= LoopInput.STOP_REQUESTED
                self.report.as_asked = self.guard.controller_trusted
            elif before is SupervisorState.ARMING and waited > ARM_PATIENCE_S * self._rate_hz:
                self._inputs |= LoopInput.ARM_REFUSED
            self._tick(state)
            after = self.guard.supervisor.state
            waited = waited + 1 if after is before else 0
            if after in (SupervisorState.DISARMED, SupervisorState.FAULT):
                return
            if after is SupervisorState.SAFE_STOP and waited > STOP_PATIENCE_S * self._rate_hz:
                return

    def _silence_ns(self) -> int:
        return self._clock.now_ns() - self._last_receive_ns

    def _link_silence_ns(self, state: State | None) -> int:
        """How long the link said nothing.

        Where a STATE was read, the time that the loop itself took over its last answer was no silence: what arrived
        meanwhile was waiting. Where none was, it was silent through that time too.
        """
        since_ns = self._last_receive_ns if state is None else max(self._last_receive_ns, self._free_ns)
        return self._clock.now_ns() - since_ns

    def _read(self) -> State | None:
        """The next STATE, or None once it is half a period overdue; tells the guard of staleness."""
        now = self._clock.now_ns()
        overdue = max(self._grid.due_ns(now), now) + self._period_ns // 2
        state = self._device.read(overdue)
        self._allow_for_slips()
        silence_ns = self._link_silence_ns(state)
        if silence_ns > STALE_NS:
            self._notice(LoopInput.OBSERVATION_STALE)
        if silence_ns > LOST_NS:
            newly_lost = self._notice(LoopInput.OBSERVATION_LOST)
            if newly_lost and state is None:
                self._device.request("disarm")
        return state

    def _allow_for_slips(self) -> None:
        """Time that the MCU's clock says it lost was no silence: nothing moved meanwhile."""
        lost_ms = sum(event.value for event in self._device.events if event.event is Event.TIME_SLIPPED)
        if lost_ms > 0.0:
            lost_ns = round(lost_ms * 1e6)
            self._grid.slipped(lost_ns)
            self._last_receive_ns += lost_ns
            self._free_ns += lost_ns
            self._inputs &= ~LoopInput.OBSERVATION_STALE
            self._forward_events()

    def _notice(self, what: LoopInput) -> bool:
        """Hands something to the guard with the next STATE; True, and an event, for the first time in a silence."""
        self._inputs |= what
        if self._announced & what:
            return False
        self._announced |= what
        self._sink.event("observation_late", what=what.name, silence_us=self._silence_ns() // 1000)
        return True

    def _tick(self, state: State) -> None:
        receive_ns = self._clock.now_ns()
        self._last_receive_ns = receive_ns
        self._announced = NO_INPUT
        lateness_us = self._grid.arrived(state.state_seq, receive_ns) / 1000.0
        self._height = state.height
        wish = self._listen(receive_ns)
        inputs, self._inputs = self._inputs, NO_INPUT
        supervised = self.guard.supervisor.state
        decision = self.guard.decide(state, inputs, wish.yaw_rate)
        height = height_to_send(wish.height, state, decision.source)
        sent_seq = self._device.write(decision.left, decision.right, height) if decision.drive else 0
        send_ns = self._clock.now_ns() if decision.drive else 0
        self._request(decision.request)
        self._publish(state, decision, inputs, receive_ns, send_ns, sent_seq, lateness_us, wish, height)
        self._account(decision, receive_ns, send_ns, lateness_us)
        if self.guard.supervisor.state is not supervised:
            self._announce(supervised)
        if self._device.events:
            self._forward_events()
        if self._on_tick is not None:
            self._on_tick(state, decision)
        self._free_ns = self._clock.now_ns()

    def _listen(self, now_ns: int) -> Wish:
        """Looks at the operator's stick, tells the guard of their silence; returns what they or the task ask for."""
        operator, height = self.operator, self._height_asked
        if math.isnan(height):
            height = self._course.height_at((self.report.controlled + self.report.rescued) / self._rate_hz)
        if operator is None:
            return Wish(self._course.yaw_rate_rad_s, height)
        operator.look(now_ns)
        silence_ns = now_ns - operator.heard_ns
        if silence_ns > OPERATOR_LOST_NS:
            self._inputs |= LoopInput.OPERATOR_LOST
        elif silence_ns > OPERATOR_SILENT_NS:
            self._inputs |= LoopInput.OPERATOR_SILENT
        return Wish(operator.yaw_rate_wanted if operator.taken else self._course.yaw_rate_rad_s, height)

    def _request(self, request: str | None) -> None:
        if request is None or self._grid.index - self._last_request_tick < REQUEST_PERIOD_S * self._rate_hz:
            return
        self._last_request_tick = self._grid.index
        self._device.request(request)

    def _publish(
        self,
        state: State,
        decision: Decision,
        inputs: LoopInput,
        receive_ns: int,
        send_ns: int,
        sent_seq: int,
        lateness_us: float,
        wish: Wish,
        height: float,
    ) -> None:
        statistics = self._device.statistics
        supervisor = self.guard.supervisor
        operator = self.operator
        host = (
            self._grid.index,
            receive_ns,
            send_ns,
            sent_seq,
            statistics.undecodable + statistics.missing_states,
            self._grid.skipped,
            int(inputs),
            int(supervisor.reasons),
            lateness_us,
            decision.margin,
            operator.stick_forward if operator is not None else math.nan,
            operator.stick_turn if operator is not None else math.nan,
            wish.yaw_rate,
            wish.height,
            decision.intent,
            decision.controller_torque,
            decision.limited_torque,
            decision.left,
            decision.right,
            height if sent_seq else math.nan,
            int(supervisor.state),
            decision.source,
        )
        self._sink.tick(pack_tick(state + host))

    def _account(self, decision: Decision, receive_ns: int, send_ns: int, lateness_us: float) -> None:
        report = self.report
        report.lateness_us.append(lateness_us)
        report.skipped = self._grid.skipped
        if not decision.source:
            return
        if decision.source == 1:
            report.controlled += 1
        elif self.guard.stopping:
            report.settled += 1
        else:
            report.rescued += 1
        report.latency_us.append((send_ns - receive_ns) / 1000.0)
        if send_ns - receive_ns > self._period_ns // 2:
            report.misses += 1
            second_ago = self._grid.index - self._rate_hz
            self._slow = [tick for tick in self._slow if tick > second_ago] + [self._grid.index]
            if len(self._slow) > SLOW_SHARE * self._rate_hz:
                self._inputs |= LoopInput.CONTROLLER_SLOW
            if send_ns - receive_ns > STALE_NS:
                self._inputs |= LoopInput.CONTROLLER_LATE

    def _announce(self, previous: SupervisorState) -> None:
        supervisor = self.guard.supervisor
        reasons = [reason.name for reason in supervisor.reasons]
        detail = {"failure": self.guard.failure} if self.guard.failure else {}
        self._sink.event("supervisor", before=previous.name, after=supervisor.state.name, reasons=reasons, **detail)

    def _forward_events(self) -> None:
        for event in self._device.events:
            argument: object = event.argument
            if event.event in (Event.STOPPED, Event.ESTOPPED):
                argument = [fault.name for fault in Fault(event.argument)]
            elif event.event is Event.REJECTED:
                argument = Reject(event.argument).name
            self._sink.event(
                "mcu_" + event.event.name.lower(), mcu_time_us=event.mcu_time_us, argument=argument, value=event.value
            )
        self._device.events.clear()

    def _finish(self) -> LoopReport:
        supervisor = self.guard.supervisor
        self.report.outcome = supervisor.state
        self.report.reasons = [reason.name.lower().replace("_", " ") for reason in supervisor.reasons if reason.name]
        return self.report
