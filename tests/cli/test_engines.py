"""The physics engine on the command line: chosen, named in what is written, and compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from robot_il.cli.main import main
from robot_il.recording.reader import read_log


def test_the_comparison_is_printed_and_written_as_numbers_and_as_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, page = tmp_path / "engines.json", tmp_path / "engines.html"
    words = ["--robot", "two_wheeled", "--draws", "1", "--seconds", "0.5", "--json", str(numbers), "--html", str(page)]
    assert main(["twin", "engines", *words]) == 0
    said = capsys.readouterr().out
    assert "robot two_wheeled, 1 draws of each trial, in pybullet" in said
    assert "to the end got 1 of 1 in pybullet, 1 of 1 in mujoco" in said
    values = json.loads(numbers.read_text(encoding="utf-8"))
    assert [trial["name"] for trial in values["trials"]] == ["lean", "torque", "push", "coast", "turn", "lqr"]
    assert set(values["engines"]) == set(values["step_us"]) == {"pybullet", "mujoco"}
    assert all(row["rms"] >= 0.0 for trial in values["trials"] for row in trial["apart"])
    text = page.read_text(encoding="utf-8")
    assert text.count("<figure>") == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engines.html", "engines.json"]


@pytest.mark.parametrize("words", [("--draws", "0"), ("--draws", "1001"), ("--seconds", "nan"), ("--seed", "-1")])
def test_a_comparison_of_nothing_is_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "engines", *words]) == 1
    assert f"{words[0]} {words[1]}" in capsys.readouterr().err


def test_numbers_that_cannot_be_written_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--robot", "two_wheeled", "--draws", "1", "--seconds", "0.5", "--json", str(tmp_path / "no" / "where")]
    assert main(["twin", "engines", *words]) == 1
    assert "where" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["pybullet", "mujoco"])
def test_a_log_of_the_twin_names_its_engine(tmp_path: Path, engine: str) -> None:
    words = ["--controller", "lqr", "--label", "expert", "--episodes", "1", "--seconds", "0.3", "--workers", "1"]
    assert main(["collect", *words, "--engine", engine, "--out", str(tmp_path)]) == 0
    log = read_log(next(tmp_path.glob("*.mcap")))
    assert log.session.config["engine"] == engine


@pytest.mark.wallclock
def test_the_twin_behind_a_port_runs_in_the_engine_that_was_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "twin.jsonl"
    program = "import sys; from robot_il.cli.main import main; main(sys.argv[1:]); assert 'pybullet' not in sys.modules"
    command = ["twin", "--engine", "mujoco", "--seconds", "0.1", "--log", str(log)]
    subprocess.run([sys.executable, "-c", program, *command], check=True, capture_output=True)
    assert json.loads(log.read_text().splitlines()[0])["engine"] == "mujoco"


def test_an_unknown_engine_is_refused_as_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["collect", "--controller", "lqr", "--engine", "ode"])
    assert "invalid choice: 'ode'" in capsys.readouterr().err
