"""Small parts that the views of recordings are made of, in the style sheet's own look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from robot_il.console.theme import WEB, WEB_URL, set_tone


def dress_records() -> None:
    """Puts the style sheet of these views into the page in the making."""
    newest = int((WEB / "records.css").stat().st_mtime)
    ui.add_head_html(f'<link rel="stylesheet" href="{WEB_URL}/records.css?{newest}">')


def press(
    text: str, marker: str, on_click: Callable[..., Any], icon: str | None = None, classes: str = ""
) -> ui.button:
    """A button that a thumb can hit."""
    button = ui.button(text, icon=icon, color=None, on_click=on_click).props("unelevated no-caps")
    return button.classes(f"btn {classes}").mark(marker)


def icon_press(icon: str, tip: str, marker: str, on_click: Callable[..., Any]) -> ui.button:
    """A button of one picture, which is named for those who do not see it."""
    button = ui.button(icon=icon, color=None, on_click=on_click).props(f'unelevated aria-label="{tip}" title="{tip}"')
    return button.classes("btn icon").mark(marker)


def set_filled(button: ui.button, filled: bool) -> None:
    """Shows which one of several buttons holds now."""
    if ("filled" in button.classes) != filled:
        button.classes(add="filled" if filled else "", remove="" if filled else "filled")
        button.props(f"aria-pressed={'true' if filled else 'false'}")


def set_end(slider: ui.slider | ui.range, end: float) -> None:
    """Gives a slider another upper end."""
    slider.props["max"] = end
    slider.update()


def line(tone: str, icon: str, name: str, found: str = "", remedy: str = "") -> ui.element:
    """Something to know, what was found, and what can be done about it."""
    with ui.element("div").classes("line") as element:
        ui.icon(icon)
        with ui.element("div"):
            ui.label(name).classes("name")
            if found:
                ui.label(found).classes("found")
        if remedy:
            ui.label(remedy).classes("remedy")
    set_tone(element, tone)
    return element
