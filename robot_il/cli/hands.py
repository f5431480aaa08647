"""What a person at the terminal holds: a pad, read by a process of its own, or the keys."""

from __future__ import annotations

import contextlib
import importlib.util
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from robot_il.cli.keyboard import Keyboard
from robot_il.control.arming import Check
from robot_il.control.clock import Clock, MonotonicClock
from robot_il.control.loop import OPERATOR_SILENT_NS
from robot_il.control.operator import RESEND_S, Hand, HandLink, Operator
from robot_il.control.sink import NullSink, Sink
from robot_il.control.teleop import Hands, read_request
from robot_il.errors import ConfigError, LinkError
from robot_il.spec import HandDevice

PATIENCE_S = 5.0
"""Given to a pad to be found; a sleeping one is woken by pressing a button."""
SECOND_CHANCE_S = 0.3
"""Given to another pad where one cannot be used."""
END_PATIENCE_S = 5.0
QUEUE_BYTES = 8192
"""Of hands on the way to the loop, about twenty: one that stood still must not go through old ones for long."""
DEFLECTION = 0.6
"""Of the stick that a key stands for: 0.3 m/s forward, 0.9 rad/s of turning."""
LET_GO_NS = 600_000_000
"""Without its key for so long a direction counts as let go: a terminal repeats a key that is held, after half a second
at first, and never says when it is released."""
KEYBOARD_HELP = f"arrows or WASD drive while they are held, and for {LET_GO_NS / 1e9:g} s more"
_DIRECTIONS = {
    **dict.fromkeys(("up", "w"), ("forward", 1)),
    **dict.fromkeys(("down", "s"), ("forward", -1)),
    **dict.fromkeys(("left", "a"), ("turn", 1)),
    **dict.fromkeys(("right", "d"), ("turn", -1)),
}
_BITS = {("forward", 1): 1, ("forward", -1): 2, ("turn", 1): 4, ("turn", -1): 8}


@dataclass(frozen=True)
class Person:
    """How a person drives.

    Attributes:
        input: one of ``arguments.INPUTS``.
        mode: one of ``teleop.MODES``.
        assist: one of ``teleop.ASSISTS``.
        pad: part of the name of the pad to be read; empty for the first there is.
    """

    input: str
    mode: str
    assist: str = "velocity"
    pad: str = ""


class OpenHands(Hands, Protocol):
    """Hands that can be driven with now.

    Attributes:
        identity: what the log says of them.
    """

    identity: dict[str, Any]

    def press(self, key: str) -> None:
        """Takes a key of the terminal; one that means nothing here does nothing."""

    @property
    def spoiled(self) -> int:
        """Packets that came from them and were no hands."""


@contextlib.contextmanager
def open_hands(person: Person, keyboard: Keyboard) -> Iterator[OpenHands]:
    """The hands of a person at the terminal.

    Raises:
        LinkError: no pad was found.
        ConfigError: the pad has no map that fits, or there is no terminal to press keys at.
        ModuleNotFoundError: pygame is not installed.
    """
    if person.input == "gamepad":
        with PadHands(person.pad) as pad:
            yield pad
        return
    if not keyboard.there:
        raise ConfigError("a terminal to press keys at", "none", "start it in one, or give --input gamepad")
    yield KeyboardHands(keyboard, MonotonicClock())


class KeyboardHands:
    """Keys as a stick that is held ``DEFLECTION`` far for as long as they are; moving it is its dead-man.

    Args:
        keyboard: says nothing more once its terminal is gone.
        clock: tells when a key was let go.
    """

    def __init__(self, keyboard: Keyboard, clock: Clock) -> None:
        self.identity = {"input": "keyboard", "deflection": DEFLECTION, "let_go_s": LET_GO_NS / 1e9}
        self._keyboard = keyboard
        self._clock = clock
        self._pressed: dict[str, tuple[int, int]] = {}
        self._hand = Hand(0, HandDevice.KEYBOARD, False, 0.0, 0.0)
        self._sent_ns: int | None = None

    def press(self, key: str) -> None:
        """Takes a key; the newest of two opposite ones counts."""
        if key in _DIRECTIONS:
            axis, sign = _DIRECTIONS[key]
            self._pressed[axis] = (sign, self._clock.now_ns())

    @property
    def spoiled(self) -> int:
        """None: they come no way on which they could be."""
        return 0

    def receive(self) -> tuple[list[Hand], list[bytes]]:
        """The hand, where it changed or is due again."""
        now_ns = self._clock.now_ns()
        if not self._keyboard.there:
            return [], []
        held = {axis: sign for axis, (sign, since_ns) in self._pressed.items() if now_ns - since_ns <= LET_GO_NS}
        hand = Hand(
            self._hand.seq,
            HandDevice.KEYBOARD,
            bool(held),
            DEFLECTION * held.get("forward", 0),
            DEFLECTION * held.get("turn", 0),
            buttons=sum(_BITS[direction] for direction in held.items()),
        )
        if hand == self._hand and self._sent_ns is not None and now_ns - self._sent_ns < RESEND_S * 1e9:
            return [], []
        self._hand, self._sent_ns = hand._replace(seq=hand.seq + 1), now_ns
        return [self._hand], []


class PadHands:
    """A pad, read by a process of its own that ends with this one. Use as a context manager.

    Args:
        wanted: part of the pad's name; empty for the first there is.
        command: that starts the process, without the socket's descriptor and the name.
        patience_s: how long to wait for a pad.

    Raises:
        LinkError: no pad was found.
        ConfigError: the pad has no map that fits.
        ModuleNotFoundError: pygame is not installed.
    """

    def __init__(
        self,
        wanted: str = "",
        command: Sequence[str] = (sys.executable, "-m", "robot_il.cli.pad_source"),
        patience_s: float = PATIENCE_S,
    ) -> None:
        if importlib.util.find_spec("pygame") is None:
            raise ModuleNotFoundError("no pygame", name="pygame")
        self._inbox, outbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        outbox.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE_BYTES)
        self._process = subprocess.Popen(
            [*command, str(outbox.fileno()), wanted], pass_fds=(outbox.fileno(),), stdin=subprocess.DEVNULL
        )
        outbox.close()
        self._link = HandLink(self._inbox)
        try:
            self.identity = {"input": "gamepad", "pad": self._await_pad(wanted, patience_s)}
        except BaseException:
            self.close()
            raise

    def _await_pad(self, wanted: str, patience_s: float) -> dict[str, Any]:
        """What the process says of the pad that it reads."""
        end = time.monotonic() + patience_s
        refused: ConfigError | None = None
        while not self._link.closed and time.monotonic() < end:
            select.select([self._inbox], (), (), 0.1)
            for text in self._link.receive()[1]:
                said = read_request(text)
                if said.get("state") == "here":
                    return {key: said.get(key) for key in ("name", "guid", "origin", "map")}
                if said.get("state") == "refused":
                    refused = ConfigError(*(str(said.get(key)) for key in ("expected", "came", "remedy")))
                    end = min(end, time.monotonic() + SECOND_CHANCE_S)
        named = f" with {wanted!r} in its name" if wanted else ""
        came = "a process that ended" if self._link.closed else f"none within {patience_s:g} s"
        remedy = "plug it in or press a button to wake it; robot-il pad lists those that are seen"
        raise refused or LinkError(f"a gamepad{named}", came, remedy)

    def press(self, key: str) -> None:
        """Nothing: the pad drives, and not the keys."""

    def receive(self) -> tuple[list[Hand], list[bytes]]:
        """Hands and requests since the last look."""
        return self._link.receive()

    @property
    def spoiled(self) -> int:
        """Packets that were neither."""
        return self._link.spoiled

    def close(self) -> None:
        """Ends the process, which notices that nobody listens any more."""
        self._inbox.close()
        for insist in (self._process.terminate, self._process.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_PATIENCE_S)
                return
            insist()
        self._process.wait()

    def __enter__(self) -> PadHands:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def check_heard(operator: Operator, now_ns: int) -> Check:
    """Whether the person is heard, without whom nothing is driven."""
    silence_ns = now_ns - operator.heard_ns
    found = f"heard {silence_ns / 1e6:.0f} ms ago" if operator.heard_ns else "never heard"
    return Check("person heard", silence_ns <= OPERATOR_SILENT_NS, found, "see whether robot-il pad --watch shows it")


class Relay:
    """A sink for a person's hands while there is no log yet, and from then on the log.

    Attributes:
        sink: where it all goes.
    """

    def __init__(self) -> None:
        self.sink: Sink = NullSink()

    def tick(self, row: bytes) -> None:
        """Hands the row on."""
        self.sink.tick(row)

    def event(self, name: str, **detail: object) -> None:
        """Hands the event on."""
        self.sink.event(name, **detail)

    def hand(self, row: bytes) -> None:
        """Hands the row on."""
        self.sink.hand(row)
