"""Runs the project's own commands beside the page: one at a time, without a shell, and out of the robot's way."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from robot_il.errors import ConfigError

MAX_LINES: Final = 400
"""Lines of output that are kept of a job; the older ones go."""
MAX_LINE_CHARACTERS: Final = 500
MAX_JOBS: Final = 50
"""Finished jobs that are remembered."""
MAX_ANSWER_BYTES: Final = 2**20
NICENESS: Final = 10
KILL_AFTER_S: Final = 15.0
"""A job that has not ended so long after it was asked to is killed."""
_CHUNK_BYTES: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

RUNNING: Final = "running"
STOPPING: Final = "stopping"
DONE: Final = "done"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"


def checked_name(name: str) -> str:
    """The name of a file or folder that a person chose, once it can be nothing but a name.

    Args:
        name: letters, digits, ``-`` and ``_``, at most 64 of them; the first is a letter or digit, so that no command
            takes it for an option.

    Raises:
        ConfigError: anything else.
    """
    if not _NAME.fullmatch(name):
        expected = "a name of at most 64 letters, digits, - and _ that begins with a letter or digit"
        raise ConfigError(expected, repr(name[:80]), "choose another name")
    return name


@dataclass
class Job:
    """One command that was started from the page.

    Attributes:
        kind: what it does, in a word: ``build``, ``train``, ...
        title: for a person.
        command: after ``robot-il``.
        made: what is there afterwards if it goes well; None for a command that makes nothing.
        state: ``running``, ``stopping`` once it was asked to, ``done``, ``failed`` or ``cancelled``.
        held: whether it is stopped for as long as the robot is driven.
        code: its exit status; None while it runs, negative for the signal that ended it.
        lines: the newest lines of its output.
        started_s: monotonic time of its start.
        ended_s: monotonic time of its end; None while it runs.
    """

    kind: str
    title: str
    command: tuple[str, ...]
    made: Path | None = None
    state: str = RUNNING
    held: bool = False
    code: int | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_LINES))
    started_s: float = field(default_factory=time.monotonic)
    ended_s: float | None = None

    @property
    def seconds(self) -> float:
        """How long it has run, or did."""
        return (time.monotonic() if self.ended_s is None else self.ended_s) - self.started_s

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.ended_s is None

    @property
    def outcome(self) -> str:
        """How it stands, in words."""
        if self.running:
            return "waiting while the robot is driven" if self.held else self.state
        if self.state == FAILED and self.code is not None:
            return f"failed: killed by signal {-self.code}" if self.code < 0 else f"failed with exit status {self.code}"
        return self.state

    @property
    def result(self) -> str:
        """Its last line; empty where it has said nothing."""
        return self.lines[-1] if self.lines else ""


class Jobs:
    """Runs jobs one after another, and keeps what came of them.

    Args:
        busy: why no job may start now, such as a robot that is being driven; empty when one may.
        program: what runs a command; by default this project's command line in this very interpreter.
    """

    def __init__(self, busy: Callable[[], str], program: Sequence[str] = ()) -> None:
        self.all: deque[Job] = deque(maxlen=MAX_JOBS)
        """The newest first."""
        self._busy = busy
        self._program = tuple(program) or (sys.executable, "-m", "robot_il.cli.main")
        self._process: Process | None = None
        self._asked: set[Process] = set()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> Job | None:
        """The job that runs now."""
        return next((job for job in self.all if job.running), None)

    def refusal(self) -> str:
        """Why no job may start now; empty when one may."""
        running = self.running
        return f"{running.title} is still running" if running else self._busy()

    async def start(self, kind: str, title: str, command: Sequence[str], made: Path | None = None) -> Job:
        """Starts a command.

        Args:
            kind: what it does, in a word.
            title: for a person.
            command: arguments of ``robot-il``; no shell ever sees them.
            made: what is there afterwards if it goes well.

        Raises:
            ConfigError: a job runs already, or the robot is driven.
        """
        refusal = self.refusal()
        if refusal:
            raise ConfigError("a machine with nothing else to do", refusal, "wait for it, or stop it first")
        job = Job(kind, title, tuple(command), made)
        self.all.appendleft(job)
        try:
            self._process = await _spawn((*self._program, *command))
        except OSError as error:
            _end(job, FAILED, None, error.strerror or str(error))
            return job
        self._task = asyncio.create_task(self._follow(job, self._process))
        return job

    async def ask(self, command: Sequence[str]) -> list[str]:
        """The output of a short command, line by line; nothing where it fails. It is no job: others may run beside it.

        Args:
            command: arguments of ``robot-il``.
        """
        try:
            process = await _spawn((*self._program, *command))
        except OSError:
            return []
        self._asked.add(process)
        if self._closed:
            _send(process, signal.SIGKILL)
        try:
            output, _ = await process.communicate()
        finally:
            self._asked.discard(process)
        return output[:MAX_ANSWER_BYTES].decode("utf-8", "replace").splitlines() if process.returncode == 0 else []

    def cancel(self, job: Job) -> None:
        """Asks a job to end; it is killed if it does not."""
        process = self._process
        if job is not self.running or job.state == STOPPING or process is None:
            return
        job.state, job.held = STOPPING, False
        _send(process, signal.SIGTERM)
        _send(process, signal.SIGCONT)
        asyncio.get_running_loop().call_later(KILL_AFTER_S, _kill_late, job, process)

    def hold(self) -> None:
        """Stops the running job for as long as the machine has something more important to do, then lets it go on."""
        job, process, held = self.running, self._process, bool(self._busy())
        if job is None or process is None or job.state == STOPPING or job.held == held:
            return
        job.held = held
        _send(process, signal.SIGSTOP if held else signal.SIGCONT)

    async def wait(self) -> None:
        """Returns once no job runs."""
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """Ends whatever runs, at the end of the console."""
        self._closed = True
        for process in list(self._asked):
            _send(process, signal.SIGKILL)
            await process.wait()
        if self.running is not None and self._process is not None:
            _send(self._process, signal.SIGKILL)
        await self.wait()

    async def _follow(self, job: Job, process: Process) -> None:
        """Takes a job's output until it ends."""
        stream = process.stdout
        rest = b""
        while stream is not None and (chunk := await stream.read(_CHUNK_BYTES)):
            *whole, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
            rest = rest[: 4 * MAX_LINE_CHARACTERS]
            for line in whole:
                _take(job, line)
        _take(job, rest)
        code = await process.wait()
        state = CANCELLED if job.state == STOPPING else DONE if code == 0 else FAILED
        _end(job, state, code)


async def _spawn(command: tuple[str, ...]) -> Process:
    """Starts a process in a group of its own, of low priority and with one thread."""
    options: dict[str, Any] = {
        "stdin": asyncio.subprocess.DEVNULL,
        "stdout": asyncio.subprocess.PIPE,
        "stderr": asyncio.subprocess.STDOUT,
        "env": {**os.environ, **_ONE_THREAD, "PYTHONUNBUFFERED": "1"},
        "start_new_session": True,
    }
    process = await asyncio.create_subprocess_exec(*command, **options)
    with suppress(ProcessLookupError):
        # set from outside, at once: code between fork and exec is not safe beside threads
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    return process


def _send(process: Process, number: signal.Signals) -> None:
    """Sends a signal to a job and whatever it has started; the group outlives its leader."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _kill_late(job: Job, process: Process) -> None:
    if job.running:
        _send(process, signal.SIGKILL)


def _take(job: Job, line: bytes) -> None:
    text = line.decode("utf-8", "replace").rstrip()
    if text:
        job.lines.append(text[:MAX_LINE_CHARACTERS])


def _end(job: Job, state: str, code: int | None, line: str = "") -> None:
    if line:
        job.lines.append(line)
    job.state, job.code, job.held, job.ended_s = state, code, False, time.monotonic()
