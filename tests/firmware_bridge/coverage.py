"""A build of the firmware that counts what its tests execute, and the gaps they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from firmware_bridge import hostlib

ROOT = Path(__file__).parents[2]
FIRMWARE = Path(hostlib.__file__).parent / "firmware"
PROTOCOL = ("cobs.c", "crc32.c", "frame.c", "encode.c", "decode.c", "tx.c", "bytes.h")
SAFETY = (
    "safety.c",
    "posture.c",
    "limits.c",
    "drive.c",
    "monitor.c",
    "freshness.c",
    "freshness.h",
    "sensors.c",
    "onboard.c",
)
TESTS = (
    "coverage_codec",
    "coverage_edges",
    "golden",
    "protocol",
    "commands",
    "height",
    "modes",
    "watchdog",
    "faults",
    "damage",
    "onboard",
    "state_period",
)


def build(folder: Path, sources: list[Path], *flags: str) -> Path:
    """The library from separate objects, so that each keeps its counters; not optimised, so that branches are C's."""
    objects = []
    for source in sources:
        objects.append(str(folder / f"{source.stem}.o"))
        command = ["gcc", "-std=c99", "-O0", "-fPIC", *flags, f"-I{FIRMWARE}", "-c", str(source), "-o", objects[-1]]
        subprocess.run(command, check=True)
    library = folder / "libril.so"
    subprocess.run(["gcc", "-shared", *flags, "-o", str(library), *objects], check=True)
    return library


def run_tests(library: Path) -> subprocess.CompletedProcess:
    """The tests of protocol and safety on that library, up to the first that fails."""
    modules = [f"tests/firmware_bridge/test_{name}.py" for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-p", "tests.firmware_bridge.on_a_library", *modules]
    environment = {**os.environ, "RIL_LIBRARY": str(library)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def gaps(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Lines that were never executed and branches that were never taken, as ``FILE:LINE ...``."""
    command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", *map(str, sorted(folder.glob("*.gcda")))]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    counts: dict[tuple[str, int], list[int]] = {}
    for document in map(json.loads, output.splitlines()):
        for file in document["files"]:
            name = Path(file["file"]).name
            for line in file["lines"] if name in names else ():
                seen = [line["count"], *(branch["count"] for branch in line["branches"])]
                # A header is compiled into several objects; a function may appear once for each.
                before = counts.setdefault((name, line["line_number"]), [0] * len(seen))
                counts[name, line["line_number"]] = [a + b for a, b in zip(before, seen, strict=True)]
    assert {name for name, _ in counts} == set(names)
    return [
        f"{name}:{number} {'never executed' if index == 0 else f'branch {index - 1} never taken'}"
        for (name, number), seen in sorted(counts.items())
        for index, count in enumerate(seen)
        if count == 0 and (index == 0 or seen[0] > 0)
    ]
