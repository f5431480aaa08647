"""Many training runs side by side: as many processes as there are cores, or all seeds of a method on a GPU."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Event
from queue import Empty
from typing import Any

from robot_il.errors import ConfigError, DataError, TrainingError
from robot_il.learning.devices import CPU, choose_device
from robot_il.learning.progress import Progress
from robot_il.learning.trainer import Job, Result, train_together

SHOWN_EVERY_S = 5.0
POSTED_EVERY_S = 0.5


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        job: what was asked.
        summary: of the complete run; None where there is none.
        skipped: why it was not begun: the data it needs are missing.
        failed: what went wrong.
        seconds: it took, in this session.
    """

    job: Job
    summary: dict[str, Any] | None = None
    skipped: str = ""
    failed: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Of the run."""
        return self.job.out.name


def train_all(jobs: Sequence[Job], workers: int, robot: str) -> list[Outcome]:
    """Trains every job, or goes on with it where its folder is there; complete runs are left as they are.

    Ctrl-C (or SIGTERM) leaves a checkpoint in every run under way.

    Args:
        jobs: the runs, all on one device.
        workers: processes; 1 trains in this one. On a GPU there is one process, and the seeds of a method take their
            steps together.
        robot: profile of the twin, for methods that drive while they train.

    Raises:
        KeyboardInterrupt: interrupted.
        TrainingError: a process died.
    """
    with _terminated_as_interrupted():
        if jobs and choose_device(jobs[0].device) != CPU:
            return seeds_together(jobs, robot)
        return _one_by_one(jobs, robot) if workers == 1 else _side_by_side(jobs, workers, robot)


def _one_by_one(jobs: Sequence[Job], robot: str) -> list[Outcome]:
    board, outcomes = _Board(len(jobs), 1), []
    for job in jobs:
        interrupted = threading.Event()

        def hear(text: str, name: str = job.out.name) -> None:
            board.heard(name, text)
            board.show()

        with _noted(interrupted):
            outcomes += _train([job], robot, hear, interrupted.is_set)
        if interrupted.is_set():
            raise KeyboardInterrupt
        board.finished(outcomes[-1])
    return outcomes


def seeds_together(jobs: Sequence[Job], robot: str) -> list[Outcome]:
    """One method after the other, in this process, all seeds of it a step at a time.

    Raises:
        KeyboardInterrupt: interrupted.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.method, []).append(job)
    board, outcomes = _Board(len(jobs), max(map(len, groups.values()), default=1)), {}
    for method, group in groups.items():
        interrupted = threading.Event()

        def hear(text: str, name: str = method) -> None:
            board.heard(name, text)
            board.show()

        with _noted(interrupted):
            for outcome in _train(group, robot, hear, interrupted.is_set):
                outcomes[outcome.name] = outcome
                board.finished(outcome)
        if interrupted.is_set():
            raise KeyboardInterrupt
        board.left(method)
    return [outcomes[job.out.name] for job in jobs]


def _side_by_side(jobs: Sequence[Job], workers: int, robot: str) -> list[Outcome]:
    context = multiprocessing.get_context("spawn")
    stop, posted = context.Event(), context.Queue()
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited: processes of several threads each would fight for the cores
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _begin, (stop, posted, os.getpid())) as pool:
        futures = {pool.submit(_train_in_worker, job, robot): job for job in jobs}
        try:
            _watch(futures, posted, workers)
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise TrainingError(
                "every training process to live",
                "one that died, of memory perhaps",
                "run it again with fewer --workers",
            ) from error
        except KeyboardInterrupt:
            print("stopping: every run under way leaves a checkpoint", file=sys.stderr, flush=True)
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _watch(futures: dict[Future[Outcome], Job], posted: Any, workers: int) -> None:
    """Until all are done, says now and then how far they are."""
    board = _Board(len(futures), workers)
    left = set(futures)
    while left:
        done, left = wait(left, timeout=SHOWN_EVERY_S, return_when=FIRST_COMPLETED)
        for future in done:
            board.finished(future.result())
        while True:
            try:
                board.heard(*posted.get_nowait())
            except Empty:
                break
        board.show()


class _Board:
    """Who is how far."""

    def __init__(self, total: int, workers: int) -> None:
        self._total, self._workers = total, workers
        self._outcomes: list[Outcome] = []
        self._running: dict[str, tuple[str, float]] = {}
        self._shown = time.monotonic()

    def heard(self, name: str, text: str) -> None:
        since = self._running[name][1] if name in self._running else time.monotonic()
        if all(name != outcome.name for outcome in self._outcomes):
            self._running[name] = (text, since)

    def finished(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._running.pop(outcome.name, None)
        if outcome.failed:
            print(f"{outcome.name}: {outcome.failed}", file=sys.stderr, flush=True)

    def left(self, name: str) -> None:
        self._running.pop(name, None)

    def show(self) -> None:
        now = time.monotonic()
        if now - self._shown < SHOWN_EVERY_S or len(self._outcomes) == self._total:
            return
        self._shown = now
        under_way = ", ".join(f"{name} {text}" for name, (text, _) in sorted(self._running.items()))
        left = self._seconds_left(now)
        words = [f"trained {len(self._outcomes)} of {self._total} runs", *([left] if left else []), under_way]
        print("; ".join(word for word in words if word), file=sys.stderr, flush=True)

    def _seconds_left(self, now: float) -> str:
        """Judged by the runs that are done: each one left takes as long as they did on average."""
        took = [outcome.seconds for outcome in self._outcomes if outcome.seconds > 1]
        if not took:
            return ""
        each = sum(took) / len(took)
        waiting = self._total - len(self._outcomes) - len(self._running)
        begun = sum(max(each - (now - since), 0.1 * each) for _, since in self._running.values())
        return f"about {(waiting * each + begun) / min(self._workers, self._total):.0f} s left"


class _Worker:
    """What a process was begun with."""

    stop: Event
    posted: Any


def _begin(stop: Event, posted: Any, parent: int) -> None:
    """Runs once in every process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the parent alone decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _Worker.stop, _Worker.posted = stop, posted
    threading.Thread(target=_outlive_nobody, args=(parent,), daemon=True).start()


def _outlive_nobody(parent: int) -> None:
    """Ends the process when its parent was killed; what it was training can be resumed from its last checkpoint."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


class _Posting(Progress):
    """Passes the progress on, now and then."""

    def __init__(self, post: Callable[[str], None]) -> None:
        self._post = post
        self._posted = 0.0

    def show(self, what: str, done: int, most: int, text: str = "") -> None:
        """See ``Progress``."""
        now = time.monotonic()
        if now - self._posted > POSTED_EVERY_S:
            self._posted = now
            self._post(f"{what if what.startswith('pre') else 'at'} {done}/{most}")


def _train_in_worker(job: Job, robot: str) -> Outcome:
    (outcome,) = _train([job], robot, lambda text: _Worker.posted.put((job.out.name, text)), _Worker.stop.is_set)
    return outcome


def _train(jobs: Sequence[Job], robot: str, post: Callable[[str], None], stop: Callable[[], bool]) -> list[Outcome]:
    """Seeds of one method."""
    from robot_il.cli.twin_environment import twin_environment

    post("begins")
    began = time.monotonic()
    environment = functools.partial(twin_environment, robot=robot)
    resumed = [replace(job, resume=job.out.exists()) for job in jobs]
    results = train_together(resumed, _Posting(post), stop, environment)
    seconds = (time.monotonic() - began) / len(jobs)
    return [_outcome(job, result, seconds) for job, result in zip(jobs, results, strict=True)]


def _outcome(job: Job, result: Result, seconds: float) -> Outcome:
    if result.error is None:
        return Outcome(job, result.summary, seconds=seconds)
    # before a run has a folder, such an error says that this data is not for this method
    if isinstance(result.error, DataError | ConfigError) and not job.out.exists():
        return Outcome(job, skipped=str(result.error))
    return Outcome(job, failed=str(result.error))


@contextmanager
def _noted(interrupted: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set the event, for a stop between two steps."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    note = lambda number, frame: interrupted.set()  # noqa: E731
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM as Ctrl-C, so that it too leaves checkpoints."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
