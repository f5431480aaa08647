"""One tick of the log as its packed row; without numpy, which would take longer than the rest of the tick."""

from __future__ import annotations

import struct
from operator import itemgetter

from robot_il.spec import HOST_SIGNALS, STATE_SIGNALS, TICK_SIGNALS

_CHAIN = [signal.name for signal in (*STATE_SIGNALS, *HOST_SIGNALS)]
_in_tick_order = itemgetter(*(_CHAIN.index(signal.name) for signal in TICK_SIGNALS))
_CODES = {"u8": "Q", "i8": "q", "u4": "I", "f4": "f", "u2": "H", "u1": "B"}
_ROW = struct.Struct("<" + "".join(_CODES[signal.dtype] for signal in TICK_SIGNALS))


def pack_tick(values: tuple[float, ...]) -> bytes:
    """One row of ``spec.TICK_DTYPE``.

    Args:
        values: those of ``spec.STATE_SIGNALS``, then those of ``spec.HOST_SIGNALS``, in their units.
    """
    return _ROW.pack(*_in_tick_order(values))
