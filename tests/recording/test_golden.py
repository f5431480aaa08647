"""The golden log of each format stays readable; a failure here means that people's recordings became unreadable.

After an intended change of the spec or the format, ``tools/make_golden_log.py`` makes today's anew; the earlier one
keeps its bytes under the name of its format.
"""

from pathlib import Path

import numpy as np
import pytest

from robot_il.errors import LogError
from robot_il.recording.layouts import ADDED_IN
from robot_il.recording.reader import read_log
from robot_il.spec import SPEC_HASH, TICK_DTYPE

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


@pytest.fixture(scope="module")
def log_v1():
    return read_log(GOLDEN / "log_v1.mcap", allow_incomplete=False)


def test_the_golden_bytes_of_format_1_give_its_arrays_in_todays_layout(log_v1):
    expected = np.load(GOLDEN / "log_v1_ticks.npy", allow_pickle=False)
    assert log_v1.ticks.dtype == TICK_DTYPE
    assert len(log_v1.ticks) == len(expected) == 120
    for name in expected.dtype.names:
        assert log_v1.ticks[name].tobytes() == expected[name].tobytes(), name


def test_what_format_1_did_not_record_reads_as_not_a_number_and_is_named(log_v1):
    assert set(TICK_DTYPE.names) - set(log_v1.layout.dtype.names) == set(log_v1.layout.missing) == set(ADDED_IN)
    assert all(np.isnan(log_v1.ticks[name]).all() for name in ADDED_IN)
    assert (log_v1.layout.format_version, log_v1.layout.spec_hash[:12]) == (1, "c00149da84fe")


def test_session_events_and_label_of_format_1_are_those_of_format_2(log, log_v1):
    assert (log_v1.session, log_v1.events, log_v1.label) == (log.session, log.events, log.label)
    assert log_v1.ended == log.ended


def test_every_cut_of_format_1_gives_back_its_valid_prefix(log_v1, tmp_path):
    data = log_v1.path.read_bytes()
    most = -1
    for size in range(0, len(data), 7):
        (tmp_path / "cut.mcap").write_bytes(data[:size])
        try:
            part = read_log(tmp_path / "cut.mcap")
        except LogError:
            assert most < 0, size
            continue
        assert part.status == "cut"
        assert part.ticks.tobytes() == log_v1.ticks[: len(part.ticks)].tobytes()
        most = max(most, len(part.ticks))
    assert most == len(log_v1.ticks)


def test_every_flipped_byte_of_format_1_is_found(log_v1, tmp_path):
    data = log_v1.path.read_bytes()
    for position in range(8, len(data), 101):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        (tmp_path / "damaged.mcap").write_bytes(damaged)
        try:
            part = read_log(tmp_path / "damaged.mcap")
        except LogError:
            continue
        assert part.status != "complete"
        assert part.problems
        assert set(part.ticks["tick"].tolist()) <= set(log_v1.ticks["tick"].tolist())
