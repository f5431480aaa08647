"""One HTML page with the results of a whole line: demonstrations, trainings, evaluation, deployed run.

The page is one file that asks nothing of any network: plots are PNGs inside it, in a light and a dark version.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from robot_il.errors import ConfigError
from robot_il.learning import figures
from robot_il.recording.check import FAIL, OK, CheckReport, check
from robot_il.recording.reader import Log, read_log
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


def write_report(
    out: Path,
    *,
    demonstrations: Sequence[Path] = (),
    runs: Sequence[Path] = (),
    evaluation: Path | None = None,
    deployed: Path | None = None,
) -> None:
    """Writes the page, with a section for whatever is given.

    Args:
        out: the HTML file; replaced as a whole.
        demonstrations: logs.
        runs: run folders of the trainer.
        evaluation: what ``robot-il evaluate --json`` wrote.
        deployed: log of a deployed run.

    Raises:
        LogError: a log cannot be read.
        ConfigError: a run or the evaluation is missing or makes no sense; or nothing was given.
    """
    sections = [
        *(_demonstrations([read_log(path) for path in demonstrations]) if demonstrations else ()),
        *(_runs([_read_run(path) for path in runs]) if runs else ()),
        *(_evaluation(_read_evaluation(evaluation)) if evaluation else ()),
        *(_deployed(read_log(deployed)) if deployed else ()),
    ]
    if not sections:
        raise ConfigError("a recording, a run or an evaluation to report on", "nothing", "name at least one")
    temporary = out.with_name(out.name + ".part")
    try:
        temporary.write_text(_page(sections), encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        raise ConfigError(f"to write {out}", error.strerror or str(error), "choose another place") from error


def _page(sections: Iterable[str]) -> str:
    made = f"made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, spec {SPEC_HASH[:12]}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1"><title>robot-il report</title>',
            f"<style>{_STYLE}</style></head><body><h1>robot-il report</h1>",
            f'<p class="note">{made}</p>',
            *sections,
            "</body></html>",
        ]
    )


def _figure(draw: Callable[[], Figure], caption: str) -> str:
    light, dark = figures.png(draw, figures.LIGHT), figures.png(draw, figures.DARK)
    text = html.escape(caption)
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{text}"></picture><figcaption>{text}</figcaption></figure>'
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str | Text) -> str:
    if isinstance(cell, str):
        return f"<td>{html.escape(cell)}</td>"
    return f'<td class="text{" bad" if cell.bad else ""}">{html.escape(cell.text)}</td>'


def _heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>"


def _note(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'


def _demonstrations(logs: Sequence[Log]) -> list[str]:
    reports = [check(log) for log in logs]
    head = ("recording", "label", "driven by", "ticks", "duration s", "rate Hz", "lateness p99 us", "fit to learn from")
    drawable = [log for log in logs if (log.ticks["source"] > 0).any()]
    figure = partial(figures.demonstrations, drawable)
    return [
        _heading("Demonstrations"),
        _table(head, [_demonstration_row(log, report) for log, report in zip(logs, reports, strict=True)]),
        *([_figure(figure, "What the robot did while it was driven, by label.")] if drawable else []),
    ]


def _demonstration_row(log: Log, report: CheckReport) -> list[str | Text]:
    timing = report.timing
    driver = str(log.session.controller.get("name", "unknown")) + (", synthetic" if log.session.synthetic else "")
    failed = ", ".join(finding.name for finding in report.findings if finding.severity == FAIL)
    return [
        Text(log.path.name),
        Text(log.label),
        Text(driver),
        str(timing.ticks),
        f"{timing.duration_s:.1f}",
        _number(timing.rate_hz, 2),
        _number(timing.lateness_us.p99, 0),
        Text(f"no: {failed}" if failed else "yes", bad=bool(failed)),
    ]


def _runs(runs: Sequence[dict[str, Any]]) -> list[str]:
    head = ("run", "method", "steps", "chosen step", "stopped", "held-out nll", "least squares nll", "seconds")
    curves = [run for run in runs if len(run["metrics"]) > 2]
    caption = (
        "Left: likelihood of the held-out episodes, lower is better; right: training losses. "
        "Training stops once the held-out likelihood no longer improves, and goes back to the chosen step."
    )
    return [
        _heading("Training"),
        _table(head, [_run_row(run) for run in runs]),
        *([_figure(partial(figures.learning_curves, curves), caption)] if curves else []),
    ]


def _run_row(run: dict[str, Any]) -> list[str | Text]:
    summary = run["summary"]
    return [
        Text(run["name"]),
        Text(str(summary.get("method", ""))),
        str(summary.get("steps", "")),
        str(summary.get("chosen_step", "")),
        Text(str(summary.get("stop_reason", "not finished"))),
        _number((summary.get("held_out") or {}).get("nll"), 3),
        _number((summary.get("baseline") or {}).get("nll"), 3),
        _number(summary.get("seconds"), 1),
    ]


def _evaluation(scores: dict[str, Any]) -> list[str]:
    head = ("policy", "survived", "95 % interval", "fell after s", "drift m", "tilt rms rad", "effort N m")
    about = f"Task {scores.get('task')}, {scores.get('episodes')} episodes"
    about += (
        f" of {_number(scores.get('seconds'), 0)} s in the twin, seed {scores.get('seed')}; the same draws for all."
    )
    return [
        _heading("Evaluation in the twin"),
        _note(about),
        _table(head, [_score_row(policy) for policy in scores["policies"]]),
        _figure(partial(figures.survival, scores["policies"]), "Survival."),
    ]


def _score_row(policy: dict[str, Any]) -> list[str | Text]:
    low, high = policy["survival_interval"]
    return [
        Text(str(policy["name"])),
        f"{policy['survived']} of {policy['episodes']}",
        f"{100 * low:.0f} to {100 * high:.0f} %",
        _number(policy.get("time_to_fall_s"), 2),
        _number(policy.get("drift_m"), 3),
        _number(policy.get("tilt_rms_rad"), 4),
        _number(policy.get("effort_nm"), 3),
    ]


def _deployed(log: Log) -> list[str]:
    report = check(log)
    timing = report.timing
    name = log.session.controller.get("name", "unknown")
    parts = [
        _heading("Deployed run"),
        _note(f"{log.path.name}: {name} on task {log.session.task}, {timing.ticks} ticks, {timing.duration_s:.1f} s"),
        f"<p>{html.escape(report.verdict)}.</p>",
    ]
    if len(log.ticks):
        parts += [
            _figure(partial(figures.tilt, log.ticks), "Tilt and velocity."),
            _figure(partial(figures.torque_chain, log.ticks), "The chain of the torque, sum of both wheels."),
            _figure(partial(figures.lateness, timing.lateness_histogram), "Timing of the loop, every tick counted."),
        ]
    rows = (("lateness us", timing.lateness_us), ("STATE to COMMAND us", timing.latency_us))
    spreads = [[n, *(_number(v, 0) for v in (s.p50, s.p99, s.p999, s.largest))] for n, s in rows]
    findings = [[Text(f.severity, f.severity == FAIL), Text(f.name), Text(f.text)] for f in report.findings]
    remarks = [row for row, finding in zip(findings, report.findings, strict=True) if finding.severity != OK]
    parts.append(_table(("timing", "p50", "p99", "p99.9", "largest"), spreads))
    parts.append(_table(("remark", "of", "finding"), remarks) if remarks else _note("Nothing to remark."))
    return parts


def _number(value: Any, digits: int) -> str:
    """A number, or a dash for what was never measured."""
    known = isinstance(value, int | float) and math.isfinite(value)
    return f"{value:.{digits}f}" if known else "–"


def _read_run(path: Path) -> dict[str, Any]:
    """Name, metrics and summary of a run; one that was never finished has an empty summary."""
    config = _read_json(path / "config.json", "a run folder with config.json")
    summary = path / "summary.json"
    lines = _read_text(path / "metrics.jsonl", "a run folder with metrics.jsonl").splitlines()
    metrics = []
    for line in lines:
        try:
            metrics.append(json.loads(line))
        except ValueError:
            break  # a crash cut the last line
    values = _read_json(summary, "a run's summary.json") if summary.exists() else {}
    return {"name": path.name, "metrics": metrics, "summary": {"method": config.get("method", ""), **values}}


def _read_evaluation(path: Path) -> dict[str, Any]:
    scores = _read_json(path, "what robot-il evaluate --json wrote")
    needed = {"name", "survived", "episodes", "survival", "survival_interval"}
    policies = scores.get("policies")
    if not isinstance(policies, list) or not policies or not all(needed <= set(policy) for policy in policies):
        raise ConfigError(
            f"policies with {', '.join(sorted(needed))} in {path}", "others", "evaluate again with --json"
        )
    return scores


def _read_text(path: Path, expected: str) -> str:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise OSError(f"more than {MAX_JSON_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(expected, f"{path}: {error}", "check the name") from error


def _read_json(path: Path, expected: str) -> dict[str, Any]:
    try:
        values = json.loads(_read_text(path, expected))
    except ValueError as error:
        raise ConfigError(expected, f"{path}: {error}", "make it again") from error
    if not isinstance(values, dict):
        raise ConfigError(expected, f"{path}: {type(values).__name__}", "make it again")
    return values
