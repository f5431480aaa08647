"""Episodes of one raw log, and the operations that make and edit them. No operation ever touches the raw log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from robot_il.errors import LogError
from robot_il.recording.operations import MAX_NOTE, MAX_WORD, well_formed

MAX_EPISODES: Final = 2000
"""In one log, the deleted ones included."""
UNLABELED: Final = "unlabeled"
BY_PERSON: Final = "person"
BY_PROPOSAL: Final = "proposal"
"""Who set a label: a person said it, or they took over what the automatic proposal said."""
BY_RECORDING: Final = "recording"
"""The label that a whole recording carries."""


@dataclass(frozen=True)
class Episode:
    """One stretch of a raw log, [start_ns, stop_ns), by the host's monotonic clock (``host_receive_ns``).

    Attributes:
        id: its name in this log.
        start_ns: time of its first instant, in ns.
        stop_ns: time of the first instant after it, in ns; None while it is being recorded.
        task: a name that ``tasks.find_task`` knows.
        mode: who drove: ``direct``, ``assisted``, ``shared``, or the controller's name.
        label: one of ``spec.LABELS``.
        labelled_by: ``person``, ``proposal`` or ``recording``; empty where nobody set the label.
        note: free text.
        proposal: the automatically proposed label; empty where none was made.
        reasons: why it was proposed, in words.
        deleted: it is not to be used; it can be restored.
        cut: a crash left it open; it ends with the last tick.
        replaced_by: episodes that a split or a merge made of it; it is deleted then.
        recorded_ns: the stretch within which it may be trimmed; None while it is being recorded.
    """

    id: str
    start_ns: int
    stop_ns: int | None
    task: str
    mode: str
    label: str = UNLABELED
    labelled_by: str = ""
    note: str = ""
    proposal: str = ""
    reasons: tuple[str, ...] = ()
    deleted: bool = False
    cut: bool = False
    replaced_by: tuple[str, ...] = ()
    recorded_ns: tuple[int, int] | None = None

    @property
    def seconds(self) -> float | None:
        """Its length in s; None while it is being recorded."""
        return None if self.stop_ns is None else (self.stop_ns - self.start_ns) / 1e9

    @property
    def end_ns(self) -> float:
        """``stop_ns``, or infinity while it is being recorded."""
        return math.inf if self.stop_ns is None else self.stop_ns

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values, with its length."""
        return {**asdict(self), "seconds": self.seconds}


class EpisodeBook:
    """The episodes of one log, as the operations so far have made them.

    Of the episodes that are not deleted no two overlap, so that no tick is ever used twice; and at most one is open.

    Args:
        episodes: those that it begins with.

    Attributes:
        problems: what could not be used of a log's or a journal's operations, for a person.
    """

    def __init__(self, episodes: Iterable[Episode] = ()) -> None:
        self._episodes = {episode.id: episode for episode in episodes}
        self.problems: list[str] = []

    @property
    def all(self) -> list[Episode]:
        """All episodes in the order of time, the deleted ones included."""
        return sorted(self._episodes.values(), key=lambda episode: (episode.start_ns, episode.end_ns, episode.id))

    @property
    def episodes(self) -> list[Episode]:
        """The episodes that are not deleted, in the order of time."""
        return [episode for episode in self.all if not episode.deleted]

    @property
    def open_episode(self) -> Episode | None:
        """The episode that is being recorded."""
        return next((episode for episode in self.episodes if episode.stop_ns is None), None)

    def get(self, name: str) -> Episode:
        """One episode, deleted or not.

        Raises:
            LogError: there is none of that name.
        """
        try:
            return self._episodes[name]
        except KeyError:
            known = ", ".join(episode.id for episode in self.episodes[:20]) or "none"
            raise LogError(f"one of the episodes {known}", repr(name)[:80], "see robot-il log episodes FILE") from None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {"episodes": [episode.to_json() for episode in self.all], "problems": list(self.problems)}

    def apply(self, operation: object) -> tuple[Episode, ...]:
        """Does one operation; returns the episodes that it made or changed, as they are now.

        ``add`` takes of its stretch what no other episode holds, from the end of the last one in it.

        Args:
            operation: as data/formats/log.md describes them.

        Raises:
            LogError: it is not well formed, or does not fit the episodes that there are; the book is unchanged then.
        """
        fields = well_formed(operation)
        changed = _DO[fields["op"]](self, fields)
        if len(self._episodes.keys() | {episode.id for episode in changed}) > MAX_EPISODES:
            raise LogError(f"at most {MAX_EPISODES} episodes in a log", "one more", "begin another session")
        self._episodes.update((episode.id, episode) for episode in changed)
        return tuple(changed)

    def close_open(self, last_ns: int) -> None:
        """Ends what a crash left open at the log's last tick, and says so.

        Args:
            last_ns: time of the last tick.
        """
        for episode in self.all:
            if episode.stop_ns is None:
                stop_ns = max(episode.start_ns, last_ns + 1)
                self._episodes[episode.id] = _ended(replace(episode, cut=True), stop_ns)
                if not episode.deleted:
                    self.problems.append(f"episode {episode.id} was never stopped; it ends with the last tick")

    def _present(self, name: str) -> Episode:
        episode = self.get(name)
        if episode.deleted:
            raise LogError("an episode that is not deleted", name, "restore it first")
        return episode

    def _closed(self, name: str) -> tuple[Episode, int]:
        episode = self._present(name)
        if episode.stop_ns is None:
            raise LogError("an episode that is not being recorded", name, "stop it first")
        return episode, episode.stop_ns

    def _new(self, name: str) -> str:
        if name in self._episodes:
            raise LogError("a new name for an episode", f"{name}, which is there already", "choose another")
        return name

    def _alone(self, candidate: Episode, *besides: str) -> Episode:
        """Refuses an episode that overlaps another one but ``besides``."""
        for other in self.episodes:
            if other.id in (candidate.id, *besides):
                continue
            if other.start_ns < candidate.end_ns and candidate.start_ns < other.end_ns:
                remedy = f"trim or delete {other.id} first"
                raise LogError("episodes that do not overlap", f"{candidate.id} and {other.id}", remedy)
        return candidate

    def _start(self, op: dict[str, Any]) -> list[Episode]:
        episode = Episode(self._new(op["id"]), op["start_ns"], None, op["task"], op["mode"])
        return [self._alone(episode)]

    def _stop(self, op: dict[str, Any]) -> list[Episode]:
        episode = self.get(op["id"])
        if episode.stop_ns is not None and not episode.cut:
            raise LogError("an episode that is being recorded", f"{episode.id}, which has ended", "trim it instead")
        if op["stop_ns"] < episode.start_ns:
            came = f"a stop {(episode.start_ns - op['stop_ns']) / 1e9:.3f} s before it"
            raise LogError(f"a stop after the start of {episode.id}", came, "correct the times")
        ended = _ended(replace(episode, cut=False), op["stop_ns"])
        return [ended if ended.deleted else self._alone(ended)]

    def _add(self, op: dict[str, Any]) -> list[Episode]:
        start_ns, stop_ns = op["start_ns"], op["stop_ns"]
        if stop_ns <= start_ns:
            raise LogError("an end after the start", f"one {(start_ns - stop_ns) / 1e9:.3f} s before it", "swap them")
        taken = [other.end_ns for other in self.episodes if other.start_ns < stop_ns and other.end_ns > start_ns]
        free_ns = max([start_ns, *taken])
        if free_ns >= stop_ns:
            came = f"{(stop_ns - start_ns) / 1e9:.3f} s that other episodes hold"
            raise LogError("a stretch of time that no episode holds", came, "choose another")
        episode = Episode(self._new(op["id"]), int(free_ns), stop_ns, op["task"], op["mode"])
        return [_ended(episode, stop_ns)]

    def _label(self, op: dict[str, Any]) -> list[Episode]:
        return [replace(self._present(op["id"]), label=op["label"], labelled_by=op.get("by", BY_PERSON))]

    def _note(self, op: dict[str, Any]) -> list[Episode]:
        return [replace(self._present(op["id"]), note=op["note"])]

    def _propose(self, op: dict[str, Any]) -> list[Episode]:
        return [replace(self._present(op["id"]), proposal=op["label"], reasons=op["reasons"])]

    def _trim(self, op: dict[str, Any]) -> list[Episode]:
        episode, stop_ns = self._closed(op["id"])
        low, high = episode.recorded_ns or (episode.start_ns, stop_ns)
        if not low <= op["start_ns"] < op["stop_ns"] <= high:
            raise LogError(
                f"a stretch of {episode.id} as it was recorded, 0 to {(high - low) / 1e9:.3f} s of it",
                f"{(op['start_ns'] - low) / 1e9:.3f} to {(op['stop_ns'] - low) / 1e9:.3f} s",
                "choose times within it",
            )
        trimmed = replace(_unproposed(episode), start_ns=op["start_ns"], stop_ns=op["stop_ns"])
        return [self._alone(trimmed)]

    def _split(self, op: dict[str, Any]) -> list[Episode]:
        episode, stop_ns = self._closed(op["id"])
        if not episode.start_ns < op["at_ns"] < stop_ns:
            length, at = (stop_ns - episode.start_ns) / 1e9, (op["at_ns"] - episode.start_ns) / 1e9
            raise LogError(f"a cut within the {length:.3f} s of {episode.id}", f"{at:.3f} s", "choose a time within it")
        names = [self._new(name) for name in op["into"]]
        part = replace(_unproposed(episode), cut=False)
        first = _ended(replace(part, id=names[0]), op["at_ns"])
        second = _ended(replace(part, id=names[1], start_ns=op["at_ns"], cut=episode.cut), stop_ns)
        return [replace(episode, deleted=True, replaced_by=tuple(names)), first, second]

    def _merge(self, op: dict[str, Any]) -> list[Episode]:
        parts = sorted((self._closed(name) for name in op["ids"]), key=lambda part: (part[0].start_ns, part[1]))
        episodes = [episode for episode, _ in parts]
        first, stop_ns = episodes[0], parts[-1][1]
        names = tuple(episode.id for episode in episodes)
        tasks = sorted({episode.task for episode in episodes})
        if len(tasks) > 1:
            raise LogError("episodes of one task to merge", ", ".join(tasks), "merge those of one task")
        order = [episode.id for episode in self.episodes]
        at = order.index(first.id)
        if order[at : at + len(names)] != list(names):
            between = next(name for name in order[at:] if name not in names)
            raise LogError(
                "neighbouring episodes to merge", f"{between} between them", f"merge or delete {between} too"
            )
        labels = {episode.label for episode in episodes}
        alike = len(labels) == 1
        merged = replace(
            _unproposed(first),
            id=self._new(op["into"]),
            mode="+".join(dict.fromkeys(mode for episode in episodes for mode in episode.mode.split("+")))[:MAX_WORD],
            label=first.label if alike else UNLABELED,
            labelled_by=first.labelled_by if alike else "",
            note="; ".join(dict.fromkeys(episode.note for episode in episodes if episode.note))[:MAX_NOTE],
            cut=episodes[-1].cut,
        )
        gone = [replace(episode, deleted=True, replaced_by=(merged.id,)) for episode in episodes]
        return [*gone, self._alone(_ended(merged, stop_ns), *names)]

    def _delete(self, op: dict[str, Any]) -> list[Episode]:
        return [replace(self._present(op["id"]), deleted=True)]

    def _restore(self, op: dict[str, Any]) -> list[Episode]:
        episode = self.get(op["id"])
        if not episode.deleted:
            raise LogError("an episode that is deleted", episode.id, "it is there already")
        return [self._alone(replace(episode, deleted=False, replaced_by=()))]


_DO: Final[dict[str, Callable[[EpisodeBook, dict[str, Any]], list[Episode]]]] = {
    "start": EpisodeBook._start,
    "stop": EpisodeBook._stop,
    "add": EpisodeBook._add,
    "label": EpisodeBook._label,
    "note": EpisodeBook._note,
    "propose": EpisodeBook._propose,
    "trim": EpisodeBook._trim,
    "split": EpisodeBook._split,
    "merge": EpisodeBook._merge,
    "delete": EpisodeBook._delete,
    "restore": EpisodeBook._restore,
}


def _ended(episode: Episode, stop_ns: int) -> Episode:
    return replace(episode, stop_ns=stop_ns, recorded_ns=(episode.start_ns, stop_ns))


def _unproposed(episode: Episode) -> Episode:
    """Without the proposal, which spoke of another stretch."""
    return replace(episode, proposal="", reasons=())
