"""Looks for bytes on which codecs or firmware misbehave, led by what the C executes; keeps those that lead on.

Every stream goes through the oracle of tests/firmware_bridge/fuzzing.py. One that reaches a new edge of the C, or an
edge a new number of times, joins data/fuzz/, which the tests replay. One that fails is written to the working folder.
gcc counts the edges (-fsanitize-coverage=trace-pc), so that neither clang nor a fuzzing library is needed.

    python tools/fuzz_codec.py [--seconds 60] [--seed 0] [--prune]
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from firmware_bridge.hostlib import opened  # noqa: E402
from tests.firmware_bridge.coverage import FIRMWARE  # noqa: E402
from tests.firmware_bridge.fuzzing import CORPUS, check, corpus, mutated  # noqa: E402

EDGES = 1 << 16
COUNTER = """
#include <stdint.h>
unsigned char fuzz_edges[1 << 16];
static uintptr_t last;
void __sanitizer_cov_trace_pc(void) {
    uintptr_t here = (uintptr_t)__builtin_return_address(0) - (uintptr_t)fuzz_edges;
    unsigned char *edge = &fuzz_edges[(here ^ last) & 0xffff];
    *edge += *edge < 255;
    last = here >> 1;
}
"""
PARTS = ("cobs.c", "crc32.c", "frame.c", "decode.c", "safety.c", "limits.c", "freshness.c", "mcu.c", "host.c")
"""What the edges are counted in; the rest of the firmware does not see the bytes."""


def build(folder: Path) -> Path:
    """The library with counted edges."""
    (folder / "counter.c").write_text(COUNTER)
    objects = []
    for source in [*sorted(FIRMWARE.glob("*.c")), folder / "counter.c"]:
        objects.append(str(folder / f"{source.stem}.o"))
        flags = ["-fsanitize-coverage=trace-pc"] if source.name in PARTS else []
        subprocess.run(["gcc", "-std=c99", "-O1", "-fPIC", *flags, "-c", str(source), "-o", objects[-1]], check=True)
    subprocess.run(["gcc", "-shared", "-o", str(folder / "libfuzz.so"), *objects], check=True)
    return folder / "libfuzz.so"


class Coverage:
    """Which edges were seen, in classes of how often."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._counts = (ctypes.c_ubyte * EDGES).in_dll(library, "fuzz_edges")
        self._seen: set[tuple[int, int]] = set()

    def reset(self) -> None:
        """Before a stream."""
        ctypes.memset(self._counts, 0, EDGES)

    def news(self) -> bool:
        """True when the last stream reached something new."""
        reached = {(edge, count.bit_length()) for edge, count in enumerate(bytes(self._counts)) if count}
        fresh = reached - self._seen
        self._seen |= fresh
        return bool(fresh)

    def __len__(self) -> int:
        return len({edge for edge, _ in self._seen})


def fuzz(seconds: float, seed: int, library: ctypes.CDLL, prune: bool) -> None:
    """Fuzzes for a while, from the kept corpus, the shortest streams first."""
    coverage, kept, rng = Coverage(library), [], random.Random(seed)
    waiting = sorted(corpus(), key=len, reverse=True)
    known, runs, end = len(waiting), 0, time.monotonic() + seconds
    while waiting or time.monotonic() < end:
        is_known = bool(waiting)
        data = waiting.pop() if waiting else mutated(rng, kept)
        coverage.reset()
        _check(data, library)
        runs += 1
        if coverage.news():
            kept.append(data)
            CORPUS.mkdir(parents=True, exist_ok=True)
            _path(data).write_bytes(data)
        elif is_known and prune:
            _path(data).unlink()
    print(f"{runs} streams, {len(coverage)} edges, corpus {known} -> {len(corpus())}")


def _path(data: bytes) -> Path:
    return CORPUS / f"{hashlib.sha256(data).hexdigest()[:16]}.bin"


def _check(data: bytes, library: ctypes.CDLL) -> None:
    try:
        check(data, library)
    except BaseException:
        Path("fuzz-failure.bin").write_bytes(data)
        print("failed on fuzz-failure.bin", file=sys.stderr)
        raise


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prune", action="store_true", help="drop kept streams that lead to nothing new any more")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        fuzz(arguments.seconds, arguments.seed, opened(build(Path(name))), arguments.prune)


if __name__ == "__main__":
    main()
