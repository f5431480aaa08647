import re

import numpy as np
from mcap.reader import make_reader

from robot_il import spec
from robot_il.recording import schema


def test_the_schema_names_every_signal_in_order_with_type_unit_and_meaning():
    lines = schema.tick_schema().splitlines()
    assert len(lines) == len(spec.TICK_SIGNALS)
    types = {"u8": "uint64", "i8": "int64", "u4": "uint32", "f4": "float32", "u2": "uint16", "u1": "uint8"}
    for line, signal in zip(lines, spec.TICK_SIGNALS, strict=True):
        assert line == f"{types[signal.dtype]} {signal.name}  # [{signal.unit}] {signal.meaning}"


def test_cdr_alignment_inserts_no_padding_into_a_tick():
    offset = 0
    for signal in spec.TICK_SIGNALS:
        size = np.dtype(signal.dtype).itemsize
        assert offset % size == 0, signal.name
        offset += size
    assert offset == spec.TICK_DTYPE.itemsize


def test_field_names_are_legal_in_ros2():
    assert all(re.fullmatch(r"[a-z](_?[a-z0-9]+)*", signal.name) for signal in spec.TICK_SIGNALS)


def test_a_written_file_carries_the_schema_and_the_spec_hash(log_path):
    with log_path.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    (channel,) = [entry for entry in summary.channels.values() if entry.topic == "/tick"]
    kind = summary.schemas[channel.schema_id]
    assert (channel.message_encoding, kind.encoding, kind.name) == ("cdr", "ros2msg", "robot_il/Tick")
    assert kind.data.decode() == schema.tick_schema()
    assert channel.metadata == {"format_version": "4", "spec_hash": spec.SPEC_HASH}
