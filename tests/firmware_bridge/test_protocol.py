"""Framing: what the decoder takes, what it counts, and what it never holds."""

from __future__ import annotations

import math
import struct
import zlib

import pytest
from cobs import cobs

from firmware_bridge import protocol
from firmware_bridge.protocol import ENCODED_MAX, Decoder, encode
from robot_il.spec import MESSAGES, SPEC_HASH_U64
from tests.firmware_bridge.c_messages import c_decode

SEED = SPEC_HASH_U64 & 0xFFFFFFFF
COMMAND = encode("COMMAND", 1, 2, 0.5, -0.5, 0.25)


def frame(body: bytes, seed: int = SEED) -> bytes:
    return b"\0" + cobs.encode(body + zlib.crc32(body, seed).to_bytes(4, "little")) + b"\0"


def test_a_frame_is_a_delimited_cobs_of_type_payload_and_seeded_crc():
    assert frame(b"\x11" + struct.pack("<IIfff", 1, 2, 0.5, -0.5, 0.25)) == COMMAND


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_are_found_however_the_bytes_are_cut(size):
    stream = COMMAND * 3 + encode("DISARM")
    decoder = Decoder()
    found = [message for start in range(0, len(stream), size) for message in decoder.feed(stream[start : start + size])]
    assert [name for name, _ in found] == ["COMMAND"] * 3 + ["DISARM"]
    assert decoder.undecodable == 0


BAD_FRAMES = {
    "unknown type": frame(b"\x7f1234"),
    "payload too short": frame(b"\x11" + bytes(15)),
    "payload too long": frame(b"\x11" + bytes(17)),
    "checksum only": frame(b""),
    "wrong seed": frame(b"\x11" + bytes(16), SEED ^ 1),
    "unseeded": frame(b"\x11" + bytes(16), 0),
    "seeded HELLO": frame(b"\x01" + bytes(10)),
    "cobs code past the end": b"\0\x05abc\0",
    "one byte": b"\0\x01\0",
    "no frame so long": b"\0" + b"\x01" * 5000 + b"\0",
    "one longer than fits": b"\0" + b"\x02" * (ENCODED_MAX + 1) + b"\0",
}


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_a_bad_frame_is_counted_once_and_the_next_is_found(bad):
    decoder = Decoder()
    assert decoder.feed(bad + COMMAND) == [("COMMAND", (1, 2, 0.5, -0.5, 0.25))]
    assert decoder.undecodable == 1


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_the_firmware_counts_a_bad_frame_once_and_finds_the_next(bad, bench):
    before = bench.firmware.undecodable
    bench.send("TIME_REQUEST", 1)
    bench.firmware.receive(bad + encode("TIME_REQUEST", 2))
    bench.collect()
    assert [values[0] for _, values in bench.others] == [1, 2]
    assert bench.firmware.undecodable == before + 1


def test_the_firmware_takes_no_message_of_the_mcu(bench):
    bench.send("EVENT", 0, 1, 0, 0.0)
    assert bench.firmware.undecodable == 1


def test_noise_before_a_frame_does_not_cost_the_frame():
    assert Decoder().feed(b"noise" + COMMAND) == [("COMMAND", (1, 2, 0.5, -0.5, 0.25))]
    assert c_decode(b"noise" + COMMAND) == [("COMMAND", (1, 2, 0.5, -0.5, 0.25))]


def test_the_decoder_holds_no_more_than_a_frame_of_endless_noise():
    decoder = Decoder()
    for _ in range(100):
        decoder.feed(b"x" * 10_000)
    assert len(decoder._rest) <= ENCODED_MAX + 1
    assert decoder.feed(b"\0" + COMMAND) == [("COMMAND", (1, 2, 0.5, -0.5, 0.25))]
    assert decoder.undecodable == 1


def test_idle_delimiters_are_no_errors():
    decoder = Decoder()
    assert decoder.feed(b"\0" * 1000) == []
    assert decoder.undecodable == 0


def test_every_value_of_a_float_survives_the_wire():
    for value in (math.inf, -math.inf, -0.0, 5e-45):
        ((_, values),) = Decoder().feed(encode("PARAM_SET", 1, value))
        assert struct.pack("<f", values[1]) == struct.pack("<f", value)
    ((_, values),) = Decoder().feed(encode("PARAM_SET", 1, math.nan))
    assert math.isnan(values[1])


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(struct.error):
        encode("COMMAND", 1, 2, 0.5)
    with pytest.raises(struct.error):
        encode("COMMAND", -1, 2, 0.5, 0.5, 0.0)
    with pytest.raises(KeyError):
        encode("NONSENSE")


def test_no_message_is_so_long_that_cobs_needs_a_second_byte():
    assert max(len(encode(name, *[1] * len(message.fields))) for name, message in MESSAGES.items()) == ENCODED_MAX + 2
    assert protocol.BODY_MAX < 254
