"""Which robots this user has met: their wheels were nudged and turned the way they should."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from robot_il.robot import Robot

MAX_BYTES = 1_000_000


def known_since(robot_id: int, robot: Robot) -> str | None:
    """When that robot was met under that profile, as a date; None where it was not."""
    return _read().get(_key(robot_id, robot))


def remember(robot_id: int, robot: Robot) -> None:
    """Notes that the robot was met; another byte in its profile or URDF makes it a stranger again."""
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    known = _read() | {_key(robot_id, robot): time.strftime("%Y-%m-%d")}
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(json.dumps(known, indent=1))
    temporary.replace(path)


def _path() -> Path:
    """In the place that the XDG base directory specification names for state."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "robot-il" / "known-robots.json"


def _key(robot_id: int, robot: Robot) -> str:
    return f"{robot_id:#x} {robot.sha256[:16]}"


def _read() -> dict[str, Any]:
    """What is noted; a file that cannot be read makes every robot a stranger, which costs a nudge."""
    try:
        with _path().open("rb") as file:
            known = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in known.items() if isinstance(value, str)} if isinstance(known, dict) else {}
