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
from robot_il.spec import HAND_DTYPE, SPEC_HASH, TICK_DTYPE, HandDevice

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


EARLIER = {1: "c00149da84fe", 2: "222f095bd675", 3: "c31eced61ed6"}
"""Each earlier format, and the spec under which its golden log was written."""


@pytest.fixture(scope="module", params=EARLIER)
def earlier(request):
    return read_log(GOLDEN / f"log_v{request.param}.mcap", allow_incomplete=False)


def test_the_golden_messages_of_the_operators_hand(log):
    expected = np.load(GOLDEN / "log_hands.npy", allow_pickle=False)
    assert (log.hands.dtype, log.hands.tobytes()) == (HAND_DTYPE, expected.tobytes())
    assert log.hands["host_ns"][3] == 1_000_000_150_000_000
    assert log.hands["axis_2"][5] == 5.125
    assert (log.hands["device"] == HandDevice.JOYSTICK).all()
    assert log.hands["deadman"].tolist() == [0, 1] * 6


def test_a_log_has_the_operators_hand_since_format_3(earlier):
    assert earlier.hands.shape == ((0,) if earlier.layout.format_version < 3 else (12,))


def test_the_golden_bytes_of_an_earlier_format_give_its_arrays_in_todays_layout(earlier):
    expected = np.load(GOLDEN / f"log_v{earlier.layout.format_version}_ticks.npy", allow_pickle=False)
    assert earlier.ticks.dtype == TICK_DTYPE
    assert len(earlier.ticks) == len(expected) == 120
    for name in expected.dtype.names:
        assert earlier.ticks[name].tobytes() == expected[name].tobytes(), name


def test_what_it_did_not_record_reads_as_not_a_number_and_is_named(earlier):
    version = earlier.layout.format_version
    later = {name for name, came in ADDED_IN.items() if came > version}
    assert set(TICK_DTYPE.names) - set(earlier.layout.dtype.names) == set(earlier.layout.missing) == later
    assert all(np.isnan(earlier.ticks[name]).all() for name in later)
    assert earlier.layout.spec_hash[:12] == EARLIER[version]


def test_session_events_and_label_of_an_earlier_format_are_those_of_this(log, earlier):
    assert (earlier.session, earlier.events, earlier.label) == (log.session, log.events, log.label)
    assert earlier.ended == log.ended


def test_every_cut_of_it_gives_back_its_valid_prefix(earlier, tmp_path):
    data = earlier.path.read_bytes()
    most = -1
    for size in range(0, len(data), 7):
        (tmp_path / "cut.mcap").write_bytes(data[:size])
        try:
            part = read_log(tmp_path / "cut.mcap")
        except LogError:
            assert most < 0, size
            continue
        assert part.status == "cut"
        assert part.ticks.tobytes() == earlier.ticks[: len(part.ticks)].tobytes()
        most = max(most, len(part.ticks))
    assert most == len(earlier.ticks)


def test_every_flipped_byte_of_it_is_found(earlier, tmp_path):
    data = earlier.path.read_bytes()
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
        assert set(part.ticks["tick"].tolist()) <= set(earlier.ticks["tick"].tolist())
