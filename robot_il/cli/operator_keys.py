"""What a person may ask for while something drives: by a key of the terminal or a button of the pad."""

from __future__ import annotations

import math
from collections.abc import Callable

from robot_il.cli.episode_keys import EpisodeKeys
from robot_il.cli.hands import OpenHands
from robot_il.cli.keyboard import Keyboard
from robot_il.control.device import Device
from robot_il.control.loop import ControlLoop
from robot_il.control.pad_layout import ACTIONS
from robot_il.control.posture import HEIGHT_STEPS_M
from robot_il.control.sink import Sink
from robot_il.control.teleop import Stick, read_request

KEYS = {
    " ": "stop",
    "e": "estop",
    **dict.fromkeys("\n\r", "record"),
    **dict.fromkeys("\x7f\b", "redo"),
    "1": "good",
    "2": "ok",
    "3": "bad",
    **dict.fromkeys(("page up", "+"), "raise"),
    **dict.fromkeys(("page down", "-"), "lower"),
}
HELP = (
    "keys: space stop, e emergency stop; Enter starts and stops an episode, 1 good, 2 ok, 3 bad, Backspace again; "
    "+ and - raise and lower the body"
)
_PAD_STATES = {"gone": "the pad is gone", "here": "the pad is back", "refused": "a pad that cannot be used"}


class OperatorKeys:
    """Obeys keys and buttons; look once a tick.

    Args:
        keyboard: where the keys come from.
        loop: asked for a safe stop.
        device: asked for an emergency stop.
        sink: is told what was asked for.
        episodes: of the recording.
        say: tells the person, must not block.
        hands: are given the keys that drive; None where nobody drives.
        stick: whose requests are obeyed; None where nobody drives.
    """

    def __init__(
        self,
        keyboard: Keyboard,
        loop: ControlLoop,
        device: Device,
        sink: Sink,
        episodes: EpisodeKeys,
        say: Callable[[str], None],
        hands: OpenHands | None = None,
        stick: Stick | None = None,
    ) -> None:
        self._keyboard = keyboard
        self._loop = loop
        self._device = device
        self._sink = sink
        self._episodes = episodes
        self._say = say
        self._hands = hands
        self._stick = stick

    def look(self) -> None:
        """Obeys what was asked for since the last look."""
        for key in self._keyboard.pressed():
            if key in KEYS:
                self._sink.event("key", key=key)
                self._obey(KEYS[key])
            elif self._hands is not None:
                self._hands.press(key)
        while self._stick is not None and self._stick.requests:
            request = read_request(self._stick.requests.popleft())
            if request.get("do") == "press" and request.get("action") in ACTIONS:
                self._sink.event("button", action=request["action"])
                self._obey(request["action"])
            elif request.get("do") == "pad":
                self._notice(request)

    def _obey(self, action: str) -> None:
        if action == "estop":
            self._device.request("estop")
        elif action == "stop":
            self._loop.request_stop()
        elif action in HEIGHT_STEPS_M:
            height_m = self._loop.height_m + HEIGHT_STEPS_M[action]
            if math.isfinite(height_m):  # there is one once a STATE was read
                self._say(f"body to {self._loop.ask_height(height_m):.3f} m above the axle")
        else:
            self._episodes.obey(action)

    def _notice(self, request: dict[str, object]) -> None:
        """A pad that went or came; what it is called and how it is read goes into the log."""
        state = str(request.get("state"))
        named = {key: request[key] for key in ("name", "guid", "origin", "map", "came") if key in request}
        self._sink.event("pad", state=state, pad=named)
        self._say(_PAD_STATES.get(state, state))
