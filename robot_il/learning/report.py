"""One HTML page with the results of a whole line: demonstrations, trainings, evaluation, deployed run.

The page is one file that asks nothing of any network: plots are PNGs inside it, in a light and a dark version.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from robot_il.errors import ConfigError
from robot_il.learning import figures
from robot_il.learning.comparison import Spread
from robot_il.learning.report_html import Text, figure, heading, note, number, read_json, save_page, table
from robot_il.learning.report_training import training_sections
from robot_il.recording.check import CheckReport, check
from robot_il.recording.findings import FAIL, OK
from robot_il.recording.reader import Log, read_log

_MEASURES: Final = (("tilt_rms_rad", 4), ("drift_m", 3), ("effort_nm", 3), ("held_out_rms", 4))


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
        evaluation: what ``robot-il evaluate --json`` or ``robot-il compare`` wrote.
        deployed: log of a deployed run.

    Raises:
        LogError: a log cannot be read.
        ConfigError: a run or the evaluation is missing or makes no sense; or nothing was given.
    """
    sections = [
        *(_demonstrations([read_log(path) for path in demonstrations]) if demonstrations else ()),
        *(training_sections(runs) if runs else ()),
        *(_evaluation(_read_evaluation(evaluation)) if evaluation else ()),
        *(_deployed(read_log(deployed)) if deployed else ()),
    ]
    if not sections:
        raise ConfigError("a recording, a run or an evaluation to report on", "nothing", "name at least one")
    save_page(out, sections)


def _demonstrations(logs: Sequence[Log]) -> list[str]:
    reports = [check(log) for log in logs]
    head = ("recording", "label", "driven by", "ticks", "duration s", "rate Hz", "lateness p99 us", "fit to learn from")
    drawable = [log for log in logs if (log.ticks["source"] > 0).any()]
    return [
        heading("Demonstrations"),
        table(head, [_demonstration_row(log, report) for log, report in zip(logs, reports, strict=True)]),
        *(
            [figure(partial(figures.demonstrations, drawable), "What the robot did while it was driven, by label.")]
            if drawable
            else []
        ),
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
        number(timing.rate_hz, 2),
        number(timing.lateness_us.p99, 0),
        Text(f"no: {failed}" if failed else "yes", bad=bool(failed)),
    ]


def _evaluation(scores: dict[str, Any]) -> list[str]:
    if "rows" in scores:
        return _comparison(scores)
    head = ("policy", "survived", "95 % interval", "fell after s", "drift m", "tilt rms rad", "effort N m")
    about = f"Task {scores.get('task')}, {scores.get('episodes')} episodes"
    about += f" of {number(scores.get('seconds'), 0)} s in the twin, seed {scores.get('seed')}; the same draws for all."
    return [
        heading("Evaluation in the twin"),
        note(about),
        table(head, [_score_row(policy) for policy in scores["policies"]]),
        figure(partial(figures.survival, scores["policies"]), "Survival."),
    ]


def _comparison(scores: dict[str, Any]) -> list[str]:
    head = ("method", "policies", "survived", "95 % interval", "tilt rms rad", "drift m", "effort N m", "held-out rms")
    about = (
        f"Task {scores.get('task') or 'of imported data'}; survival of all seeds together with Wilson's interval, "
        "the rest with 95 % intervals over seeds."
    )
    missing = [note(f"{name} {reason}") for name, reason in scores.get("left_out", {}).items()]
    rows = [_comparison_row(row) for row in scores["rows"]]
    return [heading("Comparison of methods"), note(about), table(head, rows), *missing]


def _comparison_row(row: dict[str, Any]) -> list[str | Text]:
    known = row.get("survival_interval")
    measures = ((row.get(name), digits) for name, digits in _MEASURES)
    return [
        Text(str(row["name"])),
        str(row.get("seeds", "")),
        f"{row['survived']} of {row['trials']}" if known else number(None, 0),
        f"{100 * known[0]:.0f} to {100 * known[1]:.0f} %" if known else number(None, 0),
        *(Spread(**value).text(digits) if value else number(None, 0) for value, digits in measures),
    ]


def _score_row(policy: dict[str, Any]) -> list[str | Text]:
    low, high = policy["survival_interval"]
    return [
        Text(str(policy["name"])),
        f"{policy['survived']} of {policy['episodes']}",
        f"{100 * low:.0f} to {100 * high:.0f} %",
        number(policy.get("time_to_fall_s"), 2),
        number(policy.get("drift_m"), 3),
        number(policy.get("tilt_rms_rad"), 4),
        number(policy.get("effort_nm"), 3),
    ]


def _deployed(log: Log) -> list[str]:
    report = check(log)
    timing = report.timing
    name = log.session.controller.get("name", "unknown")
    parts = [
        heading("Deployed run"),
        note(f"{log.path.name}: {name} on task {log.session.task}, {timing.ticks} ticks, {timing.duration_s:.1f} s"),
        f"<p>{html.escape(report.verdict)}.</p>",
    ]
    if len(log.ticks):
        parts += [
            figure(partial(figures.tilt, log.ticks), "Tilt and velocity."),
            figure(partial(figures.torque_chain, log.ticks), "The chain of the torque, sum of both wheels."),
            figure(partial(figures.lateness, timing.lateness_histogram), "Timing of the loop, every tick counted."),
        ]
    rows = (("lateness us", timing.lateness_us), ("STATE to COMMAND us", timing.latency_us))
    spreads = [[n, *(number(v, 0) for v in (s.p50, s.p99, s.p999, s.largest))] for n, s in rows]
    findings = [[Text(f.severity, f.severity == FAIL), Text(f.name), Text(f.text)] for f in report.findings]
    remarks = [row for row, finding in zip(findings, report.findings, strict=True) if finding.severity != OK]
    parts.append(table(("timing", "p50", "p99", "p99.9", "largest"), spreads))
    parts.append(table(("remark", "of", "finding"), remarks) if remarks else note("Nothing to remark."))
    return parts


def _read_evaluation(path: Path) -> dict[str, Any]:
    scores = read_json(path, "what robot-il evaluate --json wrote")
    needed = {"name", "survived", "episodes", "survival", "survival_interval"}
    if isinstance(scores.get("rows"), list) and all(isinstance(row, dict) and "name" in row for row in scores["rows"]):
        return scores
    policies = scores.get("policies")
    if not isinstance(policies, list) or not policies or not all(needed <= set(policy) for policy in policies):
        raise ConfigError(
            f"policies with {', '.join(sorted(needed))} in {path}", "others", "evaluate again with --json"
        )
    return scores
