"""What an onlooker in the world sees of a fault: how long wheels were driven without fresh commands, who fell when."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from firmware_bridge.protocol import Decoder
from robot_il.spec import LIMITS, MESSAGES
from sim.twin import STEP_US, Twin

REMEMBERED = 512
"""STATEs kept to match answers: 2.5 s of them."""
_STATE_SEQ = [field.name for field in MESSAGES["STATE"].fields].index("state_seq")
_COMMAND = [field.name for field in MESSAGES["COMMAND"].fields]
_ANSWERED = _COMMAND.index("state_seq")
_HEIGHT = _COMMAND.index("height")
_TORQUES = slice(_COMMAND.index("torque_left"), _COMMAND.index("torque_right") + 1)


class WheelWatch:
    """Looks at both ends of the MCU's line and at what its drives act on, once a millisecond.

    It asks the firmware nothing. A command is fresh if it came to the MCU whole, is a pair of permitted torques with a
    height that the legs hold, and answers a later STATE than any before it; its age counts from the millisecond when
    that STATE was sent.

    Attributes:
        driven_us: longest time after the STATE that the newest fresh command answers at which a wheel was driven.
        driven_down_us: how long, all in all, a wheel was driven while the robot leant beyond what the MCU permits.
        events: of the twin, with the world's time in us.
        on_look: called with every look; for whoever follows more of the robot.
    """

    def __init__(self, twin: Twin) -> None:
        self.driven_us = 0
        self.driven_down_us = 0
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.on_look: Callable[[], None] = lambda: None
        self._twin = twin
        self._low_m, self._high_m = (float(np.float32(height)) for height in twin.heights_m)  # as the wire has them
        self._to_host, self._to_mcu = Decoder(), Decoder()
        self._sent_us: dict[int, int] = {}
        self._fresh_us = 0

    def received(self, data: bytes) -> None:
        """Takes bytes that have come to the MCU."""
        for name, values in self._to_mcu.feed(data):
            if name == "COMMAND" and self._permitted(values):
                self._fresh_us = max(self._fresh_us, self._sent_us.get(values[_ANSWERED], 0))

    def _permitted(self, values: tuple) -> bool:
        torques = all(abs(torque) <= LIMITS.wheel_torque_nm for torque in values[_TORQUES])
        return torques and self._low_m <= values[_HEIGHT] <= self._high_m

    def sent(self, data: bytes) -> None:
        """Takes bytes that the MCU has put on the line."""
        for name, values in self._to_host.feed(data):
            if name == "STATE":
                self._sent_us[values[_STATE_SEQ]] = self._twin.world_us
                if len(self._sent_us) > REMEMBERED:
                    del self._sent_us[next(iter(self._sent_us))]

    def look(self) -> None:
        """After every millisecond of the world."""
        twin = self._twin
        if any(twin.drives.acting_nm):
            self.driven_us = max(self.driven_us, twin.world_us - self._fresh_us)
            self.driven_down_us += STEP_US if lean(twin) > LIMITS.tilt_rad else 0
        if twin.events:
            self.events += [(twin.world_us, event) for event in twin.events]
            twin.events.clear()
        self.on_look()


def lean(twin: Twin) -> float:
    """Angle in rad between the body's axis and the vertical, whichever way it leans."""
    x, y, _, _ = twin.plant.quaternion
    return math.acos(max(-1.0, min(1.0, 1.0 - 2.0 * (x * x + y * y))))
