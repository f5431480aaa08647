"""The golden log of each format stays readable; a failure here means that people's recordings became unreadable.

After an intended change of the spec or the format, ``tools/make_golden_log.py`` makes it anew.
"""

from pathlib import Path

import numpy as np
import pytest

from robot_il.recording.reader import read_log
from robot_il.spec import SPEC_HASH

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


@pytest.fixture(scope="module")
def log():
    return read_log(GOLDEN / "log.mcap", allow_incomplete=False)


def test_the_golden_bytes_give_the_golden_arrays(log):
    expected = np.load(GOLDEN / "log_ticks.npy", allow_pickle=False)
    assert log.ticks.dtype == expected.dtype
    assert log.ticks.tobytes() == expected.tobytes()


def test_some_of_them_counted_by_hand(log):
    assert len(log.ticks) == 120
    assert log.ticks["host_receive_ns"][1] == 1_000_000_005_000_000
    names = list(log.ticks.dtype.names)
    assert log.ticks["pitch"][64] == names.index("pitch") + 0.5
    assert log.ticks["tick"][10] == names.index("tick") * 1000 + 30
    assert np.isnan(log.ticks["intent"]).all()


def test_the_golden_session_events_and_label(log):
    assert (log.session.task, log.session.label, log.label) == ("stand", "suboptimal", "undesirable")
    assert (log.session.controller, log.session.synthetic) == ({"name": "operator"}, True)
    armed = {"host_ns": 1_000_000_300_000_000, "name": "mcu_armed", "detail": {"mcu_time_us": 5, "value": 0.5}}
    assert log.events == [armed]
    assert log.ended == {"reason": "closed", "ticks": 120, "events": 1, "dropped": 2}
    assert log.written_by["spec_hash"] == SPEC_HASH
