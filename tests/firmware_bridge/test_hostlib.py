"""Building and loading the firmware."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge import hostlib
from firmware_bridge.hostlib import Board, Firmware, build
from robot_il.errors import ConfigError
from robot_il.spec import LIMITS, Fault, Mode

FIRMWARE = Path(hostlib.__file__).parent / "firmware"
ON_THE_MCU = [path for path in sorted(FIRMWARE.glob("*.[ch]")) if path.stem != "host"]


def test_an_unchanged_build_is_reused():
    library = build()
    before = library.stat().st_mtime_ns
    assert build() == library
    assert library.stat().st_mtime_ns == before


def test_other_flags_make_another_build():
    assert build("-O1") != build()


def test_builds_side_by_side_leave_one_whole_library(tmp_path):
    script = f"from firmware_bridge.hostlib import build; print(build('-DTRIAL={tmp_path.stat().st_ino}'))"
    runs = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {run.communicate()[0].strip() for run in runs}
    (path,) = paths
    assert not list(Path(path).parent.glob(".building-*"))
    Path(path).unlink()


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(ConfigError, match="no 'no-such-compiler' on the PATH; install one"):
        build()


def test_a_compiler_that_refuses_the_sources_is_named():
    with pytest.raises(ConfigError, match="exit code"):
        build("-Dstatic=nonsense")


def test_a_failed_build_leaves_nothing_behind():
    folder = build().parent
    before = set(folder.iterdir())
    with pytest.raises(ConfigError):
        build("-Dstatic=nonsense")
    assert set(folder.iterdir()) == before


def test_an_installation_without_a_repository_builds_into_the_users_cache(tmp_path, monkeypatch):
    package = tmp_path / "site-packages"
    here = Path(hostlib.__file__).parents[1]
    for name in ("firmware_bridge", "robot_il"):
        shutil.copytree(here / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    script = "from firmware_bridge.hostlib import build; print(build())"
    result = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(package)!r})\n{script}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert result.stdout.startswith(str(tmp_path / "cache" / "robot-il" / "firmware")), result.stderr


def test_two_firmwares_share_nothing():
    first = Firmware(Board(boot_id=1, robot_id=1, wheel_radius_m=0.05))
    second = Firmware(Board(boot_id=2, robot_id=2, wheel_radius_m=0.05))
    for _ in range(7):
        first.tick()
    assert (first.time_us, second.time_us) == (7000, 0)


def test_a_firmware_boots_disarmed_and_without_torque():
    firmware = Firmware(Board(boot_id=1, robot_id=1, wheel_radius_m=0.05, initial_time_us=123_000))
    assert (firmware.mode, firmware.torque_left, firmware.torque_right) == (Mode.DISARMED, 0.0, 0.0)
    assert (firmware.time_us, firmware.faults) == (123_000, Fault.SENSOR_STALE)


def test_bytes_that_nobody_takes_are_dropped_by_whole_frames():
    firmware = Firmware(Board(boot_id=1, robot_id=1, wheel_radius_m=0.05))
    for _ in range(10 * LIMITS.command_timeout_ms):
        firmware.tick()
    waiting = firmware.transmit()
    assert firmware.dropped > 100
    assert len(waiting) <= 2048
    assert waiting.endswith(b"\0")
    assert firmware.transmit() == b""


@pytest.mark.parametrize("capacity", [20, 33, 96])
def test_the_bytes_are_the_same_however_few_are_taken_at_a_time(capacity):
    whole, piecewise = (Firmware(Board(boot_id=1, robot_id=1, wheel_radius_m=0.05)) for _ in range(2))
    expected, taken = b"", b""
    out = ctypes.create_string_buffer(capacity)
    for _ in range(500):  # several times round the ring
        whole.tick()
        expected += whole.transmit()
        piecewise.tick()
        size = piecewise._library.ril_mcu_transmit(piecewise._mcu, out, capacity)
        taken += out.raw[:size]
    assert len(taken) < len(expected)
    assert taken + piecewise.transmit() == expected


@pytest.mark.parametrize("path", ON_THE_MCU, ids=lambda path: path.name)
def test_the_firmware_needs_no_heap_and_no_operating_system(path):
    allowed = {"<math.h>", "<stdbool.h>", "<stddef.h>", "<stdint.h>", "<string.h>"}
    includes = [line.split()[1] for line in path.read_text().splitlines() if line.startswith("#include")]
    assert {name for name in includes if name.startswith("<")} <= allowed


def test_the_library_has_no_variables():
    """No .data or .bss symbol of the firmware's own: all state lives in struct ril_mcu."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm of binutils is not installed")
    symbols = subprocess.run([nm, build()], capture_output=True, text=True).stdout.splitlines()
    variables = [line.split()[-1] for line in symbols if line.split()[-2] in ("d", "D", "b", "B")]
    assert [name for name in variables if not name.startswith(("_", "completed", "__"))] == []
