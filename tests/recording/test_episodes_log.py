"""Which episodes a log has, and each as a part of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robot_il.errors import LogError
from robot_il.recording.episode_journal import journal_of
from robot_il.recording.episodes import append_operations, book_of, edit, part_of, read_with_book
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.rewrite import recover, relabel
from robot_il.spec import HAND_DTYPE
from tests.recording.conftest import plausible_ticks, write_log
from tests.recording.episode_logs import SESSION_LOG, at, digest, recorded, write_session

LABEL = {"op": "label", "id": "e1", "label": "expert"}


@pytest.fixture
def session_path(tmp_path, ticks):
    return write_session(tmp_path / "s.mcap", ticks, [*recorded("e1", 0.25, 0.75), *recorded("e2", 1.0, 1.5)])


def test_a_log_that_knows_of_no_episodes_is_one_with_its_label_and_all_its_ticks(log_path):
    log = read_log(log_path)
    (episode,) = book_of(log).episodes
    assert (episode.id, episode.label, episode.labelled_by, episode.task) == ("whole", "expert", "recording", "stand")
    assert (episode.mode, episode.note) == ("lqr", "a test")
    part = part_of(log, episode)
    assert part.ticks.tobytes() == log.ticks.tobytes()
    assert part.events == log.events


def test_a_relabelled_log_is_one_episode_of_the_new_label(log_path):
    relabel(log_path, "undesirable")
    assert [episode.label for episode in book_of(read_log(log_path)).episodes] == ["undesirable"]


def test_the_whole_of_a_log_without_a_tick_is_empty(tmp_path, ticks):
    log = read_log(write_log(tmp_path / "empty.mcap", ticks[:0]))
    (episode,) = book_of(log).episodes
    assert len(part_of(log, episode).ticks) == 0


def test_a_session_without_episodes_has_none(tmp_path, ticks):
    assert book_of(read_log(write_session(tmp_path / "s.mcap", ticks))).episodes == []


def test_the_events_of_a_log_make_its_episodes_by_the_hosts_clock(session_path):
    log = read_log(session_path)
    book = book_of(log)
    assert [episode.id for episode in book.episodes] == ["e1", "e2"]
    for episode, first, last in zip(book.episodes, (0.25, 1.0), (0.75, 1.5), strict=True):
        times = part_of(log, episode).ticks["host_receive_ns"]
        assert len(times) == pytest.approx(100, abs=1)
        assert at(first) <= times[0] <= times[-1] < at(last)
    assert book.problems == []


def test_a_part_holds_its_ticks_events_hands_task_and_label_and_nothing_else(tmp_path, ticks):
    path = write_session(tmp_path / "s.mcap", ticks, [*recorded("e1", 0.0, 0.5), *recorded("e2", 0.5, 3.0)])
    log = read_log(path)
    hands = np.zeros(4, HAND_DTYPE)
    hands["host_ns"] = [at(0.1), at(0.5) - 1, at(0.5), at(1.0)]
    log = replace(log, hands=hands, events=[{"host_ns": at(s), "name": "m"} for s in (-1.0, 0.2, 0.5, 2.5)])
    episodes = [
        replace(episode, label="suboptimal", task="drive")
        for episode in book_of(read_log(path)).episodes
    ]  # fmt: skip
    first, second = (part_of(log, episode) for episode in episodes)
    assert [len(part.hands) for part in (first, second)] == [2, 2]
    assert [[event["host_ns"] for event in part.events] for part in (first, second)] == [
        [at(-1.0), at(0.2)], [at(0.5), at(2.5)]
    ]  # fmt: skip
    assert len(first.ticks) + len(second.ticks) == len(log.ticks)
    assert (first.session.task, first.label, first.sha256) == ("drive", "suboptimal", log.sha256)
    assert not first.ticks.flags.writeable


def test_a_part_of_a_recording_whose_clock_stepped_back_holds_what_lies_within(tmp_path, ticks):
    ticks["host_receive_ns"][200:] -= 500_000_000
    log = read_log(write_session(tmp_path / "s.mcap", ticks, recorded("e1", 0.6, 0.8)))
    times = part_of(log, book_of(log).episodes[0]).ticks["host_receive_ns"]
    assert len(times) == 80
    assert ((times >= at(0.6)) & (times < at(0.8))).all()


def test_what_a_crash_left_open_is_an_episode_up_to_the_last_tick(tmp_path, ticks):
    path = write_session(tmp_path / "s.mcap.recording", ticks, recorded("e1", 0.5, 9)[:1], finish=False)
    log = read_log(path)
    assert log.status == "cut"
    book = book_of(log)
    assert part_of(log, book.episodes[0]).ticks[-1].tobytes() == log.ticks[-1].tobytes()
    assert book.episodes[0].cut
    assert "never stopped" in book.problems[0]


@pytest.mark.parametrize(
    "bad",
    [None, "text", [], {}, {"op": "start"}, {"oversized_bytes": 9000}, {"op": "stop", "id": "e7", "stop_ns": 5}],
)
def test_a_bad_operation_in_a_log_is_left_out_and_told(tmp_path, ticks, bad):
    path = write_session(tmp_path / "s.mcap", ticks, [bad, *recorded("e1", 0.25, 0.75)])
    book = book_of(read_log(path))
    assert [episode.id for episode in book.episodes] == ["e1"]
    assert len(book.problems) == 1
    assert "left out" in book.problems[0]


def test_many_bad_operations_are_told_in_few_lines(tmp_path, ticks):
    book = book_of(read_log(write_session(tmp_path / "s.mcap", ticks, [{}] * 300)))
    assert len(book.problems) == 21
    assert "280 more" in book.problems[-1]


def test_edits_go_to_the_journal_and_never_into_the_log(session_path):
    before = digest(session_path)
    edit(read_log(session_path), [LABEL, {"op": "split", "id": "e2", "at_ns": at(1.2), "into": ["a", "b"]}])
    append_operations(session_path, [{"op": "note", "id": "a", "note": "steady"}])
    book = book_of(read_log(session_path))
    assert [(e.id, e.label, e.note) for e in book.episodes] == [
        ("e1", "expert", ""), ("a", "unlabeled", "steady"), ("b", "unlabeled", "")
    ]  # fmt: skip
    assert digest(session_path) == before
    assert book.problems == []


def test_the_episode_of_a_log_without_episodes_can_be_edited_too(log_path):
    before = digest(log_path)
    edit(read_log(log_path), [{"op": "trim", "id": "whole", "start_ns": at(0.5), "stop_ns": at(1.0)}])
    log, book = read_with_book(log_path)
    assert len(part_of(log, book.episodes[0]).ticks) == pytest.approx(100, abs=1)
    assert digest(log_path) == before


def test_edits_that_do_not_fit_leave_no_trace(session_path):
    with pytest.raises(LogError, match="e9"):
        edit(read_log(session_path), [LABEL, {"op": "delete", "id": "e9"}])
    assert not journal_of(session_path).exists()
    edit(read_log(session_path), [LABEL])
    before = journal_of(session_path).read_bytes()
    with pytest.raises(LogError, match="unknown"):
        append_operations(session_path, [{"op": "unknown"}])
    assert journal_of(session_path).read_bytes() == before


def test_edits_are_tried_on_what_others_have_done_meanwhile(session_path):
    log = read_log(session_path)
    append_operations(session_path, [{"op": "delete", "id": "e1"}])
    with pytest.raises(LogError, match="not deleted"):
        edit(log, [LABEL])


def test_an_appended_operation_that_does_not_fit_is_left_out_and_told_when_read(session_path):
    append_operations(session_path, [{"op": "delete", "id": "e9"}, LABEL])
    book = book_of(read_log(session_path))
    assert book.get("e1").label == "expert"
    assert [problem.split(":")[0] for problem in book.problems] == ["s.mcap.episodes.jsonl"]


def test_an_episode_that_the_journal_leaves_open_ends_with_the_last_tick_too(session_path):
    append_operations(session_path, recorded("e7", 1.75, 9)[:1])
    log = read_log(session_path)
    episode = book_of(log).get("e7")
    assert episode.stop_ns == log.ticks["host_receive_ns"][-1] + 1
    assert edit(log, [{"op": "trim", "id": "e7", "start_ns": at(1.8), "stop_ns": at(1.9)}]).get("e7").seconds == 0.1


def test_the_journal_of_a_recovered_log_is_the_one_of_the_recording(tmp_path, ticks):
    source = write_session(tmp_path / "s.mcap.recording", ticks, recorded("e1", 0.2, 1), began_unix_ns=5, finish=False)
    append_operations(source, [LABEL])
    recover(source)
    for path in (source, tmp_path / "s.mcap"):
        book = book_of(read_log(path))
        assert (book.get("e1").label, book.problems) == ("expert", [])


def test_a_new_label_of_the_file_does_not_part_it_from_its_journal(tmp_path, ticks):
    path = write_session(tmp_path / "s.mcap", ticks, recorded("e1", 0.2, 1), began_unix_ns=5)
    append_operations(path, [LABEL])
    relabel(path, "suboptimal")
    assert book_of(read_log(path)).get("e1").label == "expert"


def test_a_journal_whose_log_was_renamed_is_found_and_named(tmp_path, ticks):
    path = write_session(tmp_path / "s.mcap", ticks, recorded("e1", 0.2, 1), began_unix_ns=5)
    other = write_session(tmp_path / "other.mcap", ticks, recorded("e1", 0.2, 1), began_unix_ns=6)
    append_operations(path, [LABEL])
    path.rename(tmp_path / "renamed.mcap")
    book = book_of(read_log(tmp_path / "renamed.mcap"))
    assert book.get("e1").label == "unlabeled"
    assert book.problems == [
        "edits of its episodes are in s.mcap.episodes.jsonl, from when the log had that name; "
        "rename that journal to renamed.mcap.episodes.jsonl"
    ]
    assert book_of(read_log(other)).problems == []
    with pytest.raises(LogError, match=r"only its journal s\.mcap\.episodes\.jsonl"):
        read_with_book(path)
    with pytest.raises(LogError, match="to keep a journal of"):
        append_operations(path, [LABEL])


def test_a_copied_log_does_not_claim_the_journal_of_the_one_it_was_copied_from(tmp_path, ticks):
    path = write_session(tmp_path / "s.mcap", ticks, recorded("e1", 0.2, 1), began_unix_ns=5)
    append_operations(path, [LABEL])
    (tmp_path / "copy.mcap").write_bytes(path.read_bytes())
    assert book_of(read_log(tmp_path / "copy.mcap")).problems == []


def test_the_journal_of_another_recording_is_not_used_and_not_written_to(tmp_path, ticks):
    path = write_session(tmp_path / "s.mcap", ticks, recorded("e1", 0.2, 1), began_unix_ns=5)
    append_operations(path, [LABEL])
    path.unlink()
    write_session(path, ticks, recorded("e1", 0.2, 1), began_unix_ns=6)
    log = read_log(path)
    book = book_of(log)
    assert book.get("e1").label == "unlabeled"
    assert "journal of another recording" in book.problems[0]
    before = journal_of(path).read_bytes()
    with pytest.raises(LogError, match="one of another"):
        edit(log, [LABEL])
    with pytest.raises(LogError, match="one of another"):
        append_operations(path, [LABEL])
    assert journal_of(path).read_bytes() == before


def test_a_session_that_is_being_recorded_has_its_episodes_and_a_journal_already(tmp_path):
    path = tmp_path / "s.mcap"
    with Recorder(path, SESSION_LOG) as recorder:
        for operation in recorded("e1", 0.0, 0.5):
            recorder.event("episode", **operation)
        for row in plausible_ticks(100):
            recorder.tick(row.tobytes())
        append_operations(path, [LABEL])
    book = book_of(read_log(path))
    assert (book.get("e1").label, book.problems) == ("expert", [])
    head = json.loads(journal_of(path).read_bytes().split(b"\n")[0])
    assert (head["log"], head["started_unix_ns"]) == ("s.mcap", read_log(path).written_by["started_unix_ns"])
