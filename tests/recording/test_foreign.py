import pytest
from mcap.writer import Writer

from robot_il.errors import LogError
from robot_il.recording import schema
from robot_il.recording.reader import read_log


def foreign(path, topic="/imu", name="sensor_msgs/Imu", metadata=None):
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start(library="somebody")
        kind = writer.register_schema(name, "ros2msg", b"float32 x\n")
        channel = writer.register_channel(topic, "cdr", kind, metadata or {})
        writer.add_message(channel, 0, b"\0\1\0\0abcd", 0)
        writer.finish()
    return path


def test_a_missing_file_a_folder_and_an_empty_file_are_one_line_errors(tmp_path):
    (tmp_path / "empty").touch()
    for path, came in ((tmp_path / "none", "No such file"), (tmp_path, "directory"), (tmp_path / "empty", "an empty")):
        with pytest.raises(LogError, match=came) as caught:
            read_log(path)
        assert "\n" not in str(caught.value)


def test_a_file_that_is_not_mcap_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("Hello, world")
    with pytest.raises(LogError, match="begins with b'Hello, w'"):
        read_log(tmp_path / "notes.txt")


def test_someone_elses_mcap_is_refused_by_its_topics(tmp_path):
    with pytest.raises(LogError, match="someone else's MCAP file with topics /imu"):
        read_log(foreign(tmp_path / "bag.mcap"))
    with pytest.raises(LogError, match="someone else's"):
        read_log(foreign(tmp_path / "clock.mcap", schema.TICK_TOPIC))
