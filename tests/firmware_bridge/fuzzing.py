"""What must hold for any bytes on the wire, and how bytes are made up; run as a script, under sanitizers.

python -m tests.firmware_bridge.fuzzing [COMPILER_FLAGS...]
"""

from __future__ import annotations

import ctypes
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from cobs import cobs

from firmware_bridge.hostlib import Board, Firmware, load
from firmware_bridge.protocol import Decoder, encode
from robot_il.spec import MESSAGES, SPEC_HASH_U64, Mode
from tests.firmware_bridge.c_messages import Request, unpacked
from tests.firmware_bridge.damage import damaged, random_values

CORPUS = Path(__file__).parents[2] / "data" / "fuzz"
LONGEST = 1024
BOARD = Board(boot_id=1, robot_id=1, wheel_radius_m=0.05)
SIZES = sorted({message.dtype.itemsize for message in MESSAGES.values()})
"""Of payloads that mean something."""
_SEEDS = (0, SPEC_HASH_U64 & 0xFFFFFFFF)


def check(data: bytes, library: ctypes.CDLL) -> None:
    """Both decoders and the whole firmware on one stream of bytes."""
    whole = Decoder()
    messages = whole.feed(data)
    _same_in_pieces(data, messages, whole.undecodable)
    _same_in_c(data, messages, library)
    _harmless(data, messages, whole.undecodable, library)
    for name, values in messages:
        if all(value == value for value in values):  # NaN keeps no payload on its way through Python
            assert Decoder().feed(encode(name, *values)) == [(name, values)]


def _same_in_pieces(data: bytes, messages: list, undecodable: int) -> None:
    """Where reads cut the stream makes no difference."""
    decoder, pieces = Decoder(), []
    for start in range(0, len(data), 7):
        pieces += decoder.feed(data[start : start + 7])
    assert repr(pieces) == repr(messages)  # NaN is not equal to itself, but its name is
    assert decoder.undecodable == undecodable


def _same_in_c(data: bytes, messages: list, library: ctypes.CDLL) -> None:
    """The C decoder finds the host's messages among those that Python finds, and no others."""
    requests = (Request * (len(data) // 7 + 1))()
    count = library.ril_host_decode(data, len(data), ctypes.byref(requests), len(requests))
    expected = [message for message in messages if MESSAGES[message[0]].sender == "host"]
    assert repr([unpacked(request) for request in requests[:count]]) == repr(expected)


def _harmless(data: bytes, messages: list, undecodable: int, library: ctypes.CDLL) -> None:
    """An MCU that hears it stays within its rules; it is armed only by a frame of its present boot."""
    firmware = Firmware(BOARD, library)
    for _ in range(6):
        firmware.tick()
    firmware.receive(data)
    firmware.tick()
    assert firmware.undecodable == undecodable + sum(MESSAGES[name].sender == "mcu" for name, _ in messages)
    assert firmware.mode == Mode.ARMED or firmware.torque_left == firmware.torque_right == 0.0
    assert max(abs(firmware.torque_left), abs(firmware.torque_right)) <= 0.8  # one tick of slew
    assert all(MESSAGES[name].sender == "mcu" for name, _ in Decoder().feed(firmware.transmit()))


def mutated(rng: random.Random, corpus: list[bytes]) -> bytes:
    """A new stream out of known ones."""
    data = bytearray(rng.choice(corpus) if corpus else b"")
    for _ in range(rng.choice((1, 1, 2, 4))):
        dice = rng.random()
        if dice < 0.3:
            data += _frame(rng)
        elif dice < 0.5:
            other = rng.choice(corpus) if corpus else b""
            data[rng.randrange(len(data) + 1) :] = other[rng.randrange(len(other) + 1) :]
        elif dice < 0.6:
            data[rng.randrange(len(data) + 1) : 0] = bytes([rng.choice((0, 1, 2, 254, 255))]) * rng.choice((1, 3, 120))
        else:
            data = bytearray(b"".join(damaged(rng, [bytes(data) or b"\0"], 1.0)[0]))
    return bytes(data[:LONGEST])


def _frame(rng: random.Random) -> bytes:
    """A frame whose checksum holds, with a body that may be anything."""
    if rng.random() < 0.5:
        message = rng.choice(list(MESSAGES.values()))
        return encode(message.name, *random_values(rng, message))
    body = bytes([rng.choice([*(message.type for message in MESSAGES.values()), rng.randrange(256)])])
    body += rng.randbytes(rng.choice((1, *SIZES, rng.randrange(248))))
    return b"\0" + cobs.encode(body + crc32(body, rng.choice(_SEEDS)).to_bytes(4, "little")) + b"\0"


def corpus() -> list[bytes]:
    """The kept streams."""
    return [path.read_bytes() for path in sorted(CORPUS.glob("*.bin"))]


def streams(count: int, seed: int) -> Iterator[bytes]:
    """The kept streams, then as many new ones made of them."""
    kept, rng = corpus(), random.Random(seed)
    yield from kept
    for _ in range(count):
        yield mutated(rng, kept)


def main() -> None:
    library = load(*sys.argv[1:])
    checked = [check(data, library) for data in streams(2000, 1)]
    print(f"checked {len(checked)} streams")


if __name__ == "__main__":
    main()
