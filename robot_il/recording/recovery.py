"""After a crash: finds what it left unfinished in a folder, makes each recording whole, and says what came back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robot_il.errors import LogError, RobotIlError
from robot_il.recording.episodes import book_of, started_unix_ns
from robot_il.recording.reader import read_log
from robot_il.recording.rewrite import PART_SUFFIX, RECORDING_SUFFIX, in_use, recover, recovered_name

PATTERN: Final = f"*{RECORDING_SUFFIX}"


@dataclass(frozen=True)
class Recovery:
    """What became of one unfinished recording.

    Attributes:
        source: the file that the crash left; it stays.
        path: the whole log that was made of it; None where none could be.
        status: of the source: ``cut``, ``damaged``, or ``complete`` where only its name was missing.
        ticks: recovered ticks.
        seconds: from the first to the last of them, by the host's clock.
        events: recovered events.
        episodes: how many episodes it has.
        open_episodes: names of those that the crash left open; they end with the last tick.
        lost_ticks: ticks known to be lost in the middle; how many a cut took is unknown.
        problems: what was wrong with the source.
        error: why nothing could be made of it; empty where a log was made.
    """

    source: Path
    path: Path | None = None
    status: str = ""
    ticks: int = 0
    seconds: float = 0.0
    events: int = 0
    episodes: int = 0
    open_episodes: tuple[str, ...] = ()
    lost_ticks: int = 0
    problems: tuple[str, ...] = ()
    error: str = ""

    @property
    def line(self) -> str:
        """It in one line, for a person."""
        if self.path is None:
            return f"{self.source.name} could not be recovered: {self.error}"
        parts = [f"{self.source.name} was {self.status}; recovered {self.ticks} ticks, {self.seconds:.1f} s"]
        parts.append(f"{self.events} events and {self.episodes} episodes to {self.path.name}")
        told = [f"episode {name} was still being recorded and ends with the last tick" for name in self.open_episodes]
        if self.lost_ticks:
            told.append(f"{self.lost_ticks} ticks within it are lost")
        return "; ".join([", ".join(parts), *told])


def recover_folder(folder: Path) -> list[Recovery]:
    """Makes whole logs of the recordings that a crash left in a folder. A second call finds nothing left to do.

    A recording that a process is still writing is not touched, and no file is overwritten or removed: the source stays,
    and is passed over once its log is there. The log keeps its journal, which is named after the finished log.

    Args:
        folder: looked at without its sub-folders.

    Returns:
        One entry a recording that was recovered now, or that could not be; in the order of their names.

    Raises:
        LogError: no such folder.
    """
    if not folder.is_dir():
        raise LogError(f"a folder {folder}", "none", "check the name")
    found = (_recover(source) for source in sorted(folder.glob(PATTERN)) if source.is_file())
    return [recovery for recovery in found if recovery is not None]


def _recover(source: Path) -> Recovery | None:
    """One recording; None where there is nothing to do."""
    if in_use(source):
        return None
    made = recovered_name(source)
    try:
        if made.exists():
            return _beside(source, made)
        done = recover(source)
        log = read_log(done.path)
        book = book_of(log)
    except RobotIlError as error:
        # two programs that recover at once: the slower one leaves it to the other
        return None if made.exists() or in_use(made.with_name(made.name + PART_SUFFIX)) else _failed(source, error)
    times = log.ticks["host_receive_ns"]
    return Recovery(
        source=source,
        path=done.path,
        status=done.status,
        ticks=done.ticks,
        seconds=float(times[-1] - times[0]) / 1e9 if len(times) else 0.0,
        events=done.events,
        episodes=len(book.episodes),
        open_episodes=tuple(episode.id for episode in book.episodes if episode.cut),
        lost_ticks=done.lost_ticks,
        problems=(*done.problems, *book.problems),
    )


def _beside(source: Path, made: Path) -> Recovery | None:
    """Whether the log that has the name is the one of this recording; told where it is another."""
    if started_unix_ns(source) == started_unix_ns(made):
        return None
    error = LogError(f"the log of this recording in {made.name}", "another recording", "move one of the two away")
    return _failed(source, error)


def _failed(source: Path, error: RobotIlError) -> Recovery:
    return Recovery(source, error=str(error))
