"""A robot that is met for the first time is nudged before it is driven, through the real commands and a real port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from robot_il.cli.known_robots import known_since, remember
from robot_il.recording.reader import read_log
from robot_il.robot import load_robot

from .processes import TwinProcess, twin

__all__ = ["twin"]


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which no robot was ever met."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "robot-il" / "known-robots.json"


def run(*words: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "robot_il.cli.main", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_stranger_is_nudged_once_and_then_driven(twin: TwinProcess, strangers: Path, tmp_path: Path) -> None:
    words = ("record", "--device", twin.port, "--controller", "lqr", "--label", "expert", "--seconds", "0.5")
    first = run(*words, "--patience", "30", "--out", tmp_path / "first.mcap")
    assert "never driven under this profile before" in first.stdout
    assert "left wheel" in first.stdout
    assert strangers.exists(), first.stdout + first.stderr
    assert "wheels nudged on 20" in first.stdout
    assert (read_log(tmp_path / "first.mcap").ticks["source"] == 1).any()
    second = run(*words, "--patience", "30", "--out", tmp_path / "second.mcap")
    assert "never driven" not in second.stdout


def test_wiggle_says_what_it_found_and_that_nobody_tipped_the_robot(twin: TwinProcess, strangers: Path) -> None:
    done = run("wiggle", "--device", twin.port, "--no-tip")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  ok  ") == 2
    assert strangers.exists()


def test_another_byte_in_the_profile_makes_a_robot_a_stranger_again(strangers: Path, tmp_path: Path) -> None:
    robot = load_robot()
    assert known_since(7, robot) is None
    remember(7, robot)
    assert known_since(7, robot) is not None
    assert known_since(8, robot) is None
    copy = tmp_path / "reference.toml"
    copy.write_bytes(robot.path.read_bytes() + b"\n# another motor\n")
    (tmp_path / robot.urdf_path.name).write_bytes(robot.urdf_path.read_bytes())
    assert known_since(7, load_robot(str(copy))) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"0x7": 3}', b"\xff\xfe"])
def test_a_list_of_robots_that_cannot_be_read_makes_all_strangers(strangers: Path, content: bytes) -> None:
    strangers.parent.mkdir(parents=True)
    strangers.write_bytes(content)
    assert known_since(7, load_robot()) is None
    remember(7, load_robot())
    assert known_since(7, load_robot()) is not None
