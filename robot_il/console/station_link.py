"""The console's end of the socket to the station, the process that holds the robot.

Out go hands and requests, in come messages, each one packet; with the first message that has one comes the descriptor
of the recorder's ring, on which the console reads along. Nothing here ever waits, and nothing is sent twice: what the
station does not take is gone, and a hand that is gone shows as silence.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from robot_il.control.operator import MOST_BYTES, REQUEST_PACKET, Hand, send_hand
from robot_il.errors import LinkError
from robot_il.recording.ring import RingWatcher


def tell(station: socket.socket, ring_descriptor: int | None = None, **message: object) -> None:
    """The station's side: sends one message; a console that does not read does not hold the loop up.

    Args:
        station: the station's end, not blocking.
        ring_descriptor: of the recorder's ring, to be sent along.
        message: JSON values, with ``kind``.
    """
    data = json.dumps(message, default=str).encode()
    with suppress(OSError):  # the console is busy or gone; the ticks say the rest
        if ring_descriptor is None:
            station.send(data)
        else:
            socket.send_fds(station, [data], [ring_descriptor])


class StationLink:
    """One station.

    Args:
        connection: of type SOCK_SEQPACKET; the link takes it over.

    Attributes:
        closed: whether the station is gone.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._watcher: RingWatcher | None = None
        self.closed = False

    def send_hand(self, hand: Hand) -> bool:
        """Sends a hand; False where it did not go.

        Raises:
            DataError: see ``operator.pack_hand``.
        """
        return send_hand(self._connection, hand)

    def request(self, do: str, **arguments: object) -> None:
        """Asks the station for something.

        Raises:
            LinkError: the station is gone, or does not listen.
        """
        packet = REQUEST_PACKET + json.dumps({"do": do, **arguments}).encode()
        if len(packet) > MOST_BYTES:
            raise LinkError(f"a request of at most {MOST_BYTES} bytes", f"{len(packet)}", "shorten the text")
        try:
            self._connection.send(packet)
        except OSError as error:
            raise LinkError("a station that listens", error.strerror or str(error), "connect again") from error

    def messages(self) -> Iterator[dict[str, Any]]:
        """The messages that came since the last look."""
        while not self.closed:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._connection, 65_536, 1)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if descriptors:
                self._watch(descriptors[0])
            if not data:
                self.closed = True
                return
            yield json.loads(data)

    def _watch(self, descriptor: int) -> None:
        if self._watcher is not None:
            self._watcher.close()
        self._watcher = RingWatcher(descriptor)

    def records(self) -> Iterator[tuple[int, bytes]]:
        """What was logged since the last look: (kind, payload) as ``recording.ring`` has them."""
        if self._watcher is not None:
            yield from self._watcher.look()

    def close(self) -> None:
        """Lets go of the station, which will stop the robot and end its log."""
        self.closed = True
        self._connection.close()
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None


def pair() -> tuple[socket.socket, socket.socket]:
    """The console's and the station's end of a new connection; the second is inherited by a child process."""
    console, station = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.set_inheritable(station.fileno(), True)
    return console, station
