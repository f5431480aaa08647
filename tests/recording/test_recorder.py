import json
import os
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader

from robot_il.errors import ConfigError, LogError
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.spec import SPEC_HASH
from tests.recording.conftest import SESSION, names, plausible_ticks


class FixedClock:
    def __init__(self, now_ns: int) -> None:
        self.time_ns = now_ns

    def now_ns(self) -> int:
        return self.time_ns


def record(path: Path, ticks: np.ndarray):
    with Recorder(path, SESSION, clock=FixedClock(123)) as recorder:
        for row in ticks:
            recorder.tick(row.tobytes())
        recorder.event("mcu_stopped", argument=["TILT"], value=0.5)
        recorder.label("suboptimal")
    return recorder.close()


def test_a_recording_comes_back_bit_for_bit(tmp_path, ticks):
    summary = record(tmp_path / "run.mcap", ticks)
    log = read_log(tmp_path / "run.mcap", allow_incomplete=False)
    assert log.ticks.tobytes() == ticks.tobytes()
    assert log.ticks.dtype == ticks.dtype
    assert log.events == [{"host_ns": 123, "name": "mcu_stopped", "detail": {"argument": ["TILT"], "value": 0.5}}]
    assert (log.session, log.label, log.status) == (SESSION, "suboptimal", "complete")
    assert log.written_by["spec_hash"] == SPEC_HASH
    assert log.ended == {"reason": "closed", "ticks": len(ticks), "events": 1, "dropped": 0}
    assert summary.status == "complete"
    assert (summary.ticks, summary.events, summary.dropped, summary.error) == (len(ticks), 1, 0, "")
    assert summary.bytes == (tmp_path / "run.mcap").stat().st_size
    assert summary.sha256 == log.sha256


def test_the_library_of_the_format_reads_the_same_bytes(tmp_path, ticks):
    record(tmp_path / "run.mcap", ticks)
    with (tmp_path / "run.mcap").open("rb") as stream:
        messages = list(make_reader(stream, validate_crcs=True).iter_messages(log_time_order=False))
    rows = [message for _, channel, message in messages if channel.topic == "/tick"]
    assert b"".join(message.data[4:] for message in rows) == ticks.tobytes()
    assert {message.data[:4] for message in rows} == {b"\x00\x01\x00\x00"}
    assert [message.log_time for message in rows] == ticks["host_receive_ns"].tolist()
    assert [message.sequence for message in rows] == list(range(len(ticks)))


def test_ticks_are_read_only(tmp_path, ticks):
    record(tmp_path / "run.mcap", ticks)
    with pytest.raises(ValueError, match="read-only"):
        read_log(tmp_path / "run.mcap").ticks["pitch"][0] = 1


def test_a_normal_close_leaves_nothing_but_the_log_and_no_process(tmp_path, ticks):
    descriptors = len(names(Path("/proc/self/fd")))
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder:
        recorder.tick(ticks[0].tobytes())
        assert (tmp_path / "run.mcap.recording").exists()
        assert not (tmp_path / "run.mcap").exists()
    assert names(tmp_path) == ["run.mcap"]
    assert len(names(Path("/proc/self/fd"))) == descriptors
    with pytest.raises(ProcessLookupError):
        os.kill(recorder.writer_pid, 0)
    assert recorder.close() is recorder.close()


@pytest.mark.parametrize("existing", ["run.mcap", "run.mcap.recording"])
def test_an_existing_file_is_refused_and_kept(tmp_path, existing):
    (tmp_path / existing).write_bytes(b"precious")
    with pytest.raises(LogError, match="exists"):
        Recorder(tmp_path / "run.mcap", SESSION)
    assert (tmp_path / existing).read_bytes() == b"precious"
    assert names(tmp_path) == [existing]


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, ticks):
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder:
        recorder.tick(ticks[0].tobytes())
        (tmp_path / "run.mcap").write_bytes(b"precious")
    summary = recorder.close()
    assert "exists" in summary.error
    assert (tmp_path / "run.mcap").read_bytes() == b"precious"
    assert read_log(summary.path, allow_incomplete=False).ticks.tobytes() == ticks[:1].tobytes()


def test_a_missing_folder_and_a_folder_without_permission_are_one_line_errors(tmp_path):
    with pytest.raises(LogError, match="folder"):
        Recorder(tmp_path / "none" / "run.mcap", SESSION)
    with pytest.raises(LogError, match="check the folder"):
        Recorder(Path("/proc/run.mcap"), SESSION)


def test_a_tick_of_another_size_is_refused(tmp_path):
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder, pytest.raises(LogError, match="bytes"):
        recorder.tick(b"short")


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"value": float("nan")}, {"value": "nan"}),
        ({"value": np.float32(0.5), "count": np.int64(3)}, {"value": 0.5, "count": 3}),
        ({"path": Path("/a")}, {"path": "/a"}),
        ({"text": "x" * 9000}, {"oversized_bytes": 9053}),
        ({"text": "ä\n\0"}, {"text": "ä\n\0"}),
    ],
)
def test_an_event_with_any_detail_is_recorded_as_strict_json(tmp_path, detail, expected):
    with Recorder(tmp_path / "run.mcap", SESSION, clock=FixedClock(1)) as recorder:
        recorder.event("odd", **detail)
    (event,) = read_log(tmp_path / "run.mcap").events
    assert event["detail"] == expected


def test_messages_are_strict_json(tmp_path):
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder:
        recorder.event("odd", value=float("inf"))

    def refuse(text):
        raise AssertionError(text)

    for message in read_log(tmp_path / "run.mcap").messages:
        json.loads(message.data, parse_constant=refuse)


def test_what_found_the_ring_full_is_counted_and_told(tmp_path):
    """The side process is stopped, as by a stalled disk, until more was published than the ring holds."""
    ticks = plausible_ticks(9000)
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder:
        os.kill(recorder.writer_pid, 19)
        for row in ticks:
            recorder.tick(row.tobytes())
        dropped = recorder.dropped
        os.kill(recorder.writer_pid, 18)
    assert 0 < dropped <= 9000 - 8192
    log = read_log(tmp_path / "run.mcap", allow_incomplete=False)
    assert recorder.close().dropped == log.ended["dropped"] == dropped
    assert len(log.ticks) + dropped == 9000
    told = [event["detail"]["records"] for event in log.events if event["name"] == "recorder_dropped"]
    assert sum(told) == dropped


def test_a_lossless_recorder_waits_instead(tmp_path):
    ticks = plausible_ticks(20000)
    with Recorder(tmp_path / "run.mcap", SESSION, lossless=True) as recorder:
        for row in ticks:
            recorder.tick(row.tobytes())
        recorder.event("end")
    assert recorder.dropped == 0
    assert read_log(tmp_path / "run.mcap").ticks.tobytes() == ticks.tobytes()


@pytest.mark.parametrize(
    "session",
    [
        lambda: Session("fly", "expert"),
        lambda: Session("stand", "good"),
        lambda: Session("stand", "expert", {"gain": float("nan")}).to_json(),
        lambda: Session("stand", "expert", {"gain": np.zeros(2)}).to_json(),
        lambda: Session("stand", "expert", note="x" * 300_000).to_json(),
    ],
)
def test_a_session_that_a_log_cannot_hold_is_refused(session):
    with pytest.raises(ConfigError):
        session()


def test_a_long_session_is_kept(tmp_path):
    session = Session("drive", "unlabeled", note="x" * 200_000)
    Recorder(tmp_path / "run.mcap", session).close()
    assert read_log(tmp_path / "run.mcap").session == session
