"""What is left of a recording when a process is killed or the disk is full."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from robot_il.recording.log_writer import CHUNK_BYTES, LogFile, LogWriter
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.rewrite import recover
from robot_il.recording.ring import Ring
from robot_il.recording.writer_process import Drain
from robot_il.spec import CONTROL_RATE_HZ, TICK_DTYPE
from tests.recording.conftest import SESSION, WRITTEN_BY, names, plausible_ticks

PATIENCE_S = 60
HALF_A_SECOND = CONTROL_RATE_HZ // 2


def wait_until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


@contextmanager
def producer(path: Path, count: int) -> Iterator[tuple[subprocess.Popen, int]]:
    """A process that has published ``count`` ticks into ``path``, in a process group of its own."""
    command = [sys.executable, "-m", "tests.recording.producer", str(path), str(count)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root, text=True, process_group=0
    ) as process:
        yield process, int(process.stdout.readline())
        process.kill()


def test_killing_the_recording_process_loses_nothing_that_was_published(tmp_path):
    with producer(tmp_path / "run.mcap", 3000) as (process, _):
        process.kill()
        wait_until((tmp_path / "run.mcap").exists)
    log = read_log(tmp_path / "run.mcap", allow_incomplete=False)
    assert log.ticks.tobytes() == plausible_ticks(3000).tobytes()
    assert [event["name"] for event in log.events] == ["last"]
    assert log.ended["reason"] == "the recording process died"
    assert names(tmp_path) == ["run.mcap"]


def test_a_killed_recording_leaves_no_side_process(tmp_path):
    with producer(tmp_path / "run.mcap", 10) as (process, side):
        process.kill()
        wait_until(lambda: not Path(f"/proc/{side}").exists() or "Z" in Path(f"/proc/{side}/stat").read_text())


def test_ctrl_c_at_the_terminal_does_not_reach_the_side_process(tmp_path):
    with producer(tmp_path / "run.mcap", 100) as (process, side):
        assert os.getsid(side) == side
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE_S)
    log = read_log(tmp_path / "run.mcap", allow_incomplete=False)
    assert (len(log.ticks), log.ended["reason"]) == (100, "closed")


def test_killing_both_processes_loses_at_most_half_a_second(tmp_path):
    """All but an open chunk is in the file once the side process has seen it; judged on ticks, not on wall clock."""
    recording = tmp_path / "run.mcap.recording"
    count = 1000
    with producer(tmp_path / "run.mcap", count) as (process, side):
        wait_until(lambda: len(read_log(recording).ticks) >= count - HALF_A_SECOND // 2)
        os.kill(side, signal.SIGKILL)
        process.kill()
    log = read_log(recording)
    assert log.status == "cut"
    assert len(log.ticks) >= count - HALF_A_SECOND // 2
    assert log.ticks.tobytes() == plausible_ticks(count)[: len(log.ticks)].tobytes()


def test_no_more_than_one_chunk_of_ticks_is_ever_outside_the_file(tmp_path):
    """The bound behind it: whatever was drained is in the file but for less than a chunk, a quarter of a second."""
    producing = Ring()
    consuming = Ring(os.dup(producing.descriptor))
    file = LogFile(tmp_path / "run.mcap")
    drain = Drain(consuming, LogWriter(file, SESSION.to_json(), WRITTEN_BY, 0))
    ticks = plausible_ticks(200)
    at_risk = []
    for published, row in enumerate(ticks, start=1):
        producing.publish_tick(row.tobytes())
        drain.run()
        at_risk.append(published - len(read_log(file.path).ticks))
    assert max(at_risk) <= CHUNK_BYTES // TICK_DTYPE.itemsize < HALF_A_SECOND
    file.close()
    consuming.close()
    producing.close()


def test_an_idle_chunk_is_written_without_waiting_for_more(tmp_path):
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder:
        recorder.tick(plausible_ticks(1).tobytes())
        wait_until(lambda: len(read_log(tmp_path / "run.mcap.recording").ticks) == 1)


def test_a_killed_side_process_is_noticed_and_leaves_a_readable_prefix(tmp_path):
    ticks = plausible_ticks(2000)
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder:
        for row in ticks:
            recorder.tick(row.tobytes())
        wait_until(lambda: len(read_log(tmp_path / "run.mcap.recording").ticks) > 1000)
        assert not recorder.failure
        os.kill(recorder.writer_pid, signal.SIGKILL)
        wait_until(lambda: recorder.failure)
        recorder.tick(ticks[0].tobytes())
        recorder.event("nobody takes it")
    summary = recorder.close()
    assert (summary.status, summary.path) == ("cut", tmp_path / "run.mcap.recording")
    assert "status -9" in summary.error
    log = read_log(summary.path)
    assert log.status == "cut"
    assert log.ticks.tobytes() == ticks[: len(log.ticks)].tobytes()


def test_a_full_disk_keeps_what_fitted_and_is_told_to_the_loop(tmp_path):
    ticks = plausible_ticks(2000)
    with Recorder(tmp_path / "run.mcap", SESSION) as recorder:
        limit = 40_000
        resource.prlimit(recorder.writer_pid, resource.RLIMIT_FSIZE, (limit, limit))
        for row in ticks:
            recorder.tick(row.tobytes())
        wait_until(lambda: recorder.failure)
        assert "File too large" in recorder.failure
    summary = recorder.close()
    assert summary.status == "cut"
    assert "File too large" in summary.error
    assert summary.path == tmp_path / "run.mcap.recording"
    log = read_log(summary.path)
    assert (log.status, log.problems) == ("cut", ("the end of the file is missing",))
    assert summary.path.stat().st_size < limit, "a half-written chunk was left"
    assert 100 < len(log.ticks) < 2000
    assert log.ticks.tobytes() == ticks[: len(log.ticks)].tobytes()
    assert recover(summary.path).ticks == len(log.ticks)
    assert read_log(tmp_path / "run.mcap", allow_incomplete=False).ticks.tobytes() == log.ticks.tobytes()


def test_a_disk_that_is_full_from_the_start_leaves_no_file(tmp_path):
    file = LogFile(tmp_path / "run.mcap")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            LogWriter(file, SESSION.to_json(), WRITTEN_BY, 0)
        file.cut_to_complete()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    file.close()
    assert names(tmp_path) == []
