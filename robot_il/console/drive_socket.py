"""The server's end of the drive socket: checks what a page says about its hands, and hands on what is fresh.

A hand is handed on once, when it comes, and never again: if a page falls silent the station hears nothing, and the loop
zeroes the stick. A hand must name a stamp that this server sent within the last ``FRESH_S``, as the firmware demands of
a COMMAND with its STATE: one that was held up on the way, in a stalled network or a browser that slept, is known by its
old stamp and dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Response, WebSocket
from starlette.websockets import WebSocketDisconnect

from robot_il.control.operator import Hand
from robot_il.control.pad_map import PadMap, find_pad_map
from robot_il.errors import RobotIlError
from robot_il.finite import is_finite_number
from robot_il.spec import HAND_AXES, HandDevice

if TYPE_CHECKING:
    from robot_il.console.model import Station
    from robot_il.console.wheel import Wheel

MOST_CHARACTERS = 1024
"""Bound on one message; the longest honest one, a pad with eight axes, has about 400."""
STAMP_PERIOD_S = 0.05
FRESH_S = 0.2
"""Age of the stamp, way out and back included, beyond which a hand is stale."""
MOST_AXIS = 10.0
"""Pads report a resting hat as 1.3 to 3.3, and nothing beyond."""
_U32 = 0xFFFFFFFF
_PAD_NAME = 128


@dataclass
class DriveCounts:
    """What came of the messages since the start.

    Attributes:
        taken: hands handed on to the station.
        malformed: not in the form that the page sends, or out of range.
        stale: answered a stamp that is too old, or none that was sent.
        repeated: whose number did not rise.
        foreign: from a page that does not drive.
    """

    taken: int = 0
    malformed: int = 0
    stale: int = 0
    repeated: int = 0
    foreign: int = 0


@dataclass(frozen=True)
class PageHand:
    """One hand as a page says it, checked but not yet mapped.

    Attributes:
        seq: its number on this connection.
        stamp: newest stamp the page had heard, in ms of this server's clock.
        hand: with ``seq`` 0; its forward and turn are mapped already where it came of a pad.
        pad: the map that was used; None where no pad, or one that nobody knows, was held.
    """

    seq: int
    stamp: int
    hand: Hand
    pad: PadMap | None = None


class MalformedError(ValueError):
    """A message that no page of ours sends."""


def _whole(message: dict[str, Any], name: str, most: int) -> int:
    value = message.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise MalformedError(name)
    return value


def _share(value: object, most: float) -> float:
    if not is_finite_number(value) or abs(value) > most:
        raise MalformedError("a number out of range")
    return float(value)


def parse_hand(message: object) -> PageHand:
    """Checks one hand.

    Args:
        message: the JSON value under ``hand``.

    Raises:
        MalformedError: a field is missing, of another type, not finite or out of range.
    """
    if not isinstance(message, dict):
        raise MalformedError("no object")
    seq, stamp = _whole(message, "seq", _U32), _whole(message, "stamp", 2**53)
    device = _whole(message, "device", 255)
    if device == HandDevice.BROWSER_PAD:
        return PageHand(seq, stamp, *_pad_hand(message))
    deadman = message.get("deadman")
    if device not in (HandDevice.KEYBOARD, HandDevice.JOYSTICK) or type(deadman) is not bool:
        raise MalformedError("no such device")
    forward, turn = (_share(message.get(name), 1.0) for name in ("forward", "turn"))
    return PageHand(seq, stamp, Hand(0, device, deadman, forward, turn))


def _pad_hand(message: dict[str, Any]) -> tuple[Hand, PadMap | None]:
    axes, name, standard = message.get("axes"), message.get("pad"), message.get("standard")
    named = isinstance(name, str) and len(name) <= _PAD_NAME and type(standard) is bool
    if not isinstance(axes, list) or len(axes) > HAND_AXES or not named:
        raise MalformedError("a pad without axes or name")
    raw = tuple(_share(axis, MOST_AXIS) for axis in axes)
    buttons = _whole(message, "buttons", _U32)
    pad = _pad_map(str(name), bool(standard))
    if pad is None:
        # still a sign of life, and still logged as it is; but nobody knows which way is forward
        return Hand(0, HandDevice.BROWSER_PAD, False, 0.0, 0.0, raw, buttons), None
    return pad.hand(0, HandDevice.BROWSER_PAD, raw, buttons), pad


def _pad_map(name: str, standard: bool) -> PadMap | None:
    """The map for a pad that a browser reads; one for all pads holds only where the browser knows the layout."""
    try:
        pad = find_pad_map(name)
    except RobotIlError:
        return None
    return pad if standard or "*" not in pad.browser else None


def stamp_ms(now_ns: int) -> int:
    """What the server stamps its messages with."""
    return now_ns // 1_000_000


class Connection:
    """One page on the drive socket.

    Args:
        desk: where the hands of all pages meet.
        client: identifier of the page.
    """

    def __init__(self, desk: DriveDesk, client: str) -> None:
        self._desk = desk
        self._client = client
        self._seq = -1
        self._buttons: int | None = None

    def hear(self, text: str, now_ns: int) -> None:
        """Takes one message of the page; whatever it says, nothing is raised."""
        desk = self._desk
        try:
            message = json.loads(text) if len(text) <= MOST_CHARACTERS else None
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict) and message.get("estop") is True:
            desk.station.estop()
            return
        try:
            said = parse_hand(message.get("hand") if isinstance(message, dict) else None)
        except MalformedError:
            desk.counts.malformed += 1
            return
        pressed = self._pressed(said)
        if "estop" in pressed:
            # of whoever it is, and however old
            desk.station.estop()
        if self._take(said, now_ns):
            desk.press(self._client, [action for action in pressed if action != "estop"])

    def _pressed(self, said: PageHand) -> list[str]:
        """What the buttons that went down since the last hand stand for; one held from the start went down for none."""
        before, self._buttons = self._buttons, said.hand.buttons
        return [] if said.pad is None or before is None else said.pad.pressed(before, said.hand.buttons)

    def _take(self, said: PageHand, now_ns: int) -> bool:
        """Hands it on if it is the driver's and fresh."""
        desk = self._desk
        if not desk.wheel.drives(self._client):
            desk.counts.foreign += 1
        elif said.seq <= self._seq:
            desk.counts.repeated += 1
        elif not 0 <= stamp_ms(now_ns) - said.stamp <= FRESH_S * 1e3:
            desk.counts.stale += 1
            self._seq = said.seq
        else:
            self._seq = said.seq
            desk.forward(said.hand)
            return True
        return False

    def news(self, now_ns: int) -> str:
        """What the page is told: the stamp, the phase, and whether it drives."""
        desk = self._desk
        return json.dumps(
            {"stamp": stamp_ms(now_ns), "phase": desk.station.phase, "mine": desk.wheel.drives(self._client)}
        )


class DriveDesk:
    """Where the hands of all pages meet; one of them goes on to the station.

    Args:
        station: receives the hands and the emergency stop.
        wheel: knows the one page that drives.
        known: whether a page with this identifier was really served.

    Attributes:
        counts: what came of the messages.
    """

    def __init__(self, station: Station, wheel: Wheel, known: Callable[[str], bool]) -> None:
        self.station = station
        self.wheel = wheel
        self.known = known
        self.counts = DriveCounts()
        self._seq = 0
        self._listeners: dict[str, Callable[[str], None]] = {}

    def listen(self, client: str, on_action: Callable[[str], None] | None) -> None:
        """Tells a page what the buttons of its pad stand for, one of ``pad_layout.ACTIONS``; None ends it."""
        if on_action is None:
            self._listeners.pop(client, None)
        else:
            self._listeners[client] = on_action

    def press(self, client: str, actions: list[str]) -> None:
        """Passes on what was pressed on the driver's pad."""
        for action in actions:
            if client in self._listeners:
                self._listeners[client](action)

    def forward(self, hand: Hand) -> None:
        """Hands a fresh hand on, under a number that rises whichever page it came from."""
        self._seq = (self._seq + 1) & _U32
        self.counts.taken += 1
        self.station.hand(hand._replace(seq=self._seq))

    async def serve(self, socket: WebSocket) -> None:
        """Serves one page until its socket closes; then it no longer drives."""
        client = socket.query_params.get("client", "")
        if not self.known(client):
            await socket.close(code=1008)
            return
        await socket.accept()
        connection = Connection(self, client)
        telling = asyncio.create_task(_tell(socket, connection))
        try:
            while True:
                connection.hear(await socket.receive_text(), time.monotonic_ns())
        except (WebSocketDisconnect, KeyError):
            # closed, or a binary message, which no page of ours sends
            pass
        finally:
            self.wheel.let_go(client)
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await telling


async def _tell(socket: WebSocket, connection: Connection) -> None:
    while True:
        await socket.send_text(connection.news(time.monotonic_ns()))
        await asyncio.sleep(STAMP_PERIOD_S)


def serve_drive(app: FastAPI, desk: DriveDesk) -> None:
    """Opens ``/drive`` for the pages, and ``/estop`` for one whose socket is down."""

    @app.websocket("/drive")
    async def drive(socket: WebSocket) -> None:
        await desk.serve(socket)

    @app.post("/estop")
    def estop() -> Response:
        desk.station.estop()
        return Response(status_code=204)
