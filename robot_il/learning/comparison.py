"""Methods side by side over several seeds: one row a method, with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from robot_il.learning.evaluation import Episode, wilson_interval

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Entry:
    """One policy of a method.

    Attributes:
        seed: of its training.
        fingerprint: equal for policies that are one and the same.
        episodes: in the twin; empty where no twin fits the data.
        held_out_rms: root mean square error of the action on held-out episodes, in its unit; NaN where there are none.
    """

    seed: int
    fingerprint: str
    episodes: Sequence[Episode]
    held_out_rms: float


@dataclass(frozen=True)
class Spread:
    """A quantity over seeds.

    Attributes:
        mean: over the seeds.
        half: half width of its 95 % t interval over seeds; None for one seed.
        each: its values.
    """

    mean: float
    half: float | None
    each: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None where nothing was measured."""
        known = [value for value in values if math.isfinite(value)]
        if not known:
            return None
        half = None
        if len(known) > 1:
            quantile = float(student.ppf(0.5 + CONFIDENCE / 2, len(known) - 1))
            half = quantile * float(np.std(known, ddof=1)) / math.sqrt(len(known))
        return cls(float(np.mean(known)), half, tuple(known))

    def text(self, digits: int) -> str:
        """``mean ± half``."""
        return f"{self.mean:.{digits}f}" + ("" if self.half is None else f" ± {self.half:.{digits}f}")


@dataclass(frozen=True)
class Row:
    """One method.

    Attributes:
        name: of the method or the baseline.
        seeds: different policies it has.
        survived: episodes survived, of all seeds together; None where no twin fits the data.
        trials: episodes in all.
        survival_interval: 95 % Wilson interval of the pooled share.
        survival: of each seed.
        tilt_rms_rad: over seeds, of the median over episodes, in rad.
        drift_m: likewise, in m.
        effort_nm: likewise, in N m.
        held_out_rms: likewise, in the action's unit.
    """

    name: str
    seeds: int
    survived: int | None
    trials: int
    survival_interval: tuple[float, float] | None
    survival: tuple[float, ...]
    tilt_rms_rad: Spread | None
    drift_m: Spread | None
    effort_nm: Spread | None
    held_out_rms: Spread | None


def summarise(name: str, entries: Sequence[Entry]) -> Row:
    """One row from a method's policies; a method that no seed changes has one policy and counts once.

    The pooled interval takes every episode for an independent trial. Episodes of one seed share a policy, so where
    seeds differ much it is too narrow: look at the spread beside it.
    """
    distinct = list({entry.fingerprint: entry for entry in entries}.values())
    driven = [entry for entry in distinct if entry.episodes]
    survived = [sum(episode.survived for episode in entry.episodes) for entry in driven]
    trials = sum(len(entry.episodes) for entry in driven)
    return Row(
        name=name,
        seeds=len(distinct),
        survived=sum(survived) if driven else None,
        trials=trials,
        survival_interval=wilson_interval(sum(survived), trials, CONFIDENCE) if driven else None,
        survival=tuple(count / len(entry.episodes) for count, entry in zip(survived, driven, strict=True)),
        tilt_rms_rad=_over_seeds(driven, lambda episode: episode.tilt_rms_rad),
        drift_m=_over_seeds(driven, lambda episode: episode.drift_m),
        effort_nm=_over_seeds(driven, lambda episode: episode.effort_nm),
        held_out_rms=Spread.of([entry.held_out_rms for entry in distinct]),
    )


def _over_seeds(entries: Sequence[Entry], value: Callable[[Episode], float]) -> Spread | None:
    return Spread.of([float(np.median([value(episode) for episode in entry.episodes])) for entry in entries])


_HEAD = ("method", "policies", "survived", "95 % interval", "worst to best seed", "tilt rad", "drift m", "effort N m")


def format_comparison(rows: Sequence[Row], unit: str) -> str:
    """The rows as one text table; twin columns only where something was driven.

    Args:
        rows: in order.
        unit: of the action.
    """
    driven = any(row.survived is not None for row in rows)
    head = [*(_HEAD if driven else _HEAD[:2]), f"held-out rms {unit}"]
    lines = [head, *(_cells(row, driven=driven) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "   ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(row: Row, *, driven: bool) -> list[str]:
    cells = [row.name, str(row.seeds)]
    if driven:
        interval = row.survival_interval
        cells += [
            "-" if row.survived is None else f"{row.survived}/{row.trials}",
            "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}",
            "-" if len(row.survival) < 2 else f"{min(row.survival):.2f} to {max(row.survival):.2f}",
            _spread_text(row.tilt_rms_rad, 4),
            _spread_text(row.drift_m, 3),
            _spread_text(row.effort_nm, 3),
        ]
    return [*cells, _spread_text(row.held_out_rms, 4)]


def _spread_text(spread: Spread | None, digits: int) -> str:
    return "-" if spread is None else spread.text(digits)


def comparison_json(about: Mapping[str, Any], rows: Sequence[Row], left_out: Mapping[str, str]) -> str:
    """The rows as JSON text, with what was asked and why methods are missing."""
    return json.dumps({**about, "rows": [asdict(row) for row in rows], "left_out": dict(left_out)}, indent=1)
