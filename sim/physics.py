"""The physics engine, imported without the banner that its C code writes to standard error."""

from __future__ import annotations

import os
import sys
from typing import Any


def _import_quietly() -> Any:
    sys.stderr.flush()
    kept, silent = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        import pybullet
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)
    return pybullet


bullet = _import_quietly()
"""PyBullet; it ships no types."""
