"""A few of the faults on the emulated image: the binary keeps the promises that the host library keeps."""

from __future__ import annotations

import pytest

from sim.faults import FAULTS
from tests.firmware_bridge.image_tools import reason_without

from .flights import flown

if reason_without():
    pytest.skip(reason_without(), allow_module_level=True)

from firmware_bridge.emulator import EmulatedFirmware


@pytest.mark.parametrize(
    "name", ["flip-some-to-mcu", "flood-to-mcu", "host-killed", "mcu-reset", "mcu-brown-out", "mcu-hung", "imu-nan"]
)
def test_the_image_keeps_the_promise(name, tmp_path) -> None:
    _, verdict = flown(FAULTS[name], tmp_path, EmulatedFirmware)
    assert verdict.broken == ()


def test_the_image_reacts_when_the_host_library_does(tmp_path) -> None:
    seen = []
    for number, firmware in enumerate((None, EmulatedFirmware)):
        folder = tmp_path / str(number)
        folder.mkdir()
        _, verdict = flown(FAULTS["cut-to-mcu"], folder, *filter(None, (firmware,)))
        seen.append((verdict.mcu, verdict.mcu_ms, verdict.driven_ms, verdict.largest_lean_rad))
    assert seen[0] == seen[1]
