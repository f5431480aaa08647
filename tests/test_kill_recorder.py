"""The tool that kills recordings: one kill of each kind is as promised, and it would tell if one were not."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_il.recording.reader import read_log
from robot_il.spec import TICK_DTYPE
from tests.recording.conftest import write_log

TOOL = Path(__file__).parents[1] / "tools" / "kill_recorder.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("kill_recorder", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_recorder"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["kill_recorder"]


@pytest.mark.parametrize("number", range(3))
def test_a_recording_that_is_killed_is_read_back_with_half_a_second_missing_at_most(tool, number):
    kill = tool.kill_one(number, seed=1, rate_hz=200)
    assert (kill.who, kill.wrong) == (tool.WHO[number], "")
    assert kill.read > 0


@pytest.fixture
def log(tool, tmp_path):
    rows = np.frombuffer(b"".join(map(tool.row, range(300))), TICK_DTYPE)
    return read_log(write_log(tmp_path / "run.mcap", rows))


def test_what_was_published_is_accepted(tool, log):
    assert tool.judge(log, "both", 0.5) == ""


def test_more_than_half_a_second_is_told(tool, log):
    assert tool.judge(log, "both", 0.505) == "0.505 s lost"


def test_a_tick_that_is_missing_or_another_one_is_told(tool, log):
    for ticks in (np.delete(log.ticks, 100), np.concatenate([log.ticks[:-1], log.ticks[:1]])):
        assert "not what was published" in tool.judge(dataclasses.replace(log, ticks=ticks), "both", 0.0)


def test_anything_lost_where_the_writer_lived_is_told(tool, log):
    assert "not complete" in tool.judge(log, "the recording process", 0.005)
    assert "not complete" in tool.judge(dataclasses.replace(log, status="cut"), "the recording process", 0.0)


def test_the_table_has_a_line_of_each_kind_with_its_spread(tool):
    kills = [tool.Kill(who, 400, 400 - lost, "cut", lost / 200, "") for who in tool.WHO for lost in (0, 10, 40)]
    lines = tool.table(kills, 200)
    assert len(lines) == 1 + 3 + 1
    assert lines[2].split()[-3:] == ["50", "170", "200"]
