"""Plugin that puts a library built elsewhere, named by RIL_LIBRARY, in the place of the ordinary build."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from firmware_bridge import hostlib

hostlib.load = cache(lambda *extra_flags: hostlib.opened(Path(os.environ["RIL_LIBRARY"])))  # type: ignore[assignment]
