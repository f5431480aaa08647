"""Frames on the wire, from and to Python values. The document of this format is ``data/formats/wire.md``."""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

from cobs import cobs

from robot_il.spec import MESSAGES, SPEC_HASH_U64, Message

_CODES = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i8": "q", "f4": "f"}
_SEED = SPEC_HASH_U64 & 0xFFFFFFFF
_CRC = struct.Struct("<I")
_RESIDUE = 0x2144DF1C
"""CRC-32 of any bytes followed by their own CRC, whatever the seed."""
_UNSEEDED = ("HELLO", "IDENTITY")
"""Readable by peers of any spec, so that each can tell the other who it is."""


class _Codec(NamedTuple):
    """How one message is packed; a tuple, for unpacking it is the quickest way to all its parts."""

    name: str
    type: int
    body: struct.Struct
    """Type byte and payload."""
    payload: struct.Struct
    size: int
    """Of type byte, payload and CRC."""
    seed: int


def _codec(message: Message) -> _Codec:
    codes = "".join(_CODES[field.dtype] for field in message.fields)
    body = struct.Struct("<B" + codes)
    seed = 0 if message.name in _UNSEEDED else _SEED
    return _Codec(message.name, message.type, body, struct.Struct("<" + codes), body.size + _CRC.size, seed)


_CODECS = {name: _codec(message) for name, message in MESSAGES.items()}
_BY_TYPE = {codec.type: codec for codec in _CODECS.values()}

BODY_MAX = max(codec.size for codec in _CODECS.values())
"""Bytes of the largest type + payload + CRC."""
ENCODED_MAX = BODY_MAX + 1
"""Bytes between the delimiters of the largest frame; COBS adds one below 254 bytes."""


def encode(message_name: str, *values: float) -> bytes:
    """One complete frame: delimiter, COBS of type, payload and CRC-32, delimiter.

    The leading delimiter ends whatever garbage may lie before it, so that a frame is lost only by its own damage.

    Args:
        message_name: key of ``spec.MESSAGES``.
        values: the message's fields in the order and units of the spec.

    Raises:
        KeyError: no such message.
        struct.error: the number of values or one of them does not fit the fields.
        OverflowError: a float beyond the range of float32.
    """
    _, type_byte, struct_of_body, _, _, seed = _CODECS[message_name]
    body = struct_of_body.pack(type_byte, *values)
    return b"\0" + cobs.encode(body + _CRC.pack(crc32(body, seed))) + b"\0"


class Decoder:
    """Cuts a byte stream into messages; damaged or unknown frames are counted in ``undecodable`` and skipped.

    It never holds more than one frame's worth of undelimited bytes.
    """

    def __init__(self) -> None:
        self.undecodable = 0
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[str, tuple]]:
        """Takes bytes as they came and returns the messages they complete, as (name, values in spec order)."""
        pieces = (self._rest + data).split(b"\0")
        # One byte more than fits marks a piece as overlong for good, however much of it is still to come.
        self._rest = pieces.pop()[: ENCODED_MAX + 1]
        messages = []
        for piece in pieces:
            if not piece:
                continue
            message = _decode(piece)
            if message is None:
                self.undecodable += 1
            else:
                messages.append(message)
        return messages


def _decode(piece: bytes) -> tuple[str, tuple] | None:
    """The message between two delimiters; None when it is damaged, unknown or of another length."""
    if len(piece) > ENCODED_MAX:
        return None
    try:
        body = cobs.decode(piece)
    except cobs.DecodeError:
        return None
    codec = _BY_TYPE.get(body[0]) if body else None
    if codec is None:
        return None
    name, _, _, payload, size, seed = codec
    if len(body) != size or crc32(body, seed) != _RESIDUE:
        return None
    return name, payload.unpack_from(body, 1)
