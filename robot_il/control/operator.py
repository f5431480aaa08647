"""The operator's hand: what it does, and how it reaches the loop from a pad, a keyboard or a page."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple, Protocol

from robot_il.errors import DataError
from robot_il.spec import HAND_AXES, HAND_DTYPE, HAND_SIGNALS, HandDevice

RESEND_S = 0.05
"""Whoever carries a hand sends it this often, changed or not: silence is how its loss shows."""
MOST_BYTES = 4096
"""Bound on a packet."""
MOST_AT_ONCE = 16
"""Packets taken on one tick, so that a flood takes no more of the loop's time."""
LARGEST_AXIS = 1e6
"""Bound on a raw axis; real ones are within some units, and one beyond a float32 could not be packed."""
HAND_PACKET = b"H"
REQUEST_PACKET = b"R"
"""First byte of a packet: what follows is a hand, or a request as JSON text."""
_CODES = {"i8": "q", "f4": "f", "u4": "I", "u1": "B"}
_ROW = struct.Struct("<" + "".join(_CODES[signal.dtype] for signal in HAND_SIGNALS))

assert _ROW.size == HAND_DTYPE.itemsize


class Operator(Protocol):
    """A person at a pad or a page who has to be there.

    Attributes:
        heard_ns: when the person, or what carries their hands' position, was last heard, on the loop's clock.
        stick_forward: what their stick asks for now, -1..1.
        stick_turn: the same, left positive.
        yaw_rate_wanted: turning that comes of it, in rad/s, exact as a float32.
        taken: whether they drive now; who does not leaves the turning to the task.
    """

    heard_ns: int
    taken: bool
    stick_forward: float
    stick_turn: float
    yaw_rate_wanted: float

    def look(self, now_ns: int) -> None:
        """Brings the attributes up to date; called once a tick, must not block."""


class Hand(NamedTuple):
    """One message of what a person's hand does.

    Attributes:
        seq: rises from message to message, and after 2**32 begins again; one that does not is no sign of life.
        device: a ``spec.HandDevice``.
        deadman: whether the dead-man button, or what stands for it, is held; without it the stick is neutral.
        forward: of the stick after mapping, dead zone and curve, -1..1, forward positive.
        turn: the same, left positive.
        axes: of the pad, raw, at most ``spec.HAND_AXES``.
        buttons: a bit for each pressed button of the pad, raw.
    """

    seq: int
    device: int
    deadman: bool
    forward: float
    turn: float
    axes: tuple[float, ...] = ()
    buttons: int = 0


def pack_hand(hand: Hand, host_ns: int = 0) -> bytes:
    """One row of ``spec.HAND_DTYPE``.

    Raises:
        DataError: an axis that is no number or beyond -1..1, more axes than a row holds, or no such device.
    """
    for name, value in (("forward", hand.forward), ("turn", hand.turn)):
        if not -1.0 <= value <= 1.0:
            raise DataError(f"{name} within -1..1", f"{value}", "map the pad's axis to that range")
    if len(hand.axes) > HAND_AXES or not all(abs(axis) <= LARGEST_AXIS for axis in hand.axes):
        raise DataError(f"at most {HAND_AXES} axes within +-{LARGEST_AXIS:g}", f"{hand.axes}"[:200], "send fewer")
    if hand.device not in HandDevice.__members__.values():
        raise DataError("a device of spec.HandDevice", f"{hand.device}", "name one of them")
    axes = (*hand.axes, *(0.0,) * (HAND_AXES - len(hand.axes)))
    seq, buttons = hand.seq & 0xFFFFFFFF, hand.buttons & 0xFFFFFFFF
    return _ROW.pack(host_ns, *axes, hand.forward, hand.turn, seq, buttons, hand.device, hand.deadman)


def unpack_hand(row: bytes) -> Hand:
    """The hand in one row.

    Raises:
        DataError: another size, or values that no ``pack_hand`` would have let pass.
    """
    if len(row) != _ROW.size:
        raise DataError(f"a hand of {_ROW.size} bytes", f"{len(row)}", "send what pack_hand gives")
    _, *axes, forward, turn, seq, buttons, device, deadman = _ROW.unpack(row)
    hand = Hand(seq, device, bool(deadman), forward, turn, tuple(axes), buttons)
    pack_hand(hand)
    return hand


class HandLink:
    """The loop's end of the way that hands and requests come: a socket of whole packets, read without ever waiting.

    Args:
        inbox: of type SOCK_SEQPACKET or SOCK_DGRAM; the link takes it over.

    Attributes:
        spoiled: packets that were no hand and no request.
        closed: whether the other end is gone.
    """

    def __init__(self, inbox: socket.socket) -> None:
        inbox.setblocking(False)
        self._inbox = inbox
        self.spoiled = 0
        self.closed = False

    def receive(self) -> tuple[list[Hand], list[bytes]]:
        """Hands and the text of requests that came since the last look, in order."""
        hands: list[Hand] = []
        requests: list[bytes] = []
        for _ in range(MOST_AT_ONCE):
            try:
                packet = self._inbox.recv(MOST_BYTES)
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self.closed = True
                break
            if packet[:1] == REQUEST_PACKET:
                requests.append(packet[1:])
                continue
            try:
                hands.append(unpack_hand(packet[1:] if packet[:1] == HAND_PACKET else b""))
            except DataError:
                self.spoiled += 1
        return hands, requests


def send_hand(outbox: socket.socket, hand: Hand) -> bool:
    """Sends a hand to the loop; False where it did not go, which the loop will notice by its silence.

    Raises:
        DataError: see ``pack_hand``.
    """
    try:
        outbox.send(HAND_PACKET + pack_hand(hand))
    except OSError:  # full, or nobody there
        return False
    return True
