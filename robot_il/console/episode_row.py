"""One episode in the list: its traces, what is known of it, its label, and what can be done with it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, Protocol

from nicegui import ui

from robot_il.console.episode_desk import Entry, Operation
from robot_il.console.parts import icon_press, press, set_filled
from robot_il.console.readings import Sketch, Unreadable
from robot_il.console.theme import LABEL_TONES, set_tone
from robot_il.recording.episode_book import BY_PROPOSAL, UNLABELED
from robot_il.recording.operations import LABEL_WORDS, MAX_NOTE

BUTTONS: Final = ("expert", "suboptimal", "undesirable")
"""Labels that are one press away, the best first."""


class Actions(Protocol):
    """What a row asks of the list that it is in."""

    def apply(self, entry: Entry, operation: Operation, done: str) -> Awaitable[None]:
        """Does an operation and remembers how to take it back; ``done`` says what was done."""

    def merge(self, entry: Entry) -> Awaitable[None]:
        """Makes one of this episode and the next."""

    def cut(self, entry: Entry) -> Awaitable[None]:
        """Lets the person trim or split it."""

    def replay(self, entry: Entry) -> None:
        """Shows it as it was driven."""


class EpisodeRow:
    """A row, built in the parent element in the making.

    Args:
        entry: the episode.
        actions: of the list.
    """

    def __init__(self, entry: Entry, actions: Actions) -> None:
        self.entry = entry
        self._actions = actions
        self._drawn: tuple[int, int | None] | None = None
        with ui.element("div").classes("panel ep").mark(f"episode-{entry.episode.id}") as self.element:
            if entry.episode.deleted:
                self._build_deleted()
            else:
                self._build()
                self.update(entry)

    @property
    def wants_sketch(self) -> bool:
        """Whether its picture is missing, or is of another stretch."""
        episode = self.entry.episode
        return (
            not episode.deleted and episode.stop_ns is not None and self._drawn != (episode.start_ns, episode.stop_ns)
        )

    def _build(self) -> None:
        self._picture = ui.html("", sanitize=False).classes("ep-picture")
        with ui.element("div").classes("ep-facts"):
            with ui.element("div").classes("ep-title"):
                self._name = ui.label().classes("name")
                self._verdict = ui.label().classes("badge").mark("verdict")
                self._verdict_tip = ui.tooltip("").classes("tip")
                self._verdict_tip.move(self._verdict)
            self._facts = ui.label().classes("hint")
            self._note = (
                ui.input(placeholder="note")
                .props(f"dense borderless maxlength={MAX_NOTE}")
                .classes("ep-note")
                .mark("note")
                .on("blur", self._keep_note)
                .on("keydown.enter", self._keep_note)
            )
        with ui.element("div").classes("ep-label"):
            with ui.element("div").classes("ep-labels"):
                self._labels = {label: self._label_button(label) for label in BUTTONS}
            with ui.element("div").classes("ep-proposal") as self._proposal:
                self._proposed = ui.label().classes("words")
                press("Accept", "accept", self._accept)
        with ui.element("div").classes("ep-actions"):
            icon_press("play_arrow", "Replay", "replay", lambda: self._actions.replay(self.entry))
            icon_press("content_cut", "Trim or split", "cut", lambda: self._actions.cut(self.entry))
            self._merge = icon_press("call_merge", "Merge with the next", "merge", self._merge_next)
            icon_press("delete_outline", "Delete", "delete", self._delete)

    def _build_deleted(self) -> None:
        episode = self.entry.episode
        self.element.classes("deleted")
        with ui.element("div").classes("ep-facts"):
            ui.label(f"Episode {episode.id} is deleted").classes("name")
            became = f"; it became {' and '.join(episode.replaced_by)}" if episode.replaced_by else ""
            ui.label(_facts(self.entry) + became).classes("hint")
        press("Restore", "restore", self._restore, icon="undo")

    def _label_button(self, label: str) -> ui.button:
        async def choose() -> None:
            if self.entry.episode.label != label:
                await self._do({"op": "label", "label": label}, f"called {LABEL_WORDS[label]}")

        button = press(LABEL_WORDS[label], f"label-{label}", choose, classes="ep-press")
        set_tone(button, LABEL_TONES[label])
        return button

    def update(self, entry: Entry) -> None:
        """Shows the episode as it is now."""
        self.entry = entry
        episode = entry.episode
        if episode.deleted:
            return
        self._name.text = entry.name
        self._facts.text = _facts(entry)
        if episode.note != self._note.value:
            self._note.value = episode.note
        for label, button in self._labels.items():
            set_filled(button, episode.label == label)
        open_proposal = bool(episode.proposal) and episode.proposal not in (UNLABELED, episode.label)
        self._proposal.visible = open_proposal
        if open_proposal:
            set_tone(self._proposal, LABEL_TONES[episode.proposal])
            reasons = ", ".join(episode.reasons)
            self._proposed.text = f"proposed {LABEL_WORDS[episode.proposal]}" + (f": {reasons}" if reasons else "")
        self._merge.set_enabled(bool(entry.next_id))
        if self._drawn is None:
            self._picture.content = (
                f'<div class="ep-wait">{"recording" if episode.stop_ns is None else "reading"}</div>'
            )
            self._verdict.visible = False

    def show(self, sketch: Sketch | Unreadable | None) -> None:
        """Shows its picture and the verdict on it."""
        episode = self.entry.episode
        if sketch is None:
            return
        self._verdict.visible = True
        if isinstance(sketch, Unreadable):
            self._picture.content = '<div class="ep-wait">not readable</div>'
            self._say_verdict("not readable", "alarm", [str(sketch)])
        else:
            self._picture.content = sketch.svg
            words, tone = ("fit to learn from", "live") if sketch.passed else ("not fit", "alarm")
            self._say_verdict(words, tone, list(sketch.findings))
        if not isinstance(sketch, Sketch) or sketch.whole:
            self._drawn = (episode.start_ns, episode.stop_ns)

    def _say_verdict(self, words: str, tone: str, findings: list[str]) -> None:
        self._verdict.text = words
        self._verdict_tip.text = "\n".join(findings) or "nothing speaks against it"
        set_tone(self._verdict, tone)

    async def _do(self, fields: Operation, done: str) -> None:
        await self._actions.apply(self.entry, {"id": self.entry.episode.id, **fields}, f"{self.entry.name} {done}")

    async def _keep_note(self) -> None:
        note = (self._note.value or "").strip()[:MAX_NOTE]
        if note != self.entry.episode.note:
            await self._do({"op": "note", "note": note}, "has another note")

    async def _accept(self) -> None:
        label = self.entry.episode.proposal
        await self._do({"op": "label", "label": label, "by": BY_PROPOSAL}, f"called {LABEL_WORDS[label]}")

    async def _merge_next(self) -> None:
        await self._actions.merge(self.entry)

    async def _delete(self) -> None:
        await self._do({"op": "delete"}, "deleted")

    async def _restore(self) -> None:
        await self._do({"op": "restore"}, "restored")


def _facts(entry: Entry) -> str:
    """Time of day, length, task and mode in one line."""
    episode = entry.episode
    began = f"{entry.began:%H:%M:%S}" if entry.began else ""
    length = "being recorded" if episode.seconds is None else f"{episode.seconds:.1f} s"
    cut = "cut short by a crash" if episode.cut else ""
    return "  ·  ".join(part for part in (began, length, episode.task, episode.mode, cut) if part)
