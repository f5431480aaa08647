"""Joysticks that SDL itself makes up, for tests: all the rest, pygame and the database included, is the real path."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot_il.cli.sdl_pads import SdlPads

_GAMEPAD = 1
FULL = 32767


def _sdl() -> ctypes.CDLL:
    """The very library that pygame has loaded; a second copy would know of none of its pads."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    path = next(line.split()[-1] for line in lines if "libSDL2-" in line)
    library = ctypes.CDLL(path)
    library.SDL_JoystickFromInstanceID.restype = ctypes.c_void_p
    return library


def database() -> list[tuple[str, str, dict[str, str]]]:
    """SDL's game-controller database for this platform: GUID, name, and what is what."""
    library = _sdl()
    library.SDL_GameControllerMappingForIndex.restype = ctypes.c_char_p
    count = library.SDL_GameControllerNumMappings()
    rows = [library.SDL_GameControllerMappingForIndex(index).decode().split(",") for index in range(count)]
    return [(guid, name, dict(entry.split(":", 1) for entry in rest if ":" in entry)) for guid, name, *rest in rows]


@pytest.fixture(autouse=True)
def no_maps_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture
def pads() -> Iterator[SdlPads]:
    with SdlPads() as pads:
        yield pads


class VirtualPad:
    """A pad with six axes and twelve buttons, plugged in when it is made. SDL's database knows it."""

    def __init__(self, axes: int = 6, buttons: int = 12, kind: int = _GAMEPAD, hats: int = 0) -> None:
        self._sdl = _sdl()
        self._kind, self._axes, self._buttons, self._hats = kind, axes, buttons, hats
        self.plug()

    def plug(self) -> None:
        self._number = self._sdl.SDL_JoystickAttachVirtual(self._kind, self._axes, self._buttons, self._hats)
        assert self._number >= 0

    def unplug(self) -> None:
        assert self._sdl.SDL_JoystickDetachVirtual(self._number) == 0

    def _handle(self) -> ctypes.c_void_p:
        """Of the joystick, which whoever reads it has opened."""
        identity = self._sdl.SDL_JoystickGetDeviceInstanceID(self._number)
        handle = self._sdl.SDL_JoystickFromInstanceID(identity)
        assert handle, "nobody has opened this pad"
        return ctypes.c_void_p(handle)

    def push(self, axis: int, value: float) -> None:
        assert self._sdl.SDL_JoystickSetVirtualAxis(self._handle(), axis, ctypes.c_int16(round(value * FULL))) == 0

    def turn_hat(self, directions: int) -> None:
        """As SDL has them: up 1, right 2, down 4, left 8."""
        assert self._sdl.SDL_JoystickSetVirtualHat(self._handle(), 0, ctypes.c_uint8(directions)) == 0

    def press(self, button: int, down: bool = True) -> None:
        assert self._sdl.SDL_JoystickSetVirtualButton(self._handle(), button, int(down)) == 0
