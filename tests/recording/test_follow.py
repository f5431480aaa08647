"""A log is followed while it grows: whole chunks only, in their order, nothing twice and nothing lost."""

import pytest

from robot_il.errors import LogError
from robot_il.recording.follow import Follower
from robot_il.recording.log_writer import LogFile, LogWriter
from robot_il.recording.reader import read_log
from robot_il.recording.schema import CDR_HEADER, EVENT_TOPIC, TICK_CHANNEL, TICK_TOPIC, tick_schema
from tests.recording.conftest import SESSION, WRITTEN_BY, plausible_ticks, write_log


def ticks_of(messages) -> bytes:
    return b"".join(message.data[len(CDR_HEADER) :] for message in messages if message.channel_id == TICK_CHANNEL)


def test_a_finished_log_is_read_whole(tmp_path):
    path = write_log(tmp_path / "run.mcap", plausible_ticks(300), events=3)
    with Follower(path) as follower:
        messages = follower.read()
        assert follower.finished
        assert not follower.being_written
    assert ticks_of(messages) == read_log(path).ticks.tobytes()


def test_a_growing_log_gives_each_message_once_at_whatever_size_it_is_looked_at(tmp_path):
    data = write_log(tmp_path / "run.mcap", plausible_ticks(200), events=3).read_bytes()
    growing = tmp_path / "growing.mcap"
    growing.touch()
    found = []
    with Follower(growing) as follower, growing.open("ab", buffering=0) as file:
        for start in range(0, len(data), 997):
            file.write(data[start : start + 997])
            found += follower.read()
        assert follower.finished
    whole = [(message.channel_id, message.sequence) for message in found]
    assert len(whole) == len(set(whole)) == 200 + 3 + 2
    assert ticks_of(found) == plausible_ticks(200).tobytes()


def test_the_topics_are_those_of_the_file_with_units_in_their_schema(tmp_path):
    with Follower(write_log(tmp_path / "run.mcap", plausible_ticks(10))) as follower:
        follower.read()
        topics = {topic.name: topic for topic in follower.topics.values()}
    tick = topics[TICK_TOPIC]
    assert (tick.encoding, tick.schema_encoding, tick.schema.decode()) == ("cdr", "ros2msg", tick_schema())
    assert "float32 pitch  # [rad]" in tick.schema.decode()
    assert topics[EVENT_TOPIC].encoding == "json"


def test_whether_it_is_being_written_is_known_from_the_writers_lock(tmp_path):
    file = LogFile(tmp_path / "run.mcap.recording")
    writer = LogWriter(file, SESSION.to_json(), WRITTEN_BY, 10**12)
    with Follower(file.path) as follower:
        assert follower.being_written
        assert file.path.exists()
        writer.finish("closed", 0)
        file.publish(tmp_path / "run.mcap")
        file.close()
        assert not follower.being_written
        follower.read()
        assert follower.finished, "a file that was renamed is followed to its end"


def test_looking_at_a_log_does_not_keep_a_writer_from_it(tmp_path):
    path = write_log(tmp_path / "run.mcap", plausible_ticks(10))
    with Follower(path) as one, Follower(path) as other:
        assert not one.being_written
        assert not other.being_written


def test_a_cut_log_ends_without_being_finished(tmp_path):
    path = write_log(tmp_path / "run.mcap", plausible_ticks(200), finish=False)
    with Follower(path) as follower:
        assert len(ticks_of(follower.read())) > 0
        assert follower.read() == []
        assert not follower.finished


def test_a_damaged_chunk_is_an_error_and_no_data(tmp_path):
    path = write_log(tmp_path / "run.mcap", plausible_ticks(300))
    data = bytearray(path.read_bytes())
    data[data.rindex(b"\x28\xb5\x2f\xfd") + 100] ^= 1  # zstd's magic begins the content of the last chunk
    path.write_bytes(data)
    with Follower(path) as follower, pytest.raises(LogError, match=r"checksum|record"):
        follower.read()


@pytest.mark.parametrize("content", [b"no log at all", bytes(range(100, 200))], ids=["text", "bytes"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with Follower(path) as follower, pytest.raises(LogError, match="expected an MCAP log"):
        follower.read()


def test_a_record_that_claims_gigabytes_is_refused(tmp_path):
    path = tmp_path / "bomb.mcap"
    path.write_bytes(write_log(tmp_path / "run.mcap", plausible_ticks(1)).read_bytes()[:8] + b"\x06" + b"\xff" * 8)
    with Follower(path) as follower, pytest.raises(LogError, match="record of"):
        follower.read()


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LogError, match="No such file"):
        Follower(tmp_path / "none.mcap")
