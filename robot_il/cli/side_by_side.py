"""Runs many small jobs in processes, in order, with a word now and then of how far it is."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

CHUNK = 5
TELL_S = 2.0


def side_by_side(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None, doing: str, chunk: int = CHUNK
) -> Iterator[Result]:
    """The result of each job as soon as it is there, in the order of the jobs, the same for any number of processes.

    Args:
        function: of a module, so that it can be sent to another process.
        jobs: picklable.
        workers: processes; None for one a core.
        doing: what has been done to the jobs, for the person who waits.
        chunk: jobs handed to a process at a time.
    """
    workers = min(workers or len(os.sched_getaffinity(0)), len(jobs))
    if workers <= 1:
        yield from _told(map(function, jobs), len(jobs), doing)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited: processes of several threads each would fight for the cores
    # spawn, not fork: a physics engine and an inference runtime do not survive a fork
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from _told(pool.imap(function, jobs, chunk), len(jobs), doing)


def _told(results: Iterable[Result], total: int, doing: str) -> Iterator[Result]:
    start = shown = time.monotonic()
    for done, result in enumerate(results, start=1):
        yield result
        now = time.monotonic()
        if now - shown > TELL_S and done < total:
            shown = now
            left = (now - start) / done * (total - done)
            print(f"{doing} {done} of {total}, about {left:.0f} s left", file=sys.stderr, flush=True)
