"""Numbers that come from a file or a wire, told from what only looks like one."""

from __future__ import annotations

import math
from typing import TypeGuard


def is_finite_number(value: object) -> TypeGuard[float]:
    """Whether a parsed value is a number that a float can hold: no truth value, text, NaN, infinity or 1e400."""
    try:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # an integer beyond every float
        return False
