from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture
def make() -> Iterator[Callable[..., Any]]:
    """Makes environments and closes them."""
    gymnasium = pytest.importorskip("gymnasium", reason="the extra [gym] is not installed")
    made = []

    def one(env: str = "sim.gym:robot_il/Stand-v0", **settings: Any) -> Any:
        made.append(gymnasium.make(env, **settings))
        return made[-1]

    yield one
    for env in made:
        env.close()
