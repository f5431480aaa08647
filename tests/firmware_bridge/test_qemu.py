"""The firmware in QEMU boots, knows who it is and speaks; nothing here judges how fast."""

from __future__ import annotations

import shutil

import pytest

from firmware_bridge.protocol import Decoder, encode
from firmware_bridge.qemu import PROGRAM, QemuFirmware
from robot_il.cli.main import main
from robot_il.control.device import State
from robot_il.errors import ConfigError
from robot_il.spec import PROTOCOL_VERSION, SPEC_HASH_U64, Fault, Mode
from tests.firmware_bridge.conftest import BOARD
from tests.firmware_bridge.image_tools import needs_image

needs_qemu = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed")


@pytest.fixture
def firmware():
    firmware = QemuFirmware(BOARD)
    yield firmware
    firmware.close()


@needs_image
@needs_qemu
def test_it_ticks_takes_samples_and_answers_hello(firmware):
    firmware.receive(encode("HELLO", PROTOCOL_VERSION, SPEC_HASH_U64))
    firmware.sensors.battery = 23.5
    decoder, found = Decoder(), {}
    for number in range(400):
        firmware.sensors.gyro_pitch = 1e-3 * (number % 2)  # a sensor that never moves is a dead one
        firmware.tick()
        for name, values in decoder.feed(firmware.transmit()):
            found.setdefault(name, []).append(values)
    assert decoder.undecodable == 0
    (identity,) = found["IDENTITY"]
    assert identity == (PROTOCOL_VERSION, SPEC_HASH_U64, BOARD.boot_id, 0x100, BOARD.robot_id)
    states = [State._make(values) for values in found["STATE"]]
    assert len(states) > 50
    first = states[0].state_seq
    assert [state.state_seq for state in states] == list(range(first, first + len(states)))
    assert 23.5 in [state.battery for state in states]
    assert firmware.time_us >= 400_000
    assert firmware.mode is Mode.DISARMED
    assert not firmware.faults & Fault.SENSOR_NOT_FINITE
    assert (firmware.undecodable, firmware.torque_left, firmware.torque_right) == (0, 0.0, 0.0)


@needs_image
@needs_qemu
def test_the_command_speaks_to_it_through_a_serial_port_and_says_what_came(capsys):
    assert main(["hil", "--qemu", "--seconds", "1"]) in (0, 1)  # upright or not is the machine's to decide
    printed = capsys.readouterr().out
    assert "image in QEMU behind /dev/" in printed
    assert "firmware 0.1.0, round trip" in printed
    assert " 0 undecodable" in printed
    assert "of the MCU's time" in printed


def test_a_machine_without_qemu_is_told_what_to_install(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="apt-get install qemu-system-arm"):
        QemuFirmware(BOARD)
    assert main(["hil", "--qemu", "--seconds", "1"]) == 1
    assert "apt-get install qemu-system-arm" in capsys.readouterr().err
