"""Whatever host and sensors do: torque and height within limits and slew, neither moves unless armed, and no undefined
behaviour in C.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.hostlib import Firmware
from tests.firmware_bridge.abuse import LEGGED, abuse

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(3))
def test_wheels_and_legs_obey_the_limits_whatever_comes(seed):
    abuser = abuse(Firmware(LEGGED), 20.0, seed)
    assert abuser.armed_ticks > 2000
    assert abuser.raised_m > 0.1
    assert abuser.firmware.undecodable > 100
    assert abuser.firmware.dropped == 0


def run_sanitized(flags: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.firmware_bridge.abuse", "20", "7", flags, "-fno-sanitize-recover=all", "-g"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)


def test_no_undefined_behaviour():
    result = run_sanitized("-fsanitize=undefined,float-cast-overflow", {})
    assert result.returncode == 0, result.stderr
    assert "armed" in result.stdout


def test_no_access_outside_memory():
    compiler = os.environ.get("CC", "cc")
    runtime = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("the compiler comes without the address sanitizer's runtime")
    environment = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
    result = run_sanitized("-fsanitize=address", environment)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "armed" in result.stdout
