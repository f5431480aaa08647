"""What a crash left in a folder is made whole once, and nothing else is touched."""

import os
import signal
import subprocess
import sys
import time

import pytest

from robot_il.errors import LogError
from robot_il.recording.episodes import append_operations, book_of
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.recovery import recover_folder
from robot_il.recording.rewrite import in_use
from tests.recording.conftest import names, plausible_ticks, write_log
from tests.recording.episode_logs import SESSION_LOG, digest, recorded, write_session


@pytest.fixture
def crashed(tmp_path, ticks):
    operations = [*recorded("e1", 0.2, 0.6), *recorded("e2", 1.0, 9)[:1]]
    return write_session(tmp_path / "s.mcap.recording", ticks, operations, began_unix_ns=5, finish=False)


def test_a_crashed_session_comes_back_and_says_what_came_back(crashed):
    before = digest(crashed)
    (recovery,) = recover_folder(crashed.parent)
    log = read_log(recovery.path, allow_incomplete=False)
    assert recovery.path.name == "s.mcap"
    assert (recovery.status, recovery.ticks, recovery.events) == ("cut", len(log.ticks), 3)
    assert recovery.seconds == pytest.approx(len(log.ticks) / 200, abs=0.01)
    assert (recovery.episodes, recovery.open_episodes) == (2, ("e2",))
    for part in (f"recovered {recovery.ticks} ticks", "2 episodes to s.mcap", "episode e2 was still being recorded"):
        assert part in recovery.line
    assert digest(crashed) == before


def test_a_second_call_does_nothing(crashed):
    recover_folder(crashed.parent)
    before = {path: digest(path) for path in crashed.parent.iterdir()}
    assert recover_folder(crashed.parent) == []
    assert {path: digest(path) for path in crashed.parent.iterdir()} == before


def test_edits_made_before_the_crash_hold_after_the_recovery(crashed):
    append_operations(crashed, [{"op": "label", "id": "e1", "label": "expert"}])
    (recovery,) = recover_folder(crashed.parent)
    book = book_of(read_log(recovery.path))
    assert book.get("e1").label == "expert"
    assert recovery.problems == ("the end of the file is missing", *book.problems)


def test_a_recording_in_progress_is_not_touched(tmp_path, ticks):
    with Recorder(tmp_path / "live.mcap", SESSION_LOG) as recorder:
        for row in ticks[:100]:
            recorder.tick(row.tobytes())
        assert recover_folder(tmp_path) == []
        assert names(tmp_path) == ["live.mcap.recording"]
    assert recorder.close().status == "complete"


def _wait(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_session_whose_processes_were_all_killed_is_recovered(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.recording.conftest import plausible_ticks\n"
        "from tests.recording.episode_logs import SESSION_LOG, recorded\n"
        "from robot_il.recording.recorder import Recorder\n"
        "import time; recorder = Recorder(Path(sys.argv[1]), SESSION_LOG)\n"
        "recorder.event('episode', **recorded('e1', 0, 1)[0])\n"
        "for row in plausible_ticks(300): recorder.tick(row.tobytes())\n"
        "print(recorder.writer_pid, flush=True); time.sleep(600)"
    )
    path = tmp_path / "s.mcap"
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    writer = int(process.stdout.readline())
    left = tmp_path / "s.mcap.recording"
    _wait(lambda: len(read_log(left).ticks) == 300)
    for pid in (writer, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    _wait(lambda: not in_use(left))
    (recovery,) = recover_folder(tmp_path)
    assert recovery.ticks == 300
    assert recovery.open_episodes == ("e1",)
    assert recover_folder(tmp_path) == []


def test_what_holds_nothing_is_told_and_stays(tmp_path, crashed):
    empty, foreign = tmp_path / "a.mcap.recording", tmp_path / "b.mcap.recording"
    empty.write_bytes(b"")
    foreign.write_bytes(b"something else" * 100)
    recoveries = recover_folder(tmp_path)
    assert [bool(recovery.error) for recovery in recoveries] == [True, True, False]
    assert recoveries[0].line.startswith("a.mcap.recording could not be recovered: expected an MCAP log")
    assert names(tmp_path) == ["a.mcap.recording", "b.mcap.recording", "s.mcap", "s.mcap.recording"]


def test_a_name_that_another_recording_has_is_told_and_not_overwritten(tmp_path, crashed, ticks):
    other = write_session(tmp_path / "s.mcap", ticks, began_unix_ns=6)
    before = digest(other)
    for _ in range(2):
        (recovery,) = recover_folder(tmp_path)
        assert "another recording" in recovery.error
    assert digest(other) == before


def test_a_recovery_that_was_killed_is_made_again(tmp_path, crashed):
    (tmp_path / "s.mcap.part").write_bytes(b"half a log")
    (recovery,) = recover_folder(tmp_path)
    assert recovery.path == tmp_path / "s.mcap"
    assert names(tmp_path) == ["s.mcap", "s.mcap.recording"]


def test_a_recovery_that_another_program_is_making_is_left_to_it(tmp_path, crashed):
    from robot_il.recording.log_writer import LogFile

    file = LogFile(tmp_path / "s.mcap.part")
    assert recover_folder(tmp_path) == []
    file.close()
    assert names(tmp_path) == ["s.mcap.part", "s.mcap.recording"]


def test_finished_logs_and_other_files_are_no_business_of_a_recovery(tmp_path, ticks):
    write_log(tmp_path / "run.mcap", ticks)
    cut = write_log(tmp_path / "cut.mcap", ticks, finish=False)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.recording").mkdir()
    before = {path.name for path in tmp_path.iterdir()}
    assert recover_folder(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == before
    assert cut.exists()


def test_a_recording_that_only_lacks_its_name_gets_a_log_of_that_name(tmp_path):
    write_session(tmp_path / "s.mcap.recording", plausible_ticks(50), recorded("e1", 0, 0.2))
    (recovery,) = recover_folder(tmp_path)
    assert (recovery.status, recovery.ticks, recovery.open_episodes) == ("complete", 50, ())


def test_no_such_folder_is_an_error(tmp_path):
    with pytest.raises(LogError, match="a folder"):
        recover_folder(tmp_path / "none")
