"""``robot-il hil --faults``: what it lists, refuses, prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robot_il.cli.faults_table import BEGIN, END, table
from robot_il.cli.faults_verdict import Verdict
from robot_il.cli.main import main
from robot_il.recording.reader import read_log
from robot_il.spec import SPEC_HASH
from sim.faults import CASES


def run(*arguments: object) -> int:
    return main(["hil", "--faults", *map(str, arguments)])


def test_the_list_names_every_fault_and_its_promise(capsys) -> None:
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [case.name for case in CASES]
    assert all("promised: " in line for line in lines)


def test_two_faults_leave_their_logs_table_and_figures_behind(capsys, tmp_path: Path) -> None:
    document, out = tmp_path / "faults.md", tmp_path / "out"
    document.write_text(f"before\n{BEGIN}old\n{END}after\n")
    arguments = ("--seeds", 2, "--seed", 3, "--seconds", 0.6, "--out", out, "--docs", document)
    assert run("mcu-reset,duplicate-to-mcu", *arguments) == 0
    assert "2 faults, 4 flights, 0 with a broken promise" in capsys.readouterr().out
    written = json.loads((out / "faults.json").read_text())
    assert written["spec_hash"] == SPEC_HASH
    assert [(flight["fault"], flight["seed"]) for flight in written["flights"]] == [
        *(("mcu-reset", seed) for seed in (3, 4)),
        *(("duplicate-to-mcu", seed) for seed in (3, 4)),
    ]
    for flight in written["flights"]:
        assert read_log(out / flight["log"]).session.config["fault"] == flight["fault"]
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}after\n")
    assert "old" not in text
    assert "`robot-il hil --faults mcu-reset,duplicate-to-mcu --seeds 2 --seed 3 --seconds 0.6" in text
    assert (out / "faults.md").read_text().strip() in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no-such-fault",), "came no-such-fault; see robot-il hil --faults list"),
        (("mcu-reset", "--seeds", "0"), "--seeds from 1"),
        (("mcu-reset", "--seconds", "0"), "--seconds above 0"),
        (("mcu-reset", "--out", "."), "a new folder ."),
        (("mcu-reset", "--docs", "missing.md"), "a document missing.md"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_flies(arguments, words, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "faults").exists()


def verdict(**changes) -> Verdict:
    usual = {
        "fault": "mcu-reset",
        "seed": 0,
        "outcome": "MCU stop",
        "robot": "came down, wheels off",
        "guard": ("FALLBACK (REGION_LEFT)", "RUNNING (REGION_LEFT)", "FALLBACK (REGION_LEFT)", "FAULT (MCU_STOPPED)"),
        "mcu": ("reset", "disarmed (sensor_stale)"),
        "guard_ms": 6.0,
        "mcu_ms": 1.0,
        "driven_ms": 7.0,
        "largest_lean_rad": 1.8,
        "moved_m": 0.1,
        "lost_log_s": 0.0,
        "log": Path("mcu-reset-0.mcap"),
        "log_status": "complete",
        "crashes": "",
        "broken": (),
    }
    return Verdict(**{**usual, **changes})


def cells(*verdicts: Verdict) -> dict[str, str]:
    head, _, line = (row.strip("| \n").split(" | ") for row in table(verdicts).splitlines())
    return dict(zip(head, line, strict=True))


def test_the_table_tells_a_round_that_repeats_once_and_each_reason_once() -> None:
    assert (
        cells(verdict())["the guard"] == "fallback: region left, then running, then fallback, then fault: mcu stopped"
    )


def test_the_table_tells_the_median_and_the_worst_of_several_flights() -> None:
    row = cells(verdict(), verdict(mcu_ms=3.0, driven_ms=9.0), verdict(mcu_ms=8.0, guard_ms=None, lost_log_s=0.205))
    assert row["first reaction, ms"] == "3, at most 8"
    assert row["wheels driven without fresh commands, ms"] == "9"
    assert row["log lost, s"] in ("0.20", "0.21")


def test_the_table_says_where_nobody_reacted() -> None:
    assert cells(verdict(mcu_ms=None, guard_ms=None))["first reaction, ms"] == "-"
    assert cells(verdict(), verdict(mcu_ms=None, guard_ms=None))["first reaction, ms"] == "1; none in 1 of 2"


def test_the_table_says_which_promise_was_broken() -> None:
    assert cells(verdict(), verdict(broken=("too late",)))["kept"] == "**no**: too late"
    assert cells(verdict())["kept"] == "yes"
