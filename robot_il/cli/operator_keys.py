"""What the person at the terminal may do while something drives: stop it, take the robot over, give it back."""

from __future__ import annotations

from robot_il.cli.keyboard import Keyboard
from robot_il.control.clock import Clock
from robot_il.control.device import Device
from robot_il.control.loop import ControlLoop, Sink
from robot_il.control.takeover import TakeOver, VelocityDriver

VELOCITY_M_S = 0.3
LET_GO_NS = 600_000_000
"""Without an arrow for so long the robot is brought to rest: a terminal repeats a key that is held, after half a second
at first, and never says when it is released."""
HELP = "keys: space stop, e emergency stop"
TAKE_OVER_HELP = f"{HELP}, t take over, up and down drive then, r give back"


class OperatorKeys:
    """Obeys the keys; look once a tick.

    Args:
        keyboard: where the keys come from.
        loop: asked for a safe stop.
        device: asked for an emergency stop.
        clock: of the loop.
        sink: is told what was pressed.
        takeover: changes hands; None where nobody may take over.
        driver: drives for the person.
    """

    def __init__(
        self,
        keyboard: Keyboard,
        loop: ControlLoop,
        device: Device,
        clock: Clock,
        sink: Sink,
        takeover: TakeOver | None = None,
        driver: VelocityDriver | None = None,
    ) -> None:
        self._keyboard = keyboard
        self._loop = loop
        self._device = device
        self._clock = clock
        self._sink = sink
        self._takeover = takeover
        self._driver = driver
        self._arrow_ns = 0

    def look(self) -> None:
        """Obeys what was pressed since the last look."""
        for key in self._keyboard.pressed():
            self._obey(key)
        if self._driver is not None and self._driver.wanted_m_s and self._clock.now_ns() - self._arrow_ns > LET_GO_NS:
            self._driver.ask(0.0)

    def _obey(self, key: str) -> None:
        if key == "e":
            self._device.request("estop")
        elif key == " ":
            self._loop.request_stop()
        elif key == "t" and self._takeover is not None:
            self._takeover.take()
        elif key == "r" and self._takeover is not None:
            self._takeover.give_back()
        elif key in ("up", "down") and self._driver is not None:
            self._driver.ask(VELOCITY_M_S if key == "up" else -VELOCITY_M_S)
            self._arrow_ns = self._clock.now_ns()
            return  # a held key would fill the log
        else:
            return
        self._sink.event("key", key=key)
