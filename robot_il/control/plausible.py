"""Whether a STATE can be true at all."""

from __future__ import annotations

from robot_il.control.device import State
from robot_il.spec import STATE_SIGNALS

_BOUNDED = tuple(
    (index, signal.low, signal.high, signal.name)
    for index, signal in enumerate(STATE_SIGNALS)
    if signal.low is not None and signal.high is not None
)


def implausible_signal(state: State) -> str | None:
    """Name of the first signal that is not finite or outside its range in the spec; None where all are right."""
    for index, low, high, name in _BOUNDED:
        if not low <= state[index] <= high:
            return name
    return None
