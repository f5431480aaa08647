"""The wall clock jumps a day back in the middle of a recording: nothing in it moves.

The jump is real for every process in it: a library that is loaded before libc's answers for the wall clock.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.compiling import output_of
from robot_il.recording.check import check
from robot_il.recording.reader import read_log
from tests.recording.conftest import plausible_ticks

DAY_S = 86_400
JUMPING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t jumped(void) { return access(getenv("CLOCK_JUMPS_ONCE_THIS_EXISTS"), F_OK) == 0 ? 86400 : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec -= jumped();
    return result;
}
"""
RECORDING = """
import sys, time
from pathlib import Path
from robot_il.recording.recorder import Recorder
from tests.recording.conftest import SESSION, plausible_ticks

path, jump = map(Path, sys.argv[1:])
with Recorder(path, SESSION) as recorder:
    for index, row in enumerate(plausible_ticks(1000)):
        if index == 500:
            before = time.time()
            time.sleep(0.3)  # the writer has seen the first half
            recorder.event("before")
            jump.touch()
            print(time.time() - before)
            recorder.event("after")
            time.sleep(0.3)
        recorder.tick(row.tobytes())
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """The log, and by how many seconds the wall clock moved in it."""
    folder = tmp_path_factory.mktemp("jump")
    (folder / "jump.c").write_text(JUMPING)
    library = folder / "jump.so"
    output_of([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", str(library), str(folder / "jump.c"), "-ldl"])
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "CLOCK_JUMPS_ONCE_THIS_EXISTS": str(folder / "now"),
    }
    done = subprocess.run(
        [sys.executable, "-c", RECORDING, str(folder / "run.mcap"), str(folder / "now")],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return read_log(folder / "run.mcap", allow_incomplete=False), float(done.stdout)


def test_the_clock_did_jump(recording):
    assert recording[1] == pytest.approx(-DAY_S, abs=10)


def test_every_tick_is_there_and_the_recording_is_fit_to_learn_from(recording):
    log, _ = recording
    assert log.ticks.tobytes() == plausible_ticks(1000).tobytes()
    assert log.ended["dropped"] == 0
    assert check(log).passed


def test_events_before_and_after_the_jump_are_as_far_apart_as_they_were(recording):
    before, after = (event["host_ns"] for event in recording[0].events)
    assert 0 <= after - before < 10 * 10**9


def test_times_in_the_file_never_step_back(recording):
    """Log times of the ticks are the host's monotonic clock; those of this recording are made up and rise."""
    log, _ = recording
    assert (np.diff(log.ticks["host_receive_ns"]) > 0).all()
    assert {message.host_ns > 0 for message in log.messages} == {True}
