"""The process that reads a pad and sends what the hand on it does; started by ``robot_il.cli.hands``.

It is a process of its own because pygame may start threads, which have no place beside the control loop. What it sends
was read at that moment, and is never sent again. While no pad is there it sends no hand at all, and looks for one to
come: silence is how the loop learns of it.

A pad that goes away is known by what the kernel says of its device: at once where a cable is pulled, and after the
supervision timeout of the link, up to 20 s, where a Bluetooth pad leaves its range. Until then it looks like a stick
held perfectly still; so a Bluetooth pad whose stick is held and that reports nothing new for ``STILL_BLUETOOTH_S`` is
taken to be let go.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import sys
import time
from collections import deque
from typing import Any

from robot_il.cli.sdl_pads import Pad, Reading, SdlPads
from robot_il.control.operator import REQUEST_PACKET, RESEND_S, Hand, send_hand
from robot_il.control.pad_map import PadMap, find_pad_map
from robot_il.errors import ConfigError, RobotIlError
from robot_il.spec import HandDevice

PERIOD_MS = 10
STILL_BLUETOOTH_S = 2.0
MOST_UNTOLD = 32
_RESEND_NS = round(RESEND_S * 1e9) - 2 * PERIOD_MS * 1_000_000
"""A look sooner than it must be, for looks may be late."""


def map_for(pad: Pad) -> PadMap:
    """The map for a pad.

    Raises:
        ConfigError: there is none, it cannot be used, or it names axes or buttons that the pad has not.
    """
    pad_map = find_pad_map(pad.name, pad.guid, pad.database)
    lacking = pad_map.lacks(pad.axes, pad.buttons, pad.hat)
    if lacking:
        came = f"{pad.axes} axes and {pad.buttons} buttons, without {lacking}"
        raise ConfigError(f"a pad as {pad_map.origin} describes it", came, "make a map with robot-il pad --make")
    return pad_map


class HeldPad:
    """A pad, its map, and what must be remembered from one reading to the next.

    Args:
        pad: that is plugged in.
        pad_map: of its kind.
    """

    def __init__(self, pad: Pad, pad_map: PadMap) -> None:
        self.pad = pad
        self.map = pad_map
        still_s = (STILL_BLUETOOTH_S if pad.bluetooth else 0.0) if pad_map.still_s is None else pad_map.still_s
        self._still_ns = round(still_s * 1e9)
        self._reading: Reading | None = None
        self._changed_ns = 0
        self._rested = False

    def take(self, reading: Reading, seq: int, now_ns: int) -> tuple[Hand, list[str]]:
        """What one reading means: the hand, and the actions whose buttons were pressed with it.

        A pad that is plugged in with its dead-man held counts as let go until it was let go.
        """
        before, self._reading = self._reading, reading
        if reading != before:
            self._changed_ns = now_ns
        hand = self.map.hand(seq, HandDevice.GAMEPAD, reading.axes, reading.buttons)
        self._rested = self._rested or not hand.deadman
        still = 0 < self._still_ns < now_ns - self._changed_ns
        if still or not self._rested:
            hand = hand._replace(deadman=False)
        return hand, self.map.pressed(before.buttons, reading.buttons) if before else []


class PadSource:
    """Reads one pad and sends its hand to the loop.

    Args:
        pads: of this machine.
        outbox: to the loop; never waited for.
        wanted: part of the name of the pad to be read; empty for the first there is.
    """

    def __init__(self, pads: SdlPads, outbox: socket.socket, wanted: str = "") -> None:
        outbox.setblocking(False)
        self._pads = pads
        self._outbox = outbox
        self._wanted = wanted.lower()
        self._held: HeldPad | None = None
        self._refused: list[Pad] = []
        self._untold: deque[bytes] = deque(maxlen=MOST_UNTOLD)
        self._seq = 0
        self._sent: tuple[object, ...] = ()
        self._sent_ns = 0

    def look(self, now_ns: int) -> None:
        """Reads the pad once, and sends what is due; to be called every ``PERIOD_MS``."""
        there = [pad for pad in self._pads.look() if self._wanted in pad.name.lower()]
        if self._held is not None and self._held.pad not in there:
            self._held = None
            self._tell(state="gone")
        if self._held is None:
            self._find(there)
        if self._held is not None:
            self._read(self._held, now_ns)
        self._tell_the_rest()

    def _find(self, there: list[Pad]) -> None:
        self._refused = [pad for pad in self._refused if pad in there]
        for pad in there:
            if pad in self._refused:
                continue
            named = {"name": pad.name[:128], "guid": pad.guid}
            try:
                pad_map = map_for(pad)
            except RobotIlError as error:
                self._refused.append(pad)
                why = {"expected": error.expected, "came": error.came, "remedy": error.remedy}
                self._tell(state="refused", **named, **{key: text[:400] for key, text in why.items()})
                continue
            self._held = HeldPad(pad, pad_map)
            self._sent = ()
            self._tell(state="here", **named, origin=pad_map.origin[:400], map=pad_map.to_json())
            return

    def _read(self, held: HeldPad, now_ns: int) -> None:
        hand, actions = held.take(held.pad.read(), self._seq + 1, now_ns)
        for action in actions:
            self._untold.append(_request(do="press", action=action))
        self._tell_the_rest()  # a stop goes before the hand
        if hand[1:] == self._sent and now_ns - self._sent_ns < _RESEND_NS:
            return
        if send_hand(self._outbox, hand):
            self._seq, self._sent, self._sent_ns = hand.seq, hand[1:], now_ns

    def _tell(self, **what: Any) -> None:
        self._untold.append(_request(do="pad", **what))

    def _tell_the_rest(self) -> None:
        """Requests are kept until the loop has room for them: none may be lost, least of all a stop."""
        while self._untold:
            try:
                self._outbox.send(self._untold[0])
            except OSError:
                return
            self._untold.popleft()


def _request(**values: Any) -> bytes:
    return REQUEST_PACKET + json.dumps(values).encode()


def main() -> int:
    """Entry point: the socket's descriptor, and part of the pad's name; ends when the other end closes."""
    for number in (signal.SIGINT, signal.SIGHUP):  # meant for whoever drives, which brings the robot to rest first
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as outbox, SdlPads() as pads:
        source = PadSource(pads, outbox, sys.argv[2])
        hung_up = select.poll()
        hung_up.register(outbox, 0)
        while not hung_up.poll(PERIOD_MS):
            source.look(time.monotonic_ns())
    return 0


if __name__ == "__main__":
    sys.exit(main())
