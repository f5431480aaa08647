"""Kept streams of the fuzzer and new ones made of them, against both codecs and the firmware."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.hostlib import load
from tests.firmware_bridge.fuzzing import CORPUS, LONGEST, check, corpus, streams

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.bin")), ids=lambda path: path.stem)
def test_kept_streams_pass(path):
    check(path.read_bytes(), load())


def test_new_streams_pass():
    for data in streams(1000, 5):
        check(data, load())


def test_the_kept_streams_are_few_and_short():
    assert 20 < len(corpus()) < 400
    assert max(map(len, corpus())) <= LONGEST


def sanitized(flags: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tests.firmware_bridge.fuzzing", flags, "-fno-sanitize-recover=all", "-g"]
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "checked" in result.stdout


def test_no_stream_leads_to_undefined_behaviour():
    sanitized("-fsanitize=undefined,float-cast-overflow", {})


def test_no_stream_leads_outside_memory():
    compiler = os.environ.get("CC", "cc")
    runtime = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("the compiler comes without the address sanitizer's runtime")
    sanitized(
        "-fsanitize=address",
        {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"},
    )
