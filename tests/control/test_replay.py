"""What a replay demands: every bit of the build that recorded, the same decisions and a bound of any other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.control import build
from robot_il.control.build import build_identity, identity_of
from robot_il.control.guard import GuardLimits
from robot_il.control.replay import BOUND_NM, ReplayResult, replay
from robot_il.recording.log_writer import LogFile, LogWriter, describe_writer
from robot_il.recording.session import Session
from tests.control.test_loop import MemorySink, lqr, run, ticks_of
from tests.scripted_robot import ScriptedRobot


@pytest.fixture
def ticks() -> np.ndarray:
    sink = MemorySink()
    run(ScriptedRobot(), sink, 300)
    return ticks_of(sink).copy()


def moved(ticks: np.ndarray, name: str, by: float, row: int = 150) -> ReplayResult:
    ticks[name][row] += by
    return replay(ticks, lqr(), lqr(), GuardLimits())


def test_the_bound_is_the_policys_tolerance_in_newton_metres():
    assert pytest.approx(1.6e-4) == BOUND_NM


@pytest.mark.parametrize("name", ["controller_torque", "limited_torque", "sent_left", "sent_right"])
def test_a_torque_within_the_bound_is_bounded_and_one_beyond_it_is_not(ticks, name):
    within = moved(ticks.copy(), name, 0.9 * BOUND_NM)
    assert (within.bit_equal, within.bounded, within.differing) == (False, True, 1)
    assert within.largest_torque_error_nm == pytest.approx(0.9 * BOUND_NM, rel=0.01)
    beyond = moved(ticks.copy(), name, 1.1 * BOUND_NM)
    assert (beyond.bit_equal, beyond.bounded) == (False, False)


def test_a_torque_that_is_no_number_is_beyond_any_bound(ticks):
    assert not moved(ticks, "sent_left", np.nan).bounded


@pytest.mark.parametrize("name", ["source", "supervisor"])
def test_another_decision_is_beyond_any_bound(ticks, name):
    result = moved(ticks, name, 1)
    assert (result.undecided, result.bounded, result.largest_torque_error_nm) == (1, False, 0.0)


def test_an_unknown_value_equals_itself_and_a_zero_has_its_sign(ticks):
    result = replay(ticks, lqr(), lqr(), GuardLimits())
    assert np.isnan(ticks["margin"]).all()
    assert result.bit_equal
    row = int(np.flatnonzero(ticks["source"] == 0)[0])
    ticks["sent_left"][row] = -0.0
    result = replay(ticks, lqr(), lqr(), GuardLimits())
    assert (result.bit_equal, result.bounded) == (False, True)


def recorded(path: Path, ticks: np.ndarray, **written_by: str) -> Path:
    """A log of these ticks, as ``robot-il record`` writes it."""
    config = {"fallback": lqr().identity, "limits": {}}
    session = Session("stand", "expert", lqr().identity, {"port": "none"}, config)
    file = LogFile(path)
    writer = LogWriter(file, session.to_json(), {**describe_writer(), **written_by}, 10**12)
    for row in ticks:
        writer.tick(row.tobytes())
    writer.finish("closed", 0)
    file.close()
    return path


def test_a_log_of_this_build_must_be_bit_equal(tmp_path, ticks, capsys):
    assert main(["replay", str(recorded(tmp_path / "a.mcap", ticks))]) == 0
    printed = capsys.readouterr().out
    assert f"judged: bit-equal, for this build {build_identity()[:12]} recorded it" in printed
    assert "all torques are bit-equal" in printed
    ticks["sent_left"][150] += 0.5 * BOUND_NM
    assert main(["replay", str(recorded(tmp_path / "b.mcap", ticks))]) == 1
    assert "1 ticks differ, 0 of them in who was in charge; largest torque error 8" in capsys.readouterr().out


@pytest.mark.parametrize(("other", "named"), [("f" * 64, "build ffffffffffff"), ("", "a build without a name")])
def test_a_log_of_another_build_must_stay_within_the_bound(tmp_path, ticks, capsys, other, named):
    ticks["sent_left"][150] += 0.5 * BOUND_NM
    assert main(["replay", str(recorded(tmp_path / "a.mcap", ticks, build=other))]) == 0
    assert f"judged: within 1.6e-04 N m, for {named} recorded it" in capsys.readouterr().out
    ticks["sent_left"][150] += 2.0 * BOUND_NM
    assert main(["replay", str(recorded(tmp_path / "b.mcap", ticks, build=other))]) == 1


def test_a_log_without_a_tick_is_refused(tmp_path, ticks, capsys):
    assert main(["replay", str(recorded(tmp_path / "a.mcap", ticks[:0]))]) == 1
    assert "ticks to replay" in capsys.readouterr().err


def test_a_log_that_does_not_say_how_it_was_driven_is_refused(capsys):
    golden = Path(__file__).parents[2] / "data" / "golden" / "log.mcap"
    assert main(["replay", str(golden)]) == 1
    assert "a log that names its controller, fallback and limits" in capsys.readouterr().err


def test_a_log_names_the_build_that_wrote_it():
    assert describe_writer()["build"] == build_identity()
    assert re.fullmatch("[0-9a-f]{64}", build_identity())


@pytest.mark.parametrize("name", ["control/guard.py", "spec.py", "tasks.py"])
def test_the_identity_moves_with_any_source_and_with_what_executes_it(tmp_path, name):
    package = Path(build.__file__).parents[1]
    shutil.copytree(package / "control", tmp_path / "control", ignore=shutil.ignore_patterns("__pycache__"))
    for shared in ("spec.py", "tasks.py"):
        shutil.copy(package / shared, tmp_path)
    before = identity_of(tmp_path / "control", ("3.11", "x"))
    assert identity_of(package / "control", ("3.11", "x")) == before
    assert identity_of(tmp_path / "control", ("3.11", "y")) != before
    with (tmp_path / name).open("a") as file:
        file.write("\n")
    assert identity_of(tmp_path / "control", ("3.11", "x")) != before
