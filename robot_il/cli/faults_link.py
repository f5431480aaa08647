"""The serial line between a host in one process and a world in another; time passes only when the host asks.

Each request of the host is one packet: a kind and its bytes. Each answer is one packet too: the host's clock, what the
world has to tell, and what was read. A host that is killed leaves nothing behind but a closed socket.
"""

from __future__ import annotations

import enum
import socket
import struct
import time
from collections.abc import Callable

from robot_il.control.clock import Clock
from robot_il.errors import LinkError
from sim.fault_scene import Scene

PACKET = 1 << 17
_ANSWER = struct.Struct("<qBB")
_NUMBER = struct.Struct("<q")


class Request(bytes, enum.Enum):
    """What a host asks for."""

    READ = b"R"
    WRITE = b"W"
    PASS_TIME = b"T"
    ENDED = b"E"
    """The host's loop has ended; how, follows. No answer."""
    FAILED = b"F"
    """The host's process failed; what it says of it follows. No answer."""


class RemoteClock:
    """The host's clock, as the last answer told it."""

    time_ns = 0

    def now_ns(self) -> int:
        """Time in ns."""
        return self.time_ns


class RemoteLink:
    """The host's end: a ``firmware_bridge.link.Link``.

    Attributes:
        clock: the host's.
        failing: the fault has begun.
        stopping: the flight is over; the host is to come to a stop, as if a person had asked for it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._remote = RemoteClock()
        self.clock: Clock = self._remote
        self.failing = False
        self.stopping = False
        self._socket = connection

    def read(self, deadline_ns: int) -> bytes:
        """Waits for bytes until the deadline."""
        return self._ask(Request.READ, _NUMBER.pack(deadline_ns))

    def write(self, data: bytes) -> None:
        """Sends bytes."""
        self._ask(Request.WRITE, data)

    def pass_time(self, ms: int) -> None:
        """Spends the host's time."""
        self._ask(Request.PASS_TIME, _NUMBER.pack(ms))

    def tell(self, what: Request, words: str) -> None:
        """Tells the world how this process has fared: ``ENDED`` or ``FAILED``."""
        self._socket.send(what.value + words.encode(errors="replace")[: PACKET // 2])

    def close(self) -> None:
        """Nothing more: the line ends with the process, which may yet have something to tell."""

    def _ask(self, request: Request, data: bytes) -> bytes:
        self._socket.send(request.value + data)
        answer = self._socket.recv(PACKET)
        if not answer:
            raise LinkError("a world at the other end", "none", "look at the process that made this one")
        self._remote.time_ns, self.failing, self.stopping = _ANSWER.unpack_from(answer)
        return answer[_ANSWER.size :]


class World:
    """The world's end: serves one host until it is gone, then lets the world go on alone.

    Args:
        scene: line, twin and fault.
        connection: to the host.
        seconds: how long after the fault the flight ends.
        paced: the world keeps to the wall clock from the robot's release on.
        on_end: called once, when the flight ends.

    Attributes:
        host_failure: how the host's process failed, in its own words; empty where it did not.
        host_end: how its loop ended before the flight did, in its own words; empty where it did not.
        timed_out: the host went on long after the flight's end.
    """

    PATIENCE_S = 6.0
    """The world's time that a host gets to stop: 2 s to come to rest, 1 s to disarm, 1 s of a silent line, and more."""

    def __init__(
        self, scene: Scene, connection: socket.socket, seconds: float, paced: bool, on_end: Callable[[], None]
    ) -> None:
        self.host_failure = ""
        self.host_end = ""
        self.timed_out = False
        self._scene = scene
        self._socket = connection
        self._after_us = round(seconds * 1e6)
        self._paced = paced
        self._on_end: Callable[[], None] | None = on_end
        self._lead_s: float | None = None
        scene.each_ms = self._each_ms

    def serve(self) -> None:
        """Answers the host until it ends, is lost, or outstays the flight."""
        scene = self._scene
        while not scene.host_lost and not self.timed_out:
            packet = self._socket.recv(PACKET)
            if not packet:
                return
            request, data = Request(packet[:1]), packet[1:]
            if request is Request.FAILED:
                self.host_failure = data.decode(errors="replace")
                return
            if request is Request.ENDED:
                self.host_end = data.decode() if self._on_end is not None else ""
                continue
            read = self._act(request, data)
            if not scene.host_lost:
                answer = _ANSWER.pack(scene.clock.now_ns(), scene.failing, self._on_end is None) + read
                try:
                    self._socket.send(answer)
                except (BrokenPipeError, ConnectionResetError):
                    return

    def outlast(self) -> None:
        """Lets the world go on without a host until the flight's end and one second more."""
        scene = self._scene
        if not scene.failing:
            return
        end_us = max(scene.begun_us + self._after_us, scene.twin.world_us) + 1_000_000
        scene.pass_time(max(0, end_us - scene.twin.world_us) // 1000)

    def _act(self, request: Request, data: bytes) -> bytes:
        scene = self._scene
        if request is Request.READ:
            return scene.read(_NUMBER.unpack(data)[0])
        if request is Request.WRITE:
            scene.write(data)
        else:
            scene.pass_time(_NUMBER.unpack(data)[0])
        return b""

    def _each_ms(self) -> None:
        scene = self._scene
        if self._paced and not scene.twin.held:
            self._keep_pace()
        if not scene.failing:
            return
        over_us = scene.twin.world_us - scene.begun_us - self._after_us
        if over_us >= 0 and self._on_end is not None:
            self._on_end()
            self._on_end = None
        self.timed_out = over_us > self.PATIENCE_S * 1e6

    def _keep_pace(self) -> None:
        """Waits where the world is further ahead of the wall clock than it was at first."""
        lead_s = self._scene.twin.world_us * 1e-6 - time.monotonic()
        if self._lead_s is None:
            self._lead_s = lead_s
        if lead_s > self._lead_s:
            time.sleep(lead_s - self._lead_s)
