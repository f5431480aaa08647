import json

import pytest

from robot_il.errors import ConfigError, LogError
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.rewrite import recover, recovered_name, relabel
from tests.recording.conftest import SESSION, names, plausible_ticks, write_log


def test_a_new_label_holds_and_everything_else_stays_bit_for_bit(log_path):
    before = read_log(log_path)
    assert relabel(log_path, "undesirable") == "expert"
    after = read_log(log_path, allow_incomplete=False)
    assert (after.label, after.session.label) == ("undesirable", "expert")
    assert after.ticks.tobytes() == before.ticks.tobytes()
    assert (after.events, after.session, after.written_by) == (before.events, before.session, before.written_by)
    assert after.ended == before.ended
    assert after.sha256 != before.sha256
    assert names(log_path.parent) == [log_path.name]


def test_events_and_labels_keep_their_places_among_the_ticks(log_path):
    before = [(m.channel, m.ticks_before, m.data) for m in read_log(log_path).messages[1:-1]]
    relabel(log_path, "suboptimal")
    relabel(log_path, "unlabeled")
    log = read_log(log_path)
    assert [(m.channel, m.ticks_before, m.data) for m in log.messages[1 : 1 + len(before)]] == before
    assert [json.loads(m.data)["label"] for m in log.messages if m.channel == 3] == ["suboptimal", "unlabeled"]
    assert log.label == "unlabeled"


def test_the_same_label_again_leaves_the_file_alone(log_path):
    data = log_path.read_bytes()
    assert relabel(log_path, "expert") == "expert"
    assert log_path.read_bytes() == data


def test_what_a_killed_relabelling_left_does_not_stop_the_next_one(log_path):
    for left in (".relabelled", ".relabelled.part"):
        log_path.with_name(log_path.name + left).write_bytes(b"half a log")
    relabel(log_path, "undesirable")
    assert read_log(log_path, allow_incomplete=False).label == "undesirable"
    assert names(log_path.parent) == [log_path.name]


def test_only_known_labels_and_whole_logs_are_relabelled(log_path):
    with pytest.raises(ConfigError, match="good"):
        relabel(log_path, "good")
    cut = log_path.read_bytes()[:-100]
    log_path.write_bytes(cut)
    with pytest.raises(LogError, match="recover"):
        relabel(log_path, "suboptimal")
    assert log_path.read_bytes() == cut
    assert names(log_path.parent) == [log_path.name]


def test_a_cut_log_is_recovered_into_a_whole_one(tmp_path, ticks):
    source = write_log(tmp_path / "run.mcap.recording", ticks, finish=False)
    data = source.read_bytes()
    report = recover(source)
    assert (report.path, report.status) == (tmp_path / "run.mcap", "cut")
    log = read_log(report.path, allow_incomplete=False)
    assert report.ticks == len(log.ticks) > len(ticks) - 43
    assert log.ticks.tobytes() == ticks[: len(log.ticks)].tobytes()
    assert log.session == SESSION
    assert "run.mcap.recording, which was cut" in log.ended["reason"]
    assert source.read_bytes() == data
    assert names(tmp_path) == ["run.mcap", "run.mcap.recording"]


def test_a_damaged_log_is_recovered_with_its_loss_told(log_path, ticks):
    data = bytearray(log_path.read_bytes())
    data[len(data) // 2] ^= 4
    log_path.write_bytes(bytes(data))
    report = recover(log_path)
    assert report.status == "damaged"
    assert report.lost_ticks == len(ticks) - report.ticks > 0
    assert report.path == log_path.with_name("run.recovered.mcap")
    assert len(read_log(report.path, allow_incomplete=False).ticks) == report.ticks


def test_a_finished_file_that_never_got_its_name_is_recovered(tmp_path, ticks):
    source = write_log(tmp_path / "run.mcap.recording", ticks)
    assert recover(source).ticks == len(ticks)


def test_a_complete_log_needs_no_recovery(log_path):
    with pytest.raises(LogError, match="complete; use it as it is"):
        recover(log_path)
    assert names(log_path.parent) == [log_path.name]


@pytest.mark.parametrize("out", [None, "other.mcap"])
def test_recovery_never_overwrites(tmp_path, ticks, out):
    source = write_log(tmp_path / "run.mcap.recording", ticks, finish=False)
    target = tmp_path / (out or "run.mcap")
    target.write_bytes(b"precious")
    with pytest.raises(LogError, match="exists"):
        recover(source, tmp_path / out if out else None)
    assert target.read_bytes() == b"precious"
    assert names(tmp_path) == sorted([source.name, target.name])


def test_a_recording_in_progress_is_left_alone(tmp_path):
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder:
        recorder.tick(plausible_ticks(1).tobytes())
        with pytest.raises(LogError, match="in use"):
            recover(tmp_path / "run.mcap.recording")
    assert recorder.close().status == "complete"


def test_recovered_names_say_what_they_came_from(tmp_path):
    assert recovered_name(tmp_path / "a.mcap.recording") == tmp_path / "a.mcap"
    assert recovered_name(tmp_path / "a.mcap") == tmp_path / "a.recovered.mcap"
