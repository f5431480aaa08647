import json
import math
import os

import numpy as np
import pytest

from robot_il.errors import LogError
from robot_il.recording.check_episodes import examine
from robot_il.recording.episode_journal import MAX_JOURNAL_BYTES
from robot_il.recording.episodes import journal_of
from robot_il.spec import Fault, Mode
from tests.recording.conftest import write_log
from tests.recording.driving import driving_ticks
from tests.recording.episode_logs import at, recorded, write_session


@pytest.fixture(scope="module")
def drive() -> np.ndarray:
    return driving_ticks(2000)


def session(path, ticks):
    """Two episodes of 4 s, the second labelled undesirable."""
    label = {"op": "label", "id": "e2", "label": "undesirable", "start_ns": at(9.5)}
    return write_session(path, ticks, [*recorded("e1", 0.5, 4.5), *recorded("e2", 5.0, 9.0), label])


def test_a_recording_without_episodes_is_one_whole_one(tmp_path, drive):
    found = examine([write_log(tmp_path / "run.mcap", drive)])
    assert found.passed
    assert [(entry.name, entry.episode.id, len(entry.log.ticks)) for entry in found.episodes] == [
        ("run.mcap", "whole", 2000)
    ]


def test_each_episode_of_a_session_is_judged_by_its_own_ticks_alone(tmp_path, drive):
    ticks = drive.copy()
    ticks["pitch"][1200] = np.nan
    found = examine([session(tmp_path / "s.mcap", ticks)])
    assert [(entry.name, entry.report.passed) for entry in found.episodes] == [
        ("s.mcap e1", True),
        ("s.mcap e2", False),
    ]
    assert [finding.name for finding in found.episodes[1].failures] == ["pitch finite"]
    assert not found.passed


def test_what_lies_between_the_episodes_is_not_judged(tmp_path, drive):
    ticks = drive.copy()
    ticks["pitch"][950] = np.nan
    assert examine([session(tmp_path / "s.mcap", ticks)]).passed


def fallen(drive: np.ndarray) -> np.ndarray:
    """The robot falls at the end of both episodes and is stopped by its MCU."""
    ticks = drive.copy()
    for first in (850, 1750):
        ticks["mode"][first : first + 50] = Mode.STOPPED
        ticks["faults"][first : first + 50] = Fault.TILT
    return ticks


def test_a_stop_is_remarked_unless_it_is_what_was_to_be_shown(tmp_path, drive):
    found = examine([session(tmp_path / "s.mcap", fallen(drive))])
    severities = [
        next(finding.severity for finding in entry.report.findings if finding.name == "stops")
        for entry in found.episodes
    ]
    assert [entry.log.label for entry in found.episodes] == ["unlabeled", "undesirable"]
    assert severities == ["warn", "ok"]
    assert [entry.scores.fell for entry in found.episodes] == [True, True]
    assert found.passed


def test_an_episode_that_was_deleted_is_not_looked_at(tmp_path, drive):
    path = write_session(tmp_path / "s.mcap", drive, [*recorded("e1", 1, 4), {"op": "delete", "id": "e1"}])
    found = examine([path])
    assert found.episodes == ()
    assert found.passed
    assert found.remarks == (f"{path}: no episode in it",)


def test_operations_that_cannot_be_used_are_told(tmp_path, drive):
    path = write_session(tmp_path / "s.mcap", drive, [*recorded("e1", 1, 4), {"op": "no such thing", "stop_ns": at(5)}])
    (remark,) = examine([path]).remarks
    assert "an operation is left out" in remark


def test_a_folder_is_searched_for_logs_each_looked_at_once(tmp_path, drive):
    (tmp_path / "deep").mkdir()
    first = write_log(tmp_path / "a.mcap", drive[:400])
    write_log(tmp_path / "deep" / "b.mcap", drive[:600])
    found = examine([first, tmp_path])
    assert [(entry.name, len(entry.log.ticks)) for entry in found.episodes] == [("a.mcap", 400), ("b.mcap", 600)]


def test_a_file_in_a_folder_that_is_no_log_is_told_and_the_rest_is_checked(tmp_path, drive):
    write_log(tmp_path / "a.mcap", drive[:400])
    (tmp_path / "b.mcap").write_bytes(b"nonsense")
    found = examine([tmp_path])
    assert len(found.episodes) == 1
    assert [(path.name, "expected an MCAP log" in why) for path, why in found.unreadable] == [("b.mcap", True)]
    assert not found.passed


def test_a_file_that_was_named_and_is_no_log_is_an_error(tmp_path):
    (tmp_path / "b.mcap").write_bytes(b"nonsense")
    with pytest.raises(LogError, match="expected an MCAP log"):
        examine([tmp_path / "b.mcap"])


def test_a_folder_without_any_log_is_an_error(tmp_path):
    with pytest.raises(LogError, match="none"):
        examine([tmp_path])


def test_a_journal_that_cannot_be_read_makes_its_file_unreadable(tmp_path, drive):
    path = write_log(tmp_path / "a.mcap", drive[:400])
    journal_of(path).touch()
    os.truncate(journal_of(path), MAX_JOURNAL_BYTES + 1)
    assert [broken for broken, _ in examine([tmp_path]).unreadable] == [path]


def test_coverage_is_told_beside_all_the_episodes_that_were_given(tmp_path, drive):
    short, long = write_log(tmp_path / "a.mcap", drive[:300]), write_log(tmp_path / "b.mcap", drive)
    alone = examine([short]).episodes[0].scores
    beside = examine([short, long]).episodes[0].scores
    assert alone.shared_coverage == 1.0
    assert beside.shared_coverage < 0.9
    assert beside.coverage == alone.coverage


def test_progress_is_told_of_every_file(tmp_path, drive):
    for name in "ab":
        write_log(tmp_path / f"{name}.mcap", drive[:300])
    steps = []
    examine([tmp_path], lambda *step: steps.append(step))
    assert steps == [(0, 2, "a.mcap"), (1, 2, "b.mcap"), (2, 2, "scores")]


def test_all_of_it_is_strict_json(tmp_path, drive):
    ticks = drive.copy()
    ticks["margin"] = np.nan
    found = examine([session(tmp_path / "s.mcap", ticks)])
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert values["passed"] is True
    first = values["episodes"][0]
    assert (first["episode"]["id"], first["task"], first["label"]) == ("e1", "stand", "unlabeled")
    assert first["scores"]["mean_margin"] is None
    assert math.isclose(first["scores"]["seconds"], 4.0, abs_tol=0.02)
    assert "no margin was recorded" in first["not_scored"]
    assert {finding["name"] for finding in first["findings"]} >= {"sign of pitch_rate", "intent against controller"}
