"""Plugin that puts the emulated image in the place of the host library, so that the library's tests judge the image.

pytest -n 0 -p tests.firmware_bridge.on_the_image tests/firmware_bridge/test_modes.py
"""

from __future__ import annotations

from firmware_bridge import hostlib
from firmware_bridge.emulator import EmulatedFirmware

hostlib.Firmware = EmulatedFirmware  # type: ignore[misc,assignment]
