from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.faults_disk import FullDisk
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder, recording_name
from robot_il.recording.session import Session
from robot_il.spec import TICK_DTYPE

PATIENCE_S = 20.0


def recorded(folder: Path, kept: Path, own: bool) -> tuple[str, str]:
    """Records half a second before the disk is full and goes on after; returns the failure and what was expected."""
    disk, path = FullDisk(folder, own), folder / "log.mcap"
    row = np.zeros(1, TICK_DTYPE).tobytes()
    with Recorder(path, Session(task="stand", label="unlabeled")) as recorder:
        for _ in range(100):
            recorder.tick(row)
        time.sleep(0.3)  # the writer flushes chunks that are older than 0.2 s
        disk.fill(recording_name(path), recorder.writer_pid)
        end = time.monotonic() + PATIENCE_S
        while not recorder.failure and time.monotonic() < end:
            for _ in range(50):
                recorder.tick(os.urandom(len(row)))
            time.sleep(0.02)
        failure = recorder.failure
    disk.rescue(path, kept)
    return failure, os.strerror(disk.error)


@pytest.mark.parametrize("own", [True, False])
def test_the_recorders_writer_is_refused_by_the_kernel_and_what_it_had_written_can_be_read(tmp_path, own) -> None:
    """In a child, because a mount namespace stays with its process."""
    folder, kept, said = tmp_path / "disk", tmp_path / "kept", tmp_path / "said"
    for each in (folder, kept):
        each.mkdir()
    process = os.fork()
    if process == 0:
        try:
            said.write_text("\n".join(recorded(folder, kept, own)))
        finally:
            os._exit(0)
    os.waitpid(process, 0)
    failure, expected = said.read_text().splitlines()
    assert expected in failure
    on_its_own = expected == os.strerror(errno.ENOSPC)
    assert on_its_own or expected == os.strerror(errno.EFBIG)
    assert own or not on_its_own
    assert not (on_its_own and list(folder.iterdir()))  # nobody but that process sees its disk
    log = read_log(kept / "log.mcap.recording")
    assert log.status == "cut"
    assert len(log.ticks) >= 100
