"""The C structs of the wire messages, for the hooks of the host library."""

from __future__ import annotations

import ctypes

from firmware_bridge.hostlib import load
from robot_il.spec import MESSAGES, Message

C_TYPES = {
    "u1": ctypes.c_uint8,
    "u2": ctypes.c_uint16,
    "u4": ctypes.c_uint32,
    "u8": ctypes.c_uint64,
    "i8": ctypes.c_int64,
    "f4": ctypes.c_float,
}


def struct_of(message: Message) -> type[ctypes.Structure]:
    fields = [(field.name, C_TYPES[field.dtype]) for field in message.fields]
    return type(message.name, (ctypes.Structure,), {"_fields_": fields})


STRUCTS = {message.name: struct_of(message) for message in MESSAGES.values()}
HOST_MESSAGES = {message.type: message for message in MESSAGES.values() if message.sender == "host"}


class AnyMessage(ctypes.Union):
    _fields_ = [(message.name, STRUCTS[message.name]) for message in HOST_MESSAGES.values() if message.fields]


class Request(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint8), ("message", AnyMessage)]


def c_encode(name: str, values: tuple) -> bytes:
    """The frame that the C side makes of a message of the MCU."""
    out = ctypes.create_string_buffer(256)
    size = load().ril_host_encode(MESSAGES[name].type, ctypes.byref(STRUCTS[name](*values)), out)
    return out.raw[:size]


def c_decode(data: bytes) -> list[tuple[str, tuple]]:
    """The messages of the host that the C side finds in a stream."""
    requests = (Request * (len(data) // 7 + 1))()  # no frame is shorter than 7 bytes
    count = load().ril_host_decode(data, len(data), ctypes.byref(requests), len(requests))
    return [unpacked(request) for request in requests[:count]]


def unpacked(request: Request) -> tuple[str, tuple]:
    message = HOST_MESSAGES[request.type]
    struct = getattr(request.message, message.name, None)
    return message.name, tuple(getattr(struct, field.name) for field in message.fields)
