"""Parts of the Replay view: the strip over the slider, the window of traces with its cursor, the table of a tick."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from nicegui import ui

from robot_il.console.parts import press, set_filled
from robot_il.console.replay import CONTROLLER, FALLBACK, NOBODY, PERSON, Mark, bands, marks, values
from robot_il.console.thumbnails import CHAIN, labelled_picture

PICTURE: Final = (1200, 420)
ALL: Final = 0.0
ZOOMS_S: Final = {"all": ALL, "30 s": 30.0, "5 s": 5.0, "1 s": 1.0}
MAX_MARKS: Final = 200
_COLOURS: Final = {NOBODY: "var(--off-soft)", CONTROLLER: "var(--s3)", FALLBACK: "var(--s2)", PERSON: "var(--s1)"}
_WORDS: Final = {NOBODY: "nobody", CONTROLLER: "controller or policy", FALLBACK: "fallback", PERSON: "person"}
_STOPS: Final = ("stop", "fault", "lost", "fail", "drop")
"""Parts of the names of events that are marked in the colour of an alarm."""
TABLE_EVERY: Final = 4
"""While it plays, the table shows every so manieth tick that is shown: nobody reads faster."""


class Strip:
    """Who was in charge, as a band of colours, with a mark for each event; over a slider of the same width."""

    def __init__(self) -> None:
        self._html = ui.html("", sanitize=False).classes("rp-strip").mark("strip")

    @staticmethod
    def build_legend() -> None:
        """What the colours mean."""
        words = "".join(f'<span><i style="background:{_COLOURS[who]}"></i>{_WORDS[who]}</span>' for who in _WORDS)
        ui.html(words, sanitize=False).classes("legend")

    def show(self, ticks: np.ndarray, events: Sequence[dict[str, Any]]) -> list[Mark]:
        """Draws a stretch; returns the events that it marks."""
        last = max(1, len(ticks) - 1)
        times = ticks["host_receive_ns"]
        found = marks(events, int(times[0]), int(times[-1]))[:MAX_MARKS]
        parts = [
            f'<i style="left:{100 * band.start / last:.3f}%;width:{100 * (band.stop - band.start) / last:.3f}%;'
            f'background:{_COLOURS[band.who]}" title="{_WORDS[band.who]}"></i>'
            for band in bands(ticks)
        ]
        for mark in found:
            # the slider counts ticks, so a mark stands at the tick of its time
            index = int(np.searchsorted(times, times[0] + mark.seconds * 1e9))
            alarm = ' class="alarm"' if any(part in mark.name for part in _STOPS) else ""
            title = html.escape(f"{mark.name}: {mark.text}" if mark.text else mark.name)
            parts.append(f'<b{alarm} style="left:{100 * index / last:.3f}%" title="{title}"></b>')
        self._html.content = f"<div>{''.join(parts)}</div>"
        return found


class Window:
    """The traces around the cursor, drawn anew only when it leaves what is drawn."""

    def __init__(self) -> None:
        self._ticks: np.ndarray | None = None
        self._zoom_s = ALL
        self._shown_ns = (0, 0)
        self._buttons: dict[str, ui.button] = {}
        with ui.element("div").classes("panel rp-traces"):
            self._picture = ui.html("", sanitize=False).classes("rp-picture")
            self._cursor = ui.element("div").classes("rp-cursor").mark("cursor-line")
            self._cursor.set_visibility(False)
        self._index = 0

    def build_zoom(self) -> None:
        """Buttons for how much is drawn, in the parent element in the making."""
        with ui.element("div").classes("row"):
            for name in ZOOMS_S:
                marker = f"zoom-{name.replace(' ', '')}"
                self._buttons[name] = press(name, marker, lambda name=name: self._set_zoom(name))
        self._set_zoom("all")

    def show(self, ticks: np.ndarray) -> None:
        """Shows another stretch, (T,) of ``spec.TICK_DTYPE``, from its first tick."""
        self._ticks = ticks
        self._cursor.set_visibility(len(ticks) > 0)
        self._shown_ns = (0, 0)
        self.move(0)

    def move(self, index: int) -> None:
        """Puts the cursor on a tick."""
        self._index = index
        if self._ticks is None:
            return
        times = self._ticks["host_receive_ns"]
        now = int(times[index])
        start, stop = self._shown_ns
        if not start <= now <= stop or stop == 0:
            start, stop = self._shown_ns = self._around(now, int(times[0]), int(times[-1]))
            inside = (times >= start) & (times <= stop)
            self._picture.content = labelled_picture(self._ticks[inside], start, stop, PICTURE, CHAIN)
        self._cursor.style(f"left:{100 * (now - start) / max(1, stop - start):.3f}%")

    def _around(self, now: int, first: int, last: int) -> tuple[int, int]:
        """Left and right edge of the window that holds ``now``; windows stand side by side from the first tick."""
        if self._zoom_s == ALL:
            return first, max(last, first + 1)
        length = round(self._zoom_s * 1e9)
        start = first + (now - first) // length * length
        return start, start + length

    def _set_zoom(self, name: str) -> None:
        self._zoom_s = ZOOMS_S[name]
        for other, button in self._buttons.items():
            set_filled(button, other == name)
        self._shown_ns = (0, 0)
        self.move(self._index)


class ValueTable:
    """Every signal of one tick: name, value, unit, meaning."""

    def __init__(self) -> None:
        self._html = ui.html("", sanitize=False).classes("panel rp-values").mark("values")
        self._shown = 0

    def show(self, tick: Any, playing: bool) -> None:
        """Shows one record of ``spec.TICK_DTYPE``; while it plays not each one."""
        self._shown += 1
        if playing and self._shown % TABLE_EVERY:
            return
        rows = "".join(
            f"<tr><td>{value.signal}</td><td>{html.escape(value.value)}</td><td>{html.escape(value.unit)}</td>"
            f"<td>{html.escape(value.meaning)}</td></tr>"
            for value in values(tick)
        )
        head = "<tr><th>signal</th><th>value</th><th>unit</th><th>meaning</th></tr>"
        self._html.content = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
