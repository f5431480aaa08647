"""What stands for the robot's microcontroller in a process: the compiled library, or the emulated image."""

from __future__ import annotations

from typing import Protocol

from firmware_bridge.hostlib import Sensors
from robot_il.spec import Fault, Mode


class Microcontroller(Protocol):
    """Fill ``sensors``, call ``tick`` once a millisecond, apply the torques; ``hostlib.Firmware`` describes each."""

    sensors: Sensors
    resets: int

    def receive(self, data: bytes) -> None:
        """Hands it bytes from the host."""

    def tick(self) -> None:
        """Lets 1 ms pass."""

    def transmit(self) -> bytes:
        """All bytes waiting to go to the host."""

    def lost_time(self, ms: float) -> None:
        """Tells it that its clock stood still for ``ms`` milliseconds."""

    def reset(self) -> None:
        """Pulls the reset line; it boots anew, with the next boot id."""

    def hang(self) -> None:
        """Stops it where it is, until the board's watchdog resets it."""

    @property
    def crash(self) -> str:
        """The fault that it took, empty for none."""

    @property
    def torque_left(self) -> float:
        """N m demanded of the left drive."""

    @property
    def torque_right(self) -> float:
        """N m demanded of the right drive."""

    @property
    def height(self) -> float:
        """Height of the body's origin above the axle that the legs have to hold, in m."""

    @property
    def mode(self) -> Mode:
        """What it is doing."""

    @property
    def faults(self) -> Fault:
        """Latched or present."""

    @property
    def time_us(self) -> int:
        """MCU time of the last tick."""

    @property
    def undecodable(self) -> int:
        """Frames from the host that were damaged."""

    @property
    def dropped(self) -> int:
        """Frames to the host that were lost."""
