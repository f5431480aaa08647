"""Identification from recordings, through the real commands: a log of the twin's, and a drive of the twin's port."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.cli.sysid_data import load, saturated, torques
from robot_il.recording.reader import read_log
from robot_il.robot import load_robot
from robot_il.spec import TICK_DTYPE

from .excited import excited_log
from .processes import TwinProcess, twin

__all__ = ["twin"]

STRENGTH = 0.9


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return excited_log(tmp_path_factory.mktemp("sysid") / "weak.mcap", 6.0, motor_strength_scale=STRENGTH)


def test_a_recording_becomes_a_profile_and_a_page(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "found" / "robot.toml", tmp_path / "page.html"
    assert main(["sysid", str(log), "--out", str(out), "--html", str(page)]) == 0
    said = capsys.readouterr().out
    found = load_robot(str(out))
    low, high = found.ranges["drive.strength_1"]
    assert low < STRENGTH < high
    assert high - low < 0.1
    assert found.pendulum.body_height_m == pytest.approx(load_robot().pendulum.body_height_m, rel=0.03)
    assert "not told by these recordings" in said
    assert "weigh the robot" in said
    assert "lean at rest" in said
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png") == 6  # three figures, each light and dark
    assert "weigh the robot" in text
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.wallclock
def test_a_robot_is_excited_recorded_and_its_recording_replays(twin: TwinProcess, tmp_path: Path) -> None:
    log = tmp_path / "excited.mcap"
    command = [sys.executable, "-m", "robot_il.cli.main", "sysid", "--device", twin.port, "--log", log]
    command += ["--seconds", "3", "--amplitude", "1.5", "--patience", "30"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"torque delivered for the torque demanded|stays 1:", done.stdout)
    recording = read_log(log)
    assert recording.session.controller["name"] == "excited lqr"
    assert recording.session.controller["excitation"]["amplitude_nm"] == 1.5
    assert main(["replay", str(log)]) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "--device"),
        (["--device", "/dev/none"], "--log"),
        (["x.mcap", "--log", "y.mcap"], "--device"),
        (["nowhere.mcap"], "nowhere.mcap"),
        (["nowhere.mcap", "--out", "/proc/none/robot.toml"], "/proc/none/robot.toml"),
        (["nowhere.mcap", "--html", "/proc/none/page.html"], "/proc/none/page.html"),
        (["--device", "/dev/none", "--log", "y.mcap", "--seconds", "0"], "--seconds"),
        (["--device", "/dev/none", "--log", "y.mcap", "--amplitude", "50"], "excitation"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sysid", *words]) == 1
    said = capsys.readouterr().err.strip()
    assert expected in said
    assert "\n" not in said


def test_the_torque_within_a_period_keeps_its_mean_and_changes_when_the_mcu_changed_it(log: Path) -> None:
    ticks = read_log(log).ticks
    driven = ticks[ticks["source"] > 0][50:550]
    found = torques(driven, 0.005)
    mean = driven["applied_left"].astype(float) + driven["applied_right"]
    sent = driven["sent_left"].astype(float) + driven["sent_right"]
    assert found.mean(axis=1) == pytest.approx(mean, abs=1e-12)
    # the line takes 1 ms each way and the MCU its own: the last 2 of 5 ms have the answer to the STATE before
    assert found[2:, -1] == pytest.approx(sent[1:-1], abs=1e-4)
    assert found[2:, 0] == pytest.approx(sent[:-2], abs=1e-4)


def test_ticks_at_which_the_battery_cannot_push_the_torque_are_left_out() -> None:
    ticks = np.zeros(3, TICK_DTYPE)
    ticks["battery"] = 24.0
    ticks["applied_left"] = 4.0
    ticks["wheel_velocity_left"] = [0.0, 40.0, 60.0]
    assert list(saturated(ticks, load_robot())) == [False, False, True]


def test_what_the_encoders_say_has_no_pitch_in_it(log: Path) -> None:
    recordings = load([log], load_robot())
    (stretch,) = recordings.stretches
    rate = np.gradient(stretch.outputs[2], stretch.period_s)
    # the tracked rate lags; averaged over a tenth of a second it is that of the angle
    smooth = np.ones(20) / 20.0
    difference = np.convolve(rate - stretch.outputs[3], smooth, "valid")
    assert np.std(difference) < 0.2 * np.std(np.convolve(rate, smooth, "valid"))
    assert recordings.seconds == pytest.approx(5.0, abs=0.1)
