"""Building the image for the microcontroller, and reading what was built."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from firmware_bridge import hostlib
from firmware_bridge.cross_build import build_image
from firmware_bridge.elf import read_elf
from robot_il.errors import ConfigError
from tests.firmware_bridge.image_tools import FLASH, needs_image

BOARD = Path(hostlib.__file__).parent / "firmware" / "board"


@pytest.fixture(scope="module")
def image() -> Path:
    return build_image()


@needs_image
def test_an_unchanged_image_is_reused(image):
    before = image.stat().st_mtime_ns
    assert build_image() == image
    assert image.stat().st_mtime_ns == before


@needs_image
def test_a_warning_is_an_error(image):
    with pytest.raises(ConfigError, match="without a warning"):
        build_image("-DPI=3")  # a macro defined twice is a warning


@needs_image
def test_the_core_finds_its_stack_and_its_first_instruction(image):
    address, data = read_elf(image).segments[0]
    stack, start = struct.unpack_from("<2I", data)
    assert address == FLASH
    assert 0x20000000 < stack <= 0x20004000
    assert stack % 8 == 0
    assert start == read_elf(image).symbols["ril_reset"] | 1


@needs_image
def test_the_stack_grows_away_from_the_firmwares_state(image):
    symbols = read_elf(image).symbols
    assert symbols["ril_stack_top"] <= symbols["ril_data_start"] <= symbols["ril_bss_start"] < symbols["ril_bss_end"]


@needs_image
def test_the_image_is_small(image):
    assert sum(len(data) for _, data in read_elf(image).segments) < 32 * 1024


def test_a_machine_without_a_compiler_for_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="apt-get install gcc-arm-none-eabi"):
        build_image()


def test_a_chosen_compiler_that_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("CROSS_CC", "no-such-compiler")
    with pytest.raises(ConfigError, match="no 'no-such-compiler' on the PATH"):
        build_image()


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.elf: No such file"):
        read_elf(tmp_path / "none.elf")


def test_the_host_library_is_no_image():
    with pytest.raises(ConfigError, match="not such a file"):
        read_elf(hostlib.build())


@needs_image
@pytest.mark.parametrize("share", [0.0, 0.0001, 0.001, 0.3, 0.7, 0.99])
def test_a_cut_image_is_refused(image, share, tmp_path):
    data = image.read_bytes()
    cut = tmp_path / "cut.elf"
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ConfigError, match=r"cut\.elf"):
        read_elf(cut)


def test_a_file_too_large_for_an_image_is_refused_unread(tmp_path):
    large = tmp_path / "large.elf"
    with large.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ConfigError, match="1073741824 bytes"):
        read_elf(large)


@pytest.mark.parametrize("path", [*BOARD.glob("*.[ch]")], ids=lambda path: path.name)
def test_the_boards_code_needs_no_c_library(path):
    allowed = {"<math.h>", "<stdbool.h>", "<stddef.h>", "<stdint.h>", "<string.h>"}
    includes = [line.split()[1] for line in path.read_text().splitlines() if line.startswith("#include")]
    assert {name for name in includes if name.startswith("<")} <= allowed


def test_the_firmware_calls_no_function_of_a_math_library():
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm of binutils is not installed")
    lines = subprocess.run([nm, "-u", hostlib.build()], capture_output=True, text=True).stdout.splitlines()
    called = {line.split()[-1].partition("@")[0] for line in lines if line.split()[0] == "U"}
    assert called <= {"memcpy", "memset", "memmove", "__stack_chk_fail"}
