"""The gate: tests execute every line of protocol and safety, and take every branch both ways."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.firmware_bridge.coverage import FIRMWARE, PROTOCOL, SAFETY, build, gaps, run_tests

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("gcov")), reason="gcc or gcov is missing")


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the counters of a whole run."""
    folder = tmp_path_factory.mktemp("coverage")
    result = run_tests(build(folder, sorted(FIRMWARE.glob("*.c")), "--coverage"))
    assert result.returncode == 0, result.stdout
    return folder


@pytest.mark.parametrize("names", [PROTOCOL, SAFETY], ids=["protocol", "safety"])
def test_every_line_and_every_branch_is_tested(counted: Path, names: tuple[str, ...]) -> None:
    assert gaps(counted, names) == []


def test_a_gap_would_be_seen(counted: Path) -> None:
    assert any(
        "mcu.c" in gap and "branch" in gap for gap in gaps(counted, ("mcu.c",))
    )  # its default case has no way in
