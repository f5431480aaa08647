"""A log that was cut at any byte, or has any bit flipped, gives back what is whole and never anything else."""

import json
import random
from itertools import pairwise

import numpy as np
import pytest

from robot_il.control.operator import Hand, pack_hand
from robot_il.errors import LogError
from robot_il.recording.episodes import EpisodeBook, book_of, part_of
from robot_il.recording.log_writer import LogFile, LogWriter
from robot_il.recording.reader import Log, read_log
from robot_il.recording.scan import MAX_CHUNK_BYTES, scan
from robot_il.spec import HandDevice
from tests.recording.conftest import SESSION, WRITTEN_BY, plausible_ticks, write_log


@pytest.fixture
def small(tmp_path):
    """A log of a few chunks with events between, and its bytes."""
    path = write_log(tmp_path / "small.mcap", plausible_ticks(100), events=4)
    return path, path.read_bytes()


def read_bytes(path, data: bytes) -> Log | None:
    """The log in ``data``; None where it is refused with an error of ours."""
    path.write_bytes(data)
    try:
        return read_log(path)
    except LogError:
        return None


def is_part_of(part: Log, whole: Log) -> bool:
    """Whether all that is in ``part`` stands in ``whole`` too, bit for bit and in its order."""
    places = np.searchsorted(whole.ticks["tick"], part.ticks["tick"]).clip(0, len(whole.ticks) - 1)
    same_ticks = whole.ticks[places].tobytes() == part.ticks.tobytes()
    rest = iter(whole.events)
    return same_ticks and (np.diff(places) > 0).all() and all(event in rest for event in part.events)


def test_every_truncation_gives_back_its_valid_prefix(small):
    path, data = small
    whole = read_log(path, allow_incomplete=False)
    readable, most = False, 0
    for size in range(len(data)):
        log = read_bytes(path, data[:size])
        if log is None:
            assert not readable, f"nothing is given back at {size}, though there was at fewer bytes"
            continue
        readable = True
        assert log.status == "cut", (size, log.problems)
        assert log.ticks.tobytes() == whole.ticks[: len(log.ticks)].tobytes()
        assert log.events == whole.events[: len(log.events)]
        assert log.session == SESSION
        assert len(log.ticks) >= most
        most = len(log.ticks)
    assert most == len(whole.ticks)


def test_a_prefix_holds_every_chunk_that_is_whole_in_it(small):
    path, data = small
    ends = [size for size in range(len(data)) if len(b"".join(scan(data[:size]).ticks))]
    first = min(ends)
    assert read_bytes(path, data[:first]).status == "cut"
    assert len(read_bytes(path, data[:first]).ticks) == 36 - 1  # one chunk of 36 records, one of them an event


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\0"])
def test_blocks_that_were_never_written_count_as_cut(small, tail):
    path, data = small
    log = read_bytes(path, data[: len(data) // 2] + tail)
    assert log.status in ("cut", "damaged")
    assert is_part_of(log, read_log(write_log(path.with_name("again.mcap"), plausible_ticks(100), events=4)))


def test_every_flipped_bit_is_found(small):
    path, data = small
    whole = read_log(path)
    choose = random.Random(1)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << choose.randrange(8)
        log = read_bytes(path, bytes(damaged))
        if log is not None:
            assert log.status != "complete", f"byte {position}"
            assert log.problems
            assert log.session == SESSION
            assert is_part_of(log, whole), f"byte {position}"


def test_a_flipped_bit_in_a_cut_log_never_gives_other_data(small):
    path, data = small
    whole = read_log(path)
    choose = random.Random(2)
    cut = data[: len(data) * 2 // 3]
    for position in range(0, len(cut), 3):
        damaged = bytearray(cut)
        damaged[position] ^= 1 << choose.randrange(8)
        log = read_bytes(path, bytes(damaged))
        assert log is None or is_part_of(log, whole), f"byte {position}"


def test_a_damaged_chunk_costs_its_ticks_only_and_they_are_counted(log_path, ticks):
    data = bytearray(log_path.read_bytes())
    data[len(data) // 2] ^= 1
    log = read_bytes(log_path, bytes(data))
    assert log.status == "damaged"
    assert 0 < log.lost_ticks <= 43
    assert len(log.ticks) == len(ticks) - log.lost_ticks
    assert f"{log.lost_ticks} ticks are lost" in log.problems
    kept = np.isin(ticks["tick"], log.ticks["tick"])
    assert log.ticks.tobytes() == ticks[kept].tobytes()
    with pytest.raises(LogError, match="damaged"):
        read_log(log_path, allow_incomplete=False)


def test_a_missing_stretch_is_counted_wherever_it_is(log_path, ticks):
    """A chunk taken out, records intact: only the sequence numbers and the file's own checksum tell."""
    data = log_path.read_bytes()
    starts = [offset for offset in range(len(data)) if data[offset : offset + 1] == b"\x06" and _is_chunk(data, offset)]
    for begin, end in pairwise(starts[1:]):
        log = read_bytes(log_path, data[:begin] + data[end:])
        assert log.status == "damaged"
        assert log.lost_ticks == len(ticks) - len(log.ticks) > 0


def _is_chunk(data: bytes, offset: int) -> bool:
    length = int.from_bytes(data[offset + 1 : offset + 9], "little")
    return length < 10_000 and b"zstd" in data[offset + 37 : offset + 45]


def test_garbage_behind_a_complete_log_is_told(small):
    path, data = small
    log = read_bytes(path, data + b"garbage")
    assert log.status == "damaged"
    assert len(log.ticks) == 100


def test_random_bytes_behind_the_magic_are_refused(small):
    path, data = small
    for seed in range(200):
        assert read_bytes(path, data[:8] + random.Random(seed).randbytes(seed * 7)) is None


def test_a_chunk_that_claims_to_unpack_to_gigabytes_is_not_unpacked(small):
    """Its size field and its zstd frame are bounded before any memory is taken."""
    import zstandard

    path, data = small
    bomb = zstandard.compress(bytes(MAX_CHUNK_BYTES * 64))
    header = (0).to_bytes(16, "little") + (MAX_CHUNK_BYTES * 64).to_bytes(8, "little") + bytes(4)
    body = header + (4).to_bytes(4, "little") + b"zstd" + len(bomb).to_bytes(8, "little") + bomb
    chunk = b"\x06" + len(body).to_bytes(8, "little") + body
    middle = len(data) // 2
    log = read_bytes(path, data[:middle] + chunk + data[middle:])
    assert log.status == "damaged"


def test_a_chunk_that_passes_for_an_index_is_not_skipped_in_silence(small):
    """In a cut log no statistics and no checksum over the file would miss its last chunk."""
    path, data = small
    starts = [offset for offset in range(len(data)) if data[offset : offset + 1] == b"\x06" and _is_chunk(data, offset)]
    last = starts[-1]
    end = last + 9 + int.from_bytes(data[last + 1 : last + 9], "little")
    log = read_bytes(path, data[:last] + b"\x07" + data[last + 1 : end])
    assert log.status == "damaged"


@pytest.fixture
def operated(tmp_path):
    """A log with the operator's hand every sixth tick and an episode in it, and its bytes."""
    path = tmp_path / "operated.mcap"
    file = LogFile(path)
    writer = LogWriter(file, SESSION.to_json(), WRITTEN_BY, 10**12)
    ticks = plausible_ticks(60)
    operations = {12: {"op": "start", "id": "e1", "start_ns": 0, "task": "stand", "mode": "assisted"},
                  48: {"op": "stop", "id": "e1", "stop_ns": 0}}  # fmt: skip
    for index, row in enumerate(ticks):
        host_ns = int(row["host_receive_ns"])
        if index % 6 == 0:
            hand = Hand(index + 1, HandDevice.GAMEPAD, True, index / 100, -index / 200, (0.1, index / 100), index)
            writer.hand(pack_hand(hand, host_ns))
        if index in operations:
            times = {name: host_ns for name in operations[index] if name.endswith("_ns")}
            detail = {**operations[index], **times}
            writer.event(json.dumps({"host_ns": host_ns, "name": "episode", "detail": detail}).encode())
        writer.tick(row.tobytes())
    writer.finish("closed", 0)
    file.close()
    return path, path.read_bytes()


def test_every_truncation_of_a_log_with_hands_and_episodes_gives_back_its_valid_prefix(operated):
    path, data = operated
    whole = read_log(path, allow_incomplete=False)
    assert (len(whole.hands), [episode.id for episode in book_of(whole).all]) == (10, ["e1"])
    most = [0, 0, 0]
    for size in range(len(data)):
        log = read_bytes(path, data[:size])
        if log is None:
            assert most == [0, 0, 0], f"nothing is given back at {size}, though there was at fewer bytes"
            continue
        assert log.status == "cut", (size, log.problems)
        assert log.ticks.tobytes() == whole.ticks[: len(log.ticks)].tobytes()
        assert log.hands.tobytes() == whole.hands[: len(log.hands)].tobytes()
        assert log.events == whole.events[: len(log.events)]
        now = [len(log.ticks), len(log.hands), len(log.events)]
        assert all(more >= before for more, before in zip(now, most, strict=True))
        if now != most:
            _is_prefix_of_the_episode(book_of(log), log)
        most = now
    assert most == [60, 10, 2]


def _is_prefix_of_the_episode(book: EpisodeBook, log: Log) -> None:
    """As much of the episode as the events that are left tell; without its end it ends with the last tick."""
    if len(log.events) == 1:
        (episode,) = book.episodes
        assert (episode.cut, len(part_of(log, episode).ticks)) == (True, len(log.ticks) - 12)
    elif len(log.events) == 2:
        (episode,) = book.episodes
        assert (episode.cut, len(part_of(log, episode).ticks)) == (False, min(36, len(log.ticks) - 12))


def test_a_flipped_bit_in_a_log_with_hands_never_gives_another_hand(operated):
    path, data = operated
    whole = read_log(path)
    choose = random.Random(4)
    for position in range(0, len(data), 5):
        damaged = bytearray(data)
        damaged[position] ^= 1 << choose.randrange(8)
        log = read_bytes(path, bytes(damaged))
        if log is not None:
            assert is_part_of(log, whole), f"byte {position}"
            assert np.isin(log.hands["hand_seq"], whole.hands["hand_seq"]).all()
            kept = np.isin(whole.hands["hand_seq"], log.hands["hand_seq"])
            assert log.hands.tobytes() == whole.hands[kept].tobytes(), f"byte {position}"
