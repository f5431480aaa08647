from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from robot_il.cli.main import main


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """The one line with which the command refuses."""
    assert main(["twin", "--seconds", "1", *arguments]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--seconds", "0"), "--seconds"),
        (("--seconds", "nan"), "--seconds"),
        (("--seed", "-1"), "--seed"),
        (("--push", "1"), "impulse"),
        (("--push=-1:2",), "pushes"),
        (("--set", "colour=1"), "colour"),
        (("--set", "mass_scale"), "mass_scale"),
        (("--set", "mass_scale=99"), "mass_scale"),
        (("--set", "drive.colour=1"), "backlash_rad"),
        (("--set", "drive.backlash_rad=-1"), "backlash_rad"),
        (("--set", "figures=1"), "figures"),
        (("--push", "1:2:x"), "left"),
        (("--robot", "nobody"), "nobody"),
    ],
)
def test_an_argument_that_cannot_be_used_is_refused_by_name(capsys, arguments: tuple[str, ...], names: str) -> None:
    assert names in refused(capsys, *arguments)


def test_a_log_that_exists_is_refused_and_no_link_is_left_behind(capsys, tmp_path: Path) -> None:
    log, link = tmp_path / "twin.jsonl", tmp_path / "robot"
    log.write_text("precious")
    assert "log" in refused(capsys, "--log", str(log), "--link", str(link))
    assert log.read_text() == "precious"
    assert not link.is_symlink()


def test_a_link_that_cannot_be_made_is_refused_and_no_log_is_left_behind(capsys, tmp_path: Path) -> None:
    log = tmp_path / "twin.jsonl"
    assert "link" in refused(capsys, "--log", str(log), "--link", str(tmp_path / "nowhere" / "robot"))
    assert not log.exists()


@pytest.mark.wallclock
def test_the_log_begins_with_the_conditions_that_were_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "twin.jsonl"
    command = ["twin", "--random", "stand", "--seed", "4", "--push", "2:1.5:-0.5", "--set", "mass_scale=1.25"]
    command += ["--set", "contact.rolling_resistance_1=0.02", "--set", "slope_rad=0.05"]
    subprocess.run(
        [sys.executable, "-m", "robot_il.cli.main", *command, "--seconds", "0.1", "--log", str(log)],
        check=True,
        capture_output=True,
    )
    first = json.loads(log.read_text().splitlines()[0])
    assert first["event"] == "started"
    assert first["conditions"]["pushes"] == [[2.0, 1.5]]
    assert first["conditions"]["side_pushes"] == [[2.0, -0.5]]
    assert first["conditions"]["figures"] == [["contact.rolling_resistance_1", 0.02]]
    assert first["conditions"]["slope_rad"] == 0.05
    assert first["conditions"]["mass_scale"] == 1.25
    assert first["conditions"]["delay_scale"] != 1.0
