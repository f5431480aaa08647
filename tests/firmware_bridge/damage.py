"""What a bad line does to frames, and random messages to send over it."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from robot_il.spec import MESSAGES, Message

INTEGER_BITS = {"u1": 8, "u2": 16, "u4": 32, "u8": 64, "i8": 63}


def random_values(rng: random.Random, message: Message) -> tuple:
    """Values for every field, floats as float32 holds them; small numbers, with their zero bytes, are frequent."""
    return tuple(
        struct.unpack("<f", struct.pack("<f", rng.uniform(-5.0, 5.0)))[0]
        if field.dtype == "f4"
        else rng.getrandbits(rng.choice((1, 8, INTEGER_BITS[field.dtype])) if field.dtype != "u1" else 8)
        for field in message.fields
    )


def random_messages(rng: random.Random, sender: str, count: int) -> list[tuple[str, tuple]]:
    kinds = [message for message in MESSAGES.values() if message.sender == sender]
    return [(message.name, random_values(rng, message)) for message in rng.choices(kinds, k=count)]


def flip(rng: random.Random, frame: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)


def drop(rng: random.Random, frame: bytearray) -> None:
    start = rng.randrange(len(frame))
    del frame[start : start + rng.choice((1, 1, 2, 5))]


def repeat(rng: random.Random, frame: bytearray) -> None:
    start = rng.randrange(len(frame))
    stop = start + rng.choice((1, 1, 2, 5))
    frame[start:start] = frame[start:stop]


def reorder(rng: random.Random, frame: bytearray) -> None:
    first, second = rng.randrange(len(frame)), rng.randrange(len(frame))
    frame[first], frame[second] = frame[second], frame[first]


def truncate(rng: random.Random, frame: bytearray) -> None:
    del frame[rng.randrange(len(frame)) :]


def overwrite(rng: random.Random, frame: bytearray) -> None:
    start = rng.randrange(len(frame))
    frame[start : start + 8] = rng.randbytes(len(frame[start : start + 8]))


DAMAGES: tuple[Callable[[random.Random, bytearray], None], ...] = (flip, drop, repeat, reorder, truncate, overwrite)


def damaged(rng: random.Random, frames: list[bytes], share: float) -> tuple[list[bytes], list[int]]:
    """The frames as a bad line delivers them, and the indices of those that it left alone.

    A share of them is damaged inside; of the others some arrive twice and some after their successor.
    """
    arrived, whole = [], []
    for index, frame in enumerate(frames):
        if rng.random() < share:
            piece = bytearray(frame)
            for _ in range(rng.choice((1, 1, 2))):
                if piece:
                    rng.choice(DAMAGES)(rng, piece)
            arrived.append(bytes(piece))
        else:
            whole.append(index)
            arrived += [frame] * (2 if rng.random() < share / 4 else 1)
        if len(arrived) > 1 and rng.random() < share / 4:
            arrived[-2:] = arrived[-1], arrived[-2]
    return arrived, whole


def cut(rng: random.Random, stream: bytes) -> list[bytes]:
    """The stream in pieces, as reads return them."""
    pieces = []
    while stream:
        size = rng.choice((1, 7, 64, 300, 4096))
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces
