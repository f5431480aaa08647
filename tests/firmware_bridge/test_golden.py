"""The golden frames, the byte tables and the C header follow the spec, and both implementations follow them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.protocol import Decoder, encode
from robot_il.spec import MESSAGES, SPEC_HASH
from tests.firmware_bridge.c_messages import c_decode, c_encode

ROOT = Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "data" / "golden" / "wire_frames.json").read_text())
FRAMES = GOLDEN["frames"]
NAMES = [f"{frame['message']}-{frame['case']}" for frame in FRAMES]


def of_sender(sender: str) -> list:
    chosen = [frame for frame in FRAMES if MESSAGES[frame["message"]].sender == sender]
    return [pytest.param(frame, id=f"{frame['message']}-{frame['case']}") for frame in chosen]


def test_golden_frames_are_of_this_spec_and_cover_every_message():
    assert GOLDEN["spec_hash"] == SPEC_HASH
    assert {frame["message"] for frame in FRAMES} == set(MESSAGES)


@pytest.mark.parametrize("tool", ["make_spec_header.py", "make_golden_frames.py", "make_wire_tables.py"])
def test_what_is_made_from_the_spec_is_up_to_date(tool):
    result = subprocess.run([sys.executable, ROOT / "tools" / tool, "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("frame", FRAMES, ids=NAMES)
def test_python_encodes_the_golden_bytes(frame):
    assert encode(frame["message"], *frame["values"].values()).hex() == frame["frame"]


@pytest.mark.parametrize("frame", FRAMES, ids=NAMES)
def test_python_decodes_the_golden_bytes(frame):
    expected = (frame["message"], tuple(frame["values"].values()))
    assert Decoder().feed(bytes.fromhex(frame["frame"])) == [expected]


@pytest.mark.parametrize("frame", of_sender("mcu"))
def test_c_encodes_the_golden_bytes(frame):
    assert c_encode(frame["message"], tuple(frame["values"].values())).hex() == frame["frame"]


@pytest.mark.parametrize("frame", of_sender("host"))
def test_c_decodes_the_golden_bytes(frame):
    assert c_decode(bytes.fromhex(frame["frame"])) == [(frame["message"], tuple(frame["values"].values()))]
