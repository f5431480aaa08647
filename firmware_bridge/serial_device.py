"""The robot as the control loop knows it, at the far end of a link."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator

from firmware_bridge.link import Link
from firmware_bridge.protocol import Decoder, encode
from robot_il.control.device import DeviceEvent, Identity, LinkStatistics, State
from robot_il.errors import LinkError, ProtocolError
from robot_il.spec import CONTROL_RATE_HZ, LOOP_RATES_HZ, PROTOCOL_VERSION, SPEC_HASH_U64, Event, Param

_HANDSHAKE_NS = 1_000_000_000
_ANSWER_NS = 100_000_000
"""Longest wait for one answer of the handshake."""
_RATE_REQUESTS = 5
_ROUND_TRIPS = 15
_ROUND_TRIPS_NEEDED = 10
_SEQ_SPAN = 1 << 32
_REORDER_SPAN = 64
"""A STATE that is at most this much older than the newest came twice or late; one older still is from a new boot."""
_ESTOP_COPIES = 3
"""One damaged frame must not lose an emergency stop; a second ESTOP changes nothing."""
_EVENTS = {int(event): event for event in Event}


class SerialDevice:
    """A ``robot_il.control.device.Device`` behind a link that speaks the wire protocol.

    All waiting happens in ``link.read`` on ``link.clock``, so that a virtual clock serves as well as the host's.

    Args:
        link: an open link; the device closes it.
    """

    def __init__(self, link: Link) -> None:
        self.statistics = LinkStatistics()
        self.events: list[DeviceEvent] = []
        self._link = link
        self._decoder = Decoder()
        self._identity: Identity | None = None
        self._state: State | None = None
        self._command_seq = 0
        self._bytes_heard = 0

    def open(self, rate_hz: int = CONTROL_RATE_HZ) -> Identity:
        """Agrees with the firmware on protocol version, spec and rate, and measures the link.

        The clock offset is the smallest of host time (at mid round trip) minus MCU time among the faster half of the
        round trips: MCU time is rounded down to its last tick, so the smallest is nearest to the truth.

        Args:
            rate_hz: of the STATEs, one of ``spec.LOOP_RATES_HZ``.

        Raises:
            LinkError: nothing answers.
            ProtocolError: something else, or another version or spec, answers; or the rate is not to be had.
        """
        boot_id, version, robot_id = self._shake_hands()
        self._agree_on_rate(rate_hz)
        trips = sorted(self._round_trips())
        if len(trips) < _ROUND_TRIPS_NEEDED:
            raise LinkError(
                f"{_ROUND_TRIPS_NEEDED} answers to {_ROUND_TRIPS} time requests",
                f"{len(trips)}",
                "check the cable and the baud rate; the link loses frames",
            )
        median_ns = statistics.median(trip_ns for trip_ns, _ in trips)
        self._identity = Identity(
            boot_id=boot_id,
            firmware_version=f"{version >> 16}.{version >> 8 & 0xFF}.{version & 0xFF}",
            robot_id=robot_id,
            round_trip_s=median_ns * 1e-9,
            clock_offset_ns=min(offset_ns for trip_ns, offset_ns in trips if trip_ns <= median_ns),
            rate_hz=rate_hz,
        )
        # The stream was joined in mid-frame; what counts is what happens from here on.
        self.statistics = LinkStatistics()
        self._decoder.undecodable = 0
        return self._identity

    def read(self, deadline_ns: int) -> State | None:
        """Waits for the next STATE until ``deadline_ns`` on the link's clock; the newest of several, None if none came.

        Raises:
            LinkError: the link is gone.
        """
        newest = None
        while newest is None:
            data = self._link.read(deadline_ns)
            if not data:
                return None
            for name, values in self._feed(data):
                if name == "STATE":
                    newest = self._take_state(values) or newest
                elif name == "EVENT":
                    self._take_event(values)
        return newest

    def write(self, torque_left_nm: float, torque_right_nm: float, height_m: float | None = None) -> int:
        """Answers the STATE last read with wheel torques in N m; returns the command's sequence number.

        The legs are to go to ``height_m`` above the axle; None is the height of the STATE, which leaves them there.

        Answer each STATE once. A second answer is sent like the first, and the firmware rejects and counts it: the
        first one stands.

        Raises:
            LinkError: the link is gone, or no STATE was read yet.
        """
        if self._state is None:
            raise LinkError("a STATE to answer", "none so far", "read the device before writing to it")
        self._command_seq = self._command_seq % (_SEQ_SPAN - 1) + 1  # 0 means "no command"
        state_seq, height_m = self._state.state_seq, self._state.height if height_m is None else height_m
        self._link.write(encode("COMMAND", self._command_seq, state_seq, torque_left_nm, torque_right_nm, height_m))
        return self._command_seq

    def request(self, request: str) -> None:
        """Sends ``arm``, ``disarm`` or ``estop``; the outcome shows in the mode of a later STATE.

        ``arm`` refers to the STATE last read. After a disarm or a stop the firmware wants one that was sent since, so
        read on until the mode shows DISARMED before arming again.

        Raises:
            LinkError: the link is gone, or ``arm`` before a STATE was read.
            KeyError: no such request.
        """
        frames = {"arm": self._arm_frame, "disarm": _disarm_frame, "estop": _estop_frames}
        self._link.write(frames[request]())

    def close(self) -> None:
        """Disarms where the link still permits it, and lets go of it."""
        with contextlib.suppress(LinkError):
            self._link.write(_disarm_frame())
        self._link.close()

    def _arm_frame(self) -> bytes:
        if self._identity is None or self._state is None:
            raise LinkError("an open device and a STATE to arm on", "none so far", "open and read the device first")
        return encode("ARM", self._identity.boot_id, self._state.state_seq)

    def _feed(self, data: bytes) -> list[tuple[str, tuple]]:
        messages = self._decoder.feed(data)
        self.statistics.frames += len(messages)
        self.statistics.undecodable = self._decoder.undecodable
        return messages

    def _take_state(self, values: tuple) -> State | None:
        """Makes a STATE the one to answer, unless it came twice or late."""
        state = State._make(values)
        if self._state is not None:
            ahead = (state.state_seq - self._state.state_seq) % _SEQ_SPAN
            if ahead == 0 or ahead >= _SEQ_SPAN - _REORDER_SPAN:
                return None
            if ahead < _SEQ_SPAN // 2:
                self.statistics.missing_states += ahead - 1
        self._state = state
        return state

    def _take_event(self, values: tuple) -> None:
        mcu_time_us, code, argument, value = values
        if code in _EVENTS:  # equal at both ends by the spec's hash, but a broken firmware must not stop the loop
            self.events.append(DeviceEvent(mcu_time_us, _EVENTS[code], argument, value))

    def _messages_until(self, deadline_ns: int) -> Iterator[tuple[str, tuple]]:
        """Messages as they arrive during the handshake; ends at the deadline."""
        while data := self._link.read(deadline_ns):
            self._bytes_heard += len(data)
            yield from self._feed(data)

    def _shake_hands(self) -> tuple[int, int, int]:
        """Says HELLO until an IDENTITY comes; returns its boot_id, firmware_version and robot_id."""
        now_ns = self._link.clock.now_ns
        deadline_ns = now_ns() + _HANDSHAKE_NS
        heard: set[str] = set()
        while now_ns() < deadline_ns:
            self._link.write(encode("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64))
            for name, values in self._messages_until(min(now_ns() + _ANSWER_NS, deadline_ns)):
                if name == "IDENTITY":
                    return _agreed(values)
                heard.add(name)
        raise self._no_identity(heard)

    def _no_identity(self, heard: set[str]) -> LinkError | ProtocolError:
        """What went wrong when HELLO stayed without an answer."""
        expected = f"an answer to HELLO within {_HANDSHAKE_NS * 1e-9:.0f} s"
        if "HELLO" in heard:
            return ProtocolError(expected, "an echo of it", "name the robot's port, not a loopback or a terminal")
        if heard:
            came = f"only {', '.join(sorted(heard))}"
            return LinkError(expected, came, "the robot sends but does not hear: check the cable's other direction")
        if self._bytes_heard:
            came = f"{self._bytes_heard} bytes of something that speaks another protocol"
            remedy = "name the robot's port, check the baud rate, or flash the robot's firmware"
            return ProtocolError(expected, came, remedy)
        return LinkError(expected, "nothing", "check the robot's power and cable, or start 'robot-il twin'")

    def _agree_on_rate(self, rate_hz: int) -> None:
        """Asks for a STATE every so often; a robot whose last host left it stopped is disarmed first.

        Raises:
            LinkError: no answer.
            ProtocolError: it keeps another rate.
        """
        period_ms = 1000 / rate_hz
        in_force = None
        for _ in range(_RATE_REQUESTS):
            if in_force is not None:
                self._link.write(_disarm_frame())
            self._link.write(encode("PARAM_SET", Param.STATE_PERIOD_MS, period_ms))
            for name, values in self._messages_until(self._link.clock.now_ns() + _ANSWER_NS):
                if name == "PARAM_VALUE" and values[0] == Param.STATE_PERIOD_MS:
                    in_force = values[1]
                    break
            if in_force == period_ms:
                return
        expected = f"a STATE every {period_ms:g} ms"
        if in_force is None:
            raise LinkError(expected, "no answer to the request", "the robot does not hear: check the cable")
        remedy = f"ask for {', '.join(map(str, LOOP_RATES_HZ))} Hz, and disarm the robot before"
        raise ProtocolError(expected, f"{in_force:g} ms", remedy)

    def _round_trips(self) -> Iterator[tuple[int, int]]:
        """(duration in ns, host time minus MCU time in ns) of each answered TIME_REQUEST."""
        now_ns = self._link.clock.now_ns
        for _ in range(_ROUND_TRIPS):
            sent_ns = now_ns()
            self._link.write(encode("TIME_REQUEST", sent_ns))
            for name, values in self._messages_until(sent_ns + _ANSWER_NS):
                if name == "TIME_REPLY" and values[0] == sent_ns:
                    trip_ns = now_ns() - sent_ns
                    yield trip_ns, sent_ns + trip_ns // 2 - 1000 * values[1]
                    break


def _disarm_frame() -> bytes:
    return encode("DISARM")


def _estop_frames() -> bytes:
    return encode("ESTOP") * _ESTOP_COPIES


def _agreed(identity: tuple) -> tuple[int, int, int]:
    """boot_id, firmware_version and robot_id of a peer with our protocol version and spec.

    Raises:
        ProtocolError: it has others.
    """
    version, spec_hash, *rest = identity
    if version != PROTOCOL_VERSION:
        raise ProtocolError(
            f"protocol version {PROTOCOL_VERSION} of this host",
            f"version {version} of the firmware",
            "flash the firmware of this release, or install the release of that firmware",
        )
    if spec_hash != SPEC_HASH_U64:
        raise ProtocolError(
            f"spec {SPEC_HASH_U64:016x} of this host",
            f"spec {spec_hash:016x} of the firmware",
            "flash the firmware of this release, or install the release of that firmware",
        )
    return rest[0], rest[1], rest[2]
