"""Pads as SDL sees them, through pygame. Only for processes that hold no robot: pygame may start threads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from robot_il.control.pad_layout import BUTTONS, HAT

if TYPE_CHECKING:
    from pygame.joystick import JoystickType

_SETTINGS = {
    "SDL_VIDEODRIVER": "dummy",  # no screen is needed
    "SDL_AUDIODRIVER": "dummy",
    "SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS": "1",  # there is no window that could have the focus
    "SDL_JOYSTICK_HIDAPI": "0",  # SDL's own drivers number axes and buttons otherwise than the kernel's
    "SDL_NO_SIGNAL_HANDLERS": "1",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
}
_BLUETOOTH = "05"
"""First byte of the GUID of a pad that comes over Bluetooth; SDL has the kernel's bus type there."""


class Reading(NamedTuple):
    """What a pad says at one moment.

    Attributes:
        axes: raw, -1..1.
        buttons: a bit for each that is pressed; the hat's directions are the last four.
    """

    axes: tuple[float, ...]
    buttons: int


class Pad:
    """One pad that is plugged in.

    Args:
        joystick: of pygame, open.
        database: what SDL's game-controller database has of it; None for nothing.

    Attributes:
        name: that it gives itself.
        guid: that SDL gives its kind and its way of being connected.
        axes: how many it has.
        buttons: how many of them a hand can hold.
        hat: whether it has one whose directions are read as buttons.
        bluetooth: whether it comes over Bluetooth.
    """

    def __init__(self, joystick: JoystickType, database: dict[str, str] | None) -> None:
        self._joystick = joystick
        self.database = database
        self.name = joystick.get_name()
        self.guid = joystick.get_guid()
        self.axes = joystick.get_numaxes()
        self.buttons = min(joystick.get_numbuttons(), BUTTONS)
        self.hat = joystick.get_numhats() > 0 and self.buttons <= HAT
        self.bluetooth = self.guid.startswith(_BLUETOOTH)

    def read(self) -> Reading:
        """As of the last ``SdlPads.look``; all zeros once it is gone."""
        axes = tuple(self._joystick.get_axis(number) for number in range(self.axes))
        pressed = (self._joystick.get_button(number) << number for number in range(self.buttons))
        return Reading(axes, sum(pressed) | (self._hat_bits() if self.hat else 0))

    def _hat_bits(self) -> int:
        right, up = self._joystick.get_hat(0)
        directions = (up > 0, right > 0, up < 0, right < 0)
        return sum(pressed << HAT + number for number, pressed in enumerate(directions))


class SdlPads:
    """All pads of this machine. Use as a context manager.

    Raises:
        ModuleNotFoundError: pygame is not installed.
    """

    def __init__(self) -> None:
        os.environ.update(_SETTINGS)
        import pygame
        from pygame._sdl2 import controller

        self._pygame = pygame
        self._controller = controller
        pygame.display.init()
        pygame.joystick.init()
        controller.init()
        self._pads: dict[int, Pad] = {}

    def __enter__(self) -> SdlPads:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pads.clear()
        self._controller.quit()
        self._pygame.joystick.quit()
        self._pygame.display.quit()

    def look(self) -> list[Pad]:
        """Takes what came since the last look; returns the pads that are there now, the oldest first.

        Whether a pad is there is asked of SDL each time and not gathered from events, of which one might be missed. A
        pad that went and came back in between is another one.
        """
        self._pygame.event.clear()
        there: dict[int, Pad] = {}
        for number in range(self._pygame.joystick.get_count()):
            try:
                joystick = self._pygame.joystick.Joystick(number)
            except self._pygame.error:
                # gone again, or not ours to open
                continue
            identity = joystick.get_instance_id()
            there[identity] = self._pads.get(identity) or Pad(joystick, self._known(number))
        self._pads = there
        return [there[identity] for identity in sorted(there)]

    def _known(self, number: int) -> dict[str, str] | None:
        if not self._controller.is_controller(number):
            return None
        known = self._controller.Controller(number)
        mapping = known.get_mapping()
        known.quit()
        return {str(key): str(value) for key, value in mapping.items()}
