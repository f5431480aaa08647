"""The emulated image in the place of the host library: the same bits, and what only a processor can do."""

from __future__ import annotations

import ctypes
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.hostlib import Board, Firmware, Sensors
from firmware_bridge.protocol import Decoder, encode
from robot_il.errors import ConfigError
from robot_il.spec import MESSAGES, Event, Mode
from tests.firmware_bridge.abuse import LEGGED, Abuser
from tests.firmware_bridge.c_messages import STRUCTS, Request, unpacked
from tests.firmware_bridge.conftest import tick
from tests.firmware_bridge.image_tools import reason_without

if reason_without():
    pytest.skip(reason_without(), allow_module_level=True)

from firmware_bridge.cross_build import build_image
from firmware_bridge.elf import read_elf
from firmware_bridge.emulator import INSTRUCTIONS_PER_MS, EmulatedFirmware
from firmware_bridge.processor import RAM, Processor
from tests.firmware_bridge.conftest import Bench

ROOT = Path(__file__).parents[2]
BOARD = Board(boot_id=1, robot_id=1, wheel_radius_m=0.05)
WATCHDOG_MS = 20
FRAMES = json.loads((ROOT / "data" / "golden" / "wire_frames.json").read_text())["frames"]
SCRATCH = RAM + 0x100  # the far end of the stack


class Twins:
    """Host library and image side by side: what is done to one is done to both, and all that comes out must agree."""

    def __init__(self, image: EmulatedFirmware, library: Firmware) -> None:
        self._both = image, library
        self.sensors = library.sensors

    def tick(self) -> None:
        ctypes.memmove(ctypes.byref(self._both[0].sensors), ctypes.byref(self.sensors), ctypes.sizeof(Sensors))
        for firmware in self._both:
            firmware.tick()

    def receive(self, data: bytes) -> None:
        for firmware in self._both:
            firmware.receive(data)

    def transmit(self) -> bytes:
        image, library = (firmware.transmit() for firmware in self._both)
        assert image == library
        return library

    def __getattr__(self, name: str):
        image, library = (getattr(firmware, name) for firmware in self._both)
        assert image == library, name
        return library


@pytest.fixture
def firmware() -> EmulatedFirmware:
    return EmulatedFirmware(BOARD)


def events(firmware: EmulatedFirmware) -> list[Event]:
    return [Event(values[1]) for name, values in Decoder().feed(firmware.transmit()) if name == "EVENT"]


def drive(firmware: EmulatedFirmware, torque: float) -> None:
    """Arms and commands, up to full torque."""
    for _ in range(10):
        tick(firmware)
    firmware.receive(encode("ARM", BOARD.boot_id, 2))
    for sequence in range(1, 4):
        for _ in range(5):
            tick(firmware)
        firmware.receive(encode("COMMAND", sequence, 2 + sequence, torque, torque, 0.0))
    firmware.tick()
    firmware.transmit()


@pytest.mark.parametrize("seed", range(2))
def test_image_and_host_library_give_the_same_bits_whatever_comes(seed):
    both = Twins(EmulatedFirmware(LEGGED), Firmware(LEGGED))
    abuser = Abuser(both, random.Random(seed))
    for _ in range(5000):
        abuser.tick()
        _ = both.mode, both.faults, both.time_us, both.undecodable, both.dropped
    assert abuser.armed_ticks > 500
    assert abuser.raised_m > 0.01


def test_the_image_starts_at_any_time_and_sequence_number():
    board = Board(boot_id=5, robot_id=9, wheel_radius_m=0.1, initial_time_us=2**40, initial_state_seq=2**32 - 3)
    both = Twins(EmulatedFirmware(board), Firmware(board))
    for _ in range(40):
        both.receive(encode("HELLO", 1, 2) + encode("TIME_REQUEST", 3))
        both.tick()
        both.transmit()


def test_bytes_of_several_buffers_at_once_and_bytes_that_nobody_takes():
    both = Twins(EmulatedFirmware(BOARD), Firmware(BOARD))
    both.receive(encode("TIME_REQUEST", 1) * 1000)
    assert both.dropped > 0
    both.transmit()
    for _ in range(300):
        both.tick()
    both.transmit()


def test_lost_time_is_told(firmware):
    firmware.transmit()
    firmware.lost_time(12.5)
    ((_, values),) = Decoder().feed(firmware.transmit())
    assert (values[1], values[3]) == (Event.TIME_SLIPPED, 12.5)


def test_the_host_librarys_tests_of_the_watchdog_pass_on_the_image():
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "tests.firmware_bridge.on_the_image"]
    result = subprocess.run(
        [*command, "tests/firmware_bridge/test_watchdog.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout


def test_the_hardware_watchdog_ends_a_hang_with_the_wheels_still(firmware):
    drive(firmware, 2.0)
    assert firmware.torque_left == 2.0
    firmware.hang()
    for _ in range(WATCHDOG_MS - 1):
        firmware.tick()
    assert (firmware.resets, firmware.torque_left) == (0, 2.0)
    firmware.tick()
    assert (firmware.resets, firmware.torque_left, firmware.torque_right) == (1, 0.0, 0.0)
    assert firmware.mode == Mode.DISARMED
    assert Event.BOOTED in events(firmware)


def test_a_reset_mcu_is_another_boot_and_takes_no_command_of_the_old_one(firmware):
    drive(firmware, 2.0)
    firmware.reset()
    for _ in range(10):
        firmware.tick()
    firmware.receive(encode("ARM", BOARD.boot_id, 2) + encode("COMMAND", 9, 2, 1.0, 1.0, 0.0) + encode("HELLO", 1, 1))
    firmware.tick()
    assert (firmware.mode, firmware.torque_left) == (Mode.DISARMED, 0.0)
    (identity,) = [values for name, values in Decoder().feed(firmware.transmit()) if name == "IDENTITY"]
    assert identity[2] == BOARD.boot_id + 1


def test_an_mcu_that_sleeps_on_is_not_reset(firmware):
    for _ in range(10 * WATCHDOG_MS):
        firmware.tick()
        firmware.transmit()
    assert (firmware.resets, firmware.crash) == (0, "")


def test_a_tick_leaves_the_core_most_of_its_millisecond():
    firmware = EmulatedFirmware(BOARD, instructions_per_ms=INSTRUCTIONS_PER_MS // 8)
    both = Twins(firmware, Firmware(BOARD))
    for _ in range(200):
        both.tick()
        both.transmit()
    assert firmware.resets == 0


def test_a_core_too_slow_for_its_ticks_keeps_the_time_by_making_up_for_missed_ones():
    firmware = EmulatedFirmware(BOARD, instructions_per_ms=2_400)
    for _ in range(50):
        firmware.tick()
    start = firmware.time_us
    for _ in range(500):
        firmware.tick()
        firmware.transmit()
    assert firmware.resets == 0
    assert abs(firmware.time_us - start - 500_000) <= 1000 * WATCHDOG_MS


def test_a_core_far_too_slow_is_reset_again_and_again():
    firmware = EmulatedFirmware(BOARD, instructions_per_ms=50)
    for _ in range(2000):
        firmware.tick()
    assert firmware.resets >= 2
    assert firmware.torque_left == 0.0


def test_an_image_without_the_firmwares_state_is_refused(tmp_path):
    other = tmp_path / "other.elf"
    other.write_bytes(build_image().read_bytes().replace(b"ril_mcu_of_board", b"some_other_thing"))
    with pytest.raises(ConfigError, match=r"with ril_mcu_of_board in its RAM; came .*other\.elf without"):
        EmulatedFirmware(BOARD, other)


class Codec:
    """The image's own functions, called one by one."""

    def __init__(self) -> None:
        image = read_elf(build_image())
        self._symbols = image.symbols
        self._core = Processor(image)
        self._core.run(INSTRUCTIONS_PER_MS)
        self._ram = self._core.memory(RAM)

    def encode(self, name: str, values: tuple) -> bytes:
        message = bytes(STRUCTS[name](*values))
        self._put(0, message)
        size = self._core.call(self._symbols[f"ril_encode_{name.lower()}"], SCRATCH, SCRATCH + 0x100)
        return self._get(0x100, size)

    def decode(self, frame: bytes) -> tuple[str, tuple]:
        """Feeds a struct ril_rx at 0x100 byte by byte, with the frame's struct at 0x000 and the request's at 0x300."""
        self._put(0x100, bytes(0x100))
        for byte in frame:
            complete = self._core.call(self._symbols["ril_rx_byte"], SCRATCH + 0x100, byte, SCRATCH)
        assert complete & 0xFF
        assert self._core.call(self._symbols["ril_request_decode"], SCRATCH, SCRATCH + 0x300) & 0xFF
        return unpacked(Request.from_buffer_copy(self._get(0x300, ctypes.sizeof(Request))))

    def _put(self, offset: int, data: bytes) -> None:
        start = SCRATCH - RAM + offset
        self._ram[start : start + len(data)] = data

    def _get(self, offset: int, size: int) -> bytes:
        start = SCRATCH - RAM + offset
        return self._ram[start : start + size]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec()


def golden(sender: str) -> list:
    chosen = [frame for frame in FRAMES if MESSAGES[frame["message"]].sender == sender]
    return [pytest.param(frame, id=f"{frame['message']}-{frame['case']}") for frame in chosen]


@pytest.mark.parametrize("frame", golden("mcu"))
def test_the_image_encodes_the_golden_bytes(codec, frame):
    assert codec.encode(frame["message"], tuple(frame["values"].values())).hex() == frame["frame"]


@pytest.mark.parametrize("frame", golden("host"))
def test_the_image_decodes_the_golden_bytes(codec, frame):
    expected = frame["message"], tuple(frame["values"].values())
    assert codec.decode(bytes.fromhex(frame["frame"])) == expected


def test_bench_takes_the_image_as_it_takes_the_library(monkeypatch):
    monkeypatch.setattr("tests.firmware_bridge.conftest.Firmware", EmulatedFirmware)
    bench = Bench()
    bench.arm()
    bench.drive(1.5)
    assert bench.torques == (1.5, 1.5)
