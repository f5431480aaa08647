"""How the console looks: its style sheet and scripts, the words for each phase, and how figures are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from nicegui import app, ui

from robot_il.recording.operations import LABEL_WORDS
from robot_il.spec import LABELS

WEB = Path(__file__).parent / "web"
WEB_URL = "/console-web"


@dataclass(frozen=True)
class PhaseLook:
    """How one phase of the station is shown.

    Attributes:
        word: in big letters.
        tone: name of the colour, one of those the style sheet knows (``calm``, ``live``, ``warn``, ``alarm``, ``off``).
    """

    word: str
    tone: str


PHASES = {
    "absent": PhaseLook("NO ROBOT", "off"),
    "connecting": PhaseLook("CONNECTING", "warn"),
    "idle": PhaseLook("IDLE", "calm"),
    "checking": PhaseLook("CHECKING", "warn"),
    "driving": PhaseLook("DRIVING", "live"),
    "stopping": PhaseLook("STOPPING", "warn"),
    "fault": PhaseLook("STOPPED", "alarm"),
}
AT_REST = ("absent", "idle")
"""Phases in which the space bar types a space; in all others it is the emergency stop."""

LABEL_TONES = {"expert": "live", "suboptimal": "warn", "undesirable": "alarm", "unlabeled": "off"}

assert set(LABEL_WORDS) == set(LABELS) == set(LABEL_TONES), "each label needs a word and a colour"


def phase_look(phase: str) -> PhaseLook:
    """The look of a phase; one that this page does not know is shown as it is, in the colour of a warning."""
    return PHASES.get(phase, PhaseLook(phase.upper(), "warn"))


def serve_assets() -> None:
    """Makes the style sheet and the scripts known to the web server; nothing is fetched from another host."""
    app.add_static_files(WEB_URL, WEB)


def dress_page() -> None:
    """Puts the style sheet, the name and the restored light or dark look into the page in the making."""
    # The file's time in the address lets a browser keep the sheet and still see a newer one.
    newest = int((WEB / "console.css").stat().st_mtime)
    ui.add_head_html(f'<link rel="stylesheet" href="{WEB_URL}/console.css?{newest}">')
    ui.query("body").classes("ril")
    ui.query(".nicegui-content").classes(remove="nicegui-content", add="ril-content")


def figure(value: float | None, digits: int, unit: str = "") -> str:
    """A figure with a true minus sign and its unit; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0.0:
        text = text.lstrip("-")
    text = text.replace("-", "−")
    return f"{text} {unit}" if unit else text


def set_tone(element: ui.element, tone: str) -> None:
    """Gives an element one of the style sheet's tones in place of the one it had; none for an empty one."""
    if element.props.get("data-tone", "") == tone:
        return
    if tone:
        element.props(f"data-tone={tone}")
    else:
        element.props(remove="data-tone")
