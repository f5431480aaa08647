"""The smallest parts of the codec by themselves, down to what a receiver never hands them."""

from __future__ import annotations

import ctypes
import random
from zlib import crc32

import pytest
from cobs import cobs

from firmware_bridge.hostlib import load
from firmware_bridge.protocol import ENCODED_MAX, encode
from robot_il.spec import MESSAGES

CAPACITY = 2048


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    library = load()
    for name in ("ril_cobs_encode", "ril_cobs_decode", "ril_tx_take", "ril_frame_encode"):
        getattr(library, name).restype = ctypes.c_size_t
    library.ril_crc32.restype = ctypes.c_uint32
    return library


def cobs_encode(library: ctypes.CDLL, body: bytes) -> bytes:
    out = ctypes.create_string_buffer(len(body) + 2)
    size = library.ril_cobs_encode(body, ctypes.c_size_t(len(body)), out)
    return out.raw[:size]


def cobs_decode(library: ctypes.CDLL, data: bytes) -> bytes:
    """Empty when refused."""
    memory = ctypes.create_string_buffer(data, len(data) + 1)
    size = library.ril_cobs_decode(memory, ctypes.c_size_t(len(data)))
    return memory.raw[:size]


@pytest.mark.parametrize("size", [0, 1, 2, 94, 252, 253])
@pytest.mark.parametrize("zeros", [0.0, 0.1, 1.0])
def test_cobs_is_that_of_the_library_both_ways(library, size, zeros):
    rng = random.Random(size)
    body = bytes(0 if rng.random() < zeros else rng.randrange(1, 256) for _ in range(size))
    encoded = cobs_encode(library, body)
    assert encoded == cobs.encode(body)
    assert cobs_decode(library, encoded) == body


@pytest.mark.parametrize(
    "data",
    [b"\x00", b"\x01\x00", b"\x02\x00", b"\x03\x05\x00", b"\x03\x05", b"\x02\x05\x02", b"\xff" + b"\x05" * 254],
    ids=["zero code", "zero code later", "zero inside", "zero last", "cut", "cut later", "code of 254 bytes"],
)
def test_what_is_no_cobs_of_a_frame_is_refused(library, data):
    assert cobs_decode(library, data) == b""


def test_an_unfinished_block_of_the_greatest_length_is_taken(library):
    body = bytes(range(1, 254))
    assert cobs_decode(library, b"\xfe" + body) == body


@pytest.mark.parametrize("seed", [0, 1, 0x84FE272C, 0xFFFFFFFF])
def test_the_checksum_is_zlibs(library, seed):
    data = random.Random(seed).randbytes(300)
    for size in (0, 1, 7, 300):
        assert library.ril_crc32(ctypes.c_uint32(seed), data, ctypes.c_size_t(size)) == crc32(data[:size], seed)


@pytest.mark.parametrize("name", ["DISARM", "ESTOP"])
def test_a_frame_without_payload_is_the_hosts(library, name):
    out = ctypes.create_string_buffer(64)
    size = library.ril_frame_encode(MESSAGES[name].type, None, ctypes.c_size_t(0), out)
    assert out.raw[:size] == encode(name)


class Tx(ctypes.Structure):
    _fields_ = (
        ("ring", ctypes.c_uint8 * CAPACITY),
        ("first", ctypes.c_size_t),
        ("used", ctypes.c_size_t),
        ("dropped", ctypes.c_uint32),
    )


def take(library: ctypes.CDLL, tx: Tx, capacity: int) -> bytes:
    out = ctypes.create_string_buffer(b"\xee" * (CAPACITY + 1))
    size = library.ril_tx_take(ctypes.byref(tx), out, ctypes.c_size_t(capacity))
    assert set(out.raw[size:-1]) == {0xEE}  # nothing is written beyond what was taken
    return out.raw[:size]


def put(library: ctypes.CDLL, tx: Tx, frame: bytes) -> None:
    library.ril_tx_put(ctypes.byref(tx), frame, ctypes.c_size_t(len(frame)))


def test_the_ring_takes_exactly_what_it_holds(library):
    tx = Tx()
    put(library, tx, bytes(CAPACITY - 3))
    put(library, tx, b"four")
    assert (tx.used, tx.dropped) == (CAPACITY - 3, 1)
    put(library, tx, b"abc")
    put(library, tx, b"d")
    assert (tx.used, tx.dropped) == (CAPACITY, 2)
    assert take(library, tx, CAPACITY) == bytes(CAPACITY - 3) + b"abc"
    assert take(library, tx, CAPACITY) == b""


def test_the_ring_is_a_queue_wherever_it_begins(library):
    rng, tx, expected = random.Random(5), Tx(), b""
    for _ in range(500):
        frame = rng.randbytes(rng.randrange(1, 300))
        if len(expected) + len(frame) <= CAPACITY:
            expected += frame
        put(library, tx, frame)
        size = rng.randrange(250)
        assert take(library, tx, size) == expected[:size]
        expected = expected[size:]
    assert tx.dropped > 0


def test_a_payload_of_one_byte_is_encoded(library):
    out = ctypes.create_string_buffer(64)
    size = library.ril_frame_encode(MESSAGES["EVENT"].type, b"\x2a", ctypes.c_size_t(1), out)
    assert cobs.decode(out.raw[1 : size - 1])[:2] == bytes([MESSAGES["EVENT"].type, 0x2A])


class Rx(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_uint8 * ENCODED_MAX), ("used", ctypes.c_size_t), ("undecodable", ctypes.c_uint32))


class Frame(ctypes.Structure):
    _fields_ = (("type", ctypes.c_uint8), ("payload", ctypes.c_void_p), ("size", ctypes.c_size_t))


LONGEST = encode("STATE", *range(1, len(MESSAGES["STATE"].fields) + 1)).strip(b"\0")


def frames_in(library: ctypes.CDLL, stream: bytes) -> tuple[list[int], int]:
    """Types of the frames that the receiver completes, and how many it counts as undecodable."""
    rx, frame, types = Rx(), Frame(), []
    library.ril_rx_byte.restype = ctypes.c_bool
    for byte in stream:
        if library.ril_rx_byte(ctypes.byref(rx), ctypes.c_uint8(byte), ctypes.byref(frame)):
            types.append(frame.type)
    return types, rx.undecodable


def test_the_longest_frame_is_received(library):
    assert len(LONGEST) == ENCODED_MAX
    assert frames_in(library, LONGEST + b"\0") == ([MESSAGES["STATE"].type], 0)


@pytest.mark.parametrize("extra", [1, 2, 3, 4, 160, 161])
@pytest.mark.parametrize("where", [ENCODED_MAX, ENCODED_MAX - 1, ENCODED_MAX - 2])
def test_a_frame_with_more_bytes_than_the_longest_is_refused_wherever_they_are(library, extra, where):
    stream = LONGEST[:where] + b"\x07" * extra + LONGEST[where:]
    assert frames_in(library, stream + b"\0" + LONGEST + b"\0") == ([MESSAGES["STATE"].type], 1)
