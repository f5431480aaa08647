"""The pieces that a report's page is made of: tables, figures, notes, and reading what they are made from."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from robot_il.errors import ConfigError
from robot_il.learning import figures
from robot_il.spec import SPEC_HASH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_JSON_BYTES: Final = 64 * 2**20

_STYLE: Final = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c2026; --soft: #5b6470; --line: #d9dde3; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171c; --ink: #d8dde4; --soft: #98a2b0; --line: #343a43; --bad: #ff8a80; }
}
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
       max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; margin: 0.8rem 0; font-variant-numeric: tabular-nums; display: block;
        overflow-x: auto; }
th, td { padding: 0.2rem 0.8rem 0.2rem 0; text-align: right; border-bottom: 1px solid var(--line);
         white-space: nowrap; }
th:first-child, td:first-child, td.text { text-align: left; } td.text { white-space: normal; }
th { color: var(--soft); font-weight: 600; }
img { width: 100%; height: auto; } figure { margin: 1rem 0; } figcaption, .note { color: var(--soft); }
.bad { color: var(--bad); font-weight: 600; }
"""


@dataclass(frozen=True)
class Text:
    """A table cell of words: left-aligned."""

    text: str
    bad: bool = False


def save_page(out: Path, sections: Iterable[str], title: str = "robot-il report") -> None:
    """Writes the whole page under a temporary name, then gives it its own.

    Raises:
        ConfigError: it cannot be written; nothing is left behind.
    """
    temporary = out.with_name(out.name + ".part")
    try:
        temporary.write_text(page(sections, title), encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"to write {out}", error.strerror or str(error), "choose another place") from error


def page(sections: Iterable[str], title: str = "robot-il report") -> str:
    """The whole page."""
    title = html.escape(title)
    made = f"made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, spec {SPEC_HASH[:12]}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>",
            f'<p class="note">{made}</p>',
            *sections,
            "</body></html>",
        ]
    )


def figure(draw: Callable[[], Figure], caption: str) -> str:
    """A plot in a light and a dark version."""
    light, dark = figures.png(draw, figures.LIGHT), figures.png(draw, figures.DARK)
    text = html.escape(caption)
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{text}"></picture><figcaption>{text}</figcaption></figure>'
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> str:
    """A table; plain strings are numbers."""
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str | Text) -> str:
    if isinstance(cell, str):
        return f"<td>{html.escape(cell)}</td>"
    return f'<td class="text{" bad" if cell.bad else ""}">{html.escape(cell.text)}</td>'


def heading(text: str) -> str:
    """Begins a section."""
    return f"<h2>{html.escape(text)}</h2>"


def note(text: str) -> str:
    """A paragraph in small print."""
    return f'<p class="note">{html.escape(text)}</p>'


def number(value: Any, digits: int) -> str:
    """A number, or a dash for what was never measured."""
    known = isinstance(value, int | float) and math.isfinite(value)
    return f"{value:.{digits}f}" if known else "–"


def read_text(path: Path, expected: str) -> str:
    """Reads a file of bounded size.

    Raises:
        ConfigError: missing, too large, or no text.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise OSError(f"more than {MAX_JSON_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(expected, f"{path}: {error}", "check the name") from error


def read_json(path: Path, expected: str) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ConfigError: missing, too large, or none.
    """
    try:
        values = json.loads(read_text(path, expected))
    except ValueError as error:
        raise ConfigError(expected, f"{path}: {error}", "make it again") from error
    if not isinstance(values, dict):
        raise ConfigError(expected, f"{path}: {type(values).__name__}", "make it again")
    return values
