"""The twin in wall-clock time behind a pseudo-terminal.

The world and the MCU step once a millisecond on a grid of absolute deadlines. Where the machine is late by more than
a control period, the world does not hurry after it: it pauses, the MCU reports the time it lost, and the grid starts
anew. So a host that was treated unfairly can see it in its own log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from robot_il.robot import Link
from robot_il.spec import CONTROL_PERIOD_S, FIRMWARE_RATE_HZ, Mode
from sim.lockstep import Channel, channels_of
from sim.monitor import CommandWatch, EventLog
from sim.pseudo_terminal import PseudoTerminal
from sim.twin import Twin

STEP_NS = 1_000_000_000 // FIRMWARE_RATE_HZ
SLIP_NS = round(CONTROL_PERIOD_S * 1e9)
"""How far the world may fall behind and still catch up."""
BIN_NS = 20_000
BINS = SLIP_NS // BIN_NS + 1


@dataclass(frozen=True)
class Statistics:
    """How well the world kept time, and what crossed the wire.

    Attributes:
        mcu_s: time that passed for the MCU, in s.
        slips: pauses of the world because the machine was late.
        lost_ms: time that the world stood still in them.
        lateness_p50_ms: median lateness of a millisecond's step.
        lateness_p99_ms: 99th percentile.
        states: STATEs sent.
        max_age_ms: greatest age, while armed, of the STATE that the last accepted command answers; 0 without commands.
        dropped_bytes: bytes to the host that nobody fetched.
        undecodable: frames from the host with a bad checksum, length or type.
    """

    mcu_s: float
    slips: int
    lost_ms: float
    lateness_p50_ms: float
    lateness_p99_ms: float
    states: int
    max_age_ms: float
    dropped_bytes: int
    undecodable: int

    def __str__(self) -> str:
        return (
            f"{self.mcu_s:.1f} s of MCU time, {self.slips} slips ({self.lost_ms:.1f} ms lost), "
            f"step lateness p50 {self.lateness_p50_ms:.2f} ms, p99 {self.lateness_p99_ms:.2f} ms, "
            f"{self.states} STATEs, greatest command age {self.max_age_ms:.0f} ms, "
            f"{self.dropped_bytes} unread bytes dropped, {self.undecodable} undecodable frames"
        )


class Server:
    """Runs a twin at the pace of the wall clock and passes its bytes through a pseudo-terminal."""

    def __init__(self, twin: Twin, terminal: PseudoTerminal, log: EventLog) -> None:
        self._twin = twin
        self._terminal = terminal
        self._log = log
        self._lines = channels_of(twin, 0) if twin.link != Link() else None
        self._watch = CommandWatch()
        self._late = [0] * (BINS + 1)
        self._slips = 0
        self._lost_ns = 0
        self._max_age_us = 0
        self._wheels_off: dict[str, Any] | None = None
        self._wheels_off_states = 0

    def run(self, stop: Callable[[], bool], seconds: float | None = None) -> Statistics:
        """Serves until ``stop()`` says so, or for a while.

        Args:
            stop: asked every millisecond.
            seconds: of wall-clock time; None for no limit.
        """
        due_ns = start_ns = time.monotonic_ns()
        end_ns = None if seconds is None else start_ns + round(seconds * 1e9)
        while not stop() and (end_ns is None or due_ns < end_ns):
            due_ns += STEP_NS
            wait_ns = due_ns - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(wait_ns * 1e-9)
            behind_ns = time.monotonic_ns() - due_ns
            if behind_ns > SLIP_NS:
                self._slip(behind_ns)
                due_ns += behind_ns
            self._late[min(behind_ns // BIN_NS, BINS)] += 1
            self._step()
        return self._finish()

    def _step(self) -> None:
        twin, terminal, watch = self._twin, self._terminal, self._watch
        data = terminal.read()
        if self._lines is not None:
            data = _pass(self._lines[1], twin.world_us, data)
        if data:
            watch.received(data)
            twin.receive(data)
        twin.step()
        data = twin.transmit()
        if data:
            watch.sent(data)
            if self._wheels_off is not None and watch.states > self._wheels_off_states:
                self._note_wheels_off()
        if self._lines is not None:
            data = _pass(self._lines[0], twin.world_us, data)
        if data:
            terminal.write(data)
        if twin.events:
            self._take_events()
        if twin.mode == Mode.ARMED and watch.answered_us is not None:
            self._max_age_us = max(self._max_age_us, twin.time_us - watch.answered_us)

    def _take_events(self) -> None:
        """Files the twin's events; those that end driving also start the account of when the wheels were off."""
        for event in self._twin.events:
            self._log.write(event)
            if event["event"] == "armed":
                self._watch.restart()
            elif event["event"] in ("stopped", "disarmed", "estopped") and event["was"] == "armed":
                self._wheels_off = {"mcu_time_us": event["mcu_time_us"], "event": "wheels_off", "mode": event["event"]}
                self._wheels_off_states = self._watch.states
        self._twin.events.clear()

    def _note_wheels_off(self) -> None:
        """Waits for the STATE after the stop, because only that one acknowledges the last command for certain."""
        event, answered_us = self._wheels_off, self._watch.answered_us
        if event is not None:
            age_ms = None if answered_us is None else (event["mcu_time_us"] - answered_us) / 1000
            self._log.write({**event, "answered_state_us": answered_us, "age_ms": age_ms})
        self._wheels_off = None

    def _slip(self, behind_ns: int) -> None:
        self._slips += 1
        self._lost_ns += behind_ns
        self._twin.firmware.lost_time(behind_ns * 1e-6)
        self._log.write({"mcu_time_us": self._twin.time_us, "event": "slip", "lost_ms": behind_ns * 1e-6})

    def _finish(self) -> Statistics:
        statistics = Statistics(
            mcu_s=self._twin.time_us * 1e-6,
            slips=self._slips,
            lost_ms=self._lost_ns * 1e-6,
            lateness_p50_ms=self._lateness_ms(0.5),
            lateness_p99_ms=self._lateness_ms(0.99),
            states=self._watch.states,
            max_age_ms=self._max_age_us * 1e-3,
            dropped_bytes=self._terminal.dropped_bytes,
            undecodable=self._twin.firmware.undecodable,
        )
        self._log.write({"mcu_time_us": self._twin.time_us, "event": "finished", **asdict(statistics)})
        return statistics

    def _lateness_ms(self, share: float) -> float:
        """Upper edge of the bin below which the given share of steps lies."""
        wanted, count = share * sum(self._late), 0
        for index, steps in enumerate(self._late):
            count += steps
            if count >= wanted:
                return (index + 1) * BIN_NS * 1e-6
        return 0.0


def _pass(channel: Channel, now_us: int, data: bytes) -> bytes:
    """Sends what there is and returns what has arrived."""
    if data:
        channel.put(now_us, data)
    return channel.take(now_us)
