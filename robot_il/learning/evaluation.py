"""What a set of episodes says about a policy: survival with its interval, time to fall, drift, tilt, effort."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

TASK_ERRORS = {"stand_up": "lean at end rad", "drive_turn": "turning rad/s rms"}
"""How far an episode was from what its task asks for besides not falling, by task: what is measured, and its unit."""


@dataclass(frozen=True)
class Episode:
    """One episode of one policy.

    Attributes:
        seed: of the conditions; the same for every policy that is compared.
        seconds: how long the policy drove, in s.
        survived: whether it drove to the end without a fall and without help.
        end: why it ended, in words.
        drift_m: largest distance from where it should be, in m.
        tilt_rms_rad: root mean square of the true pitch, in rad.
        effort_nm: root mean square of the total torque, in N m.
        saved_by_fallback: whether the policy raised or gave a torque that is not finite.
        succeeded: whether it survived and did what the task asks besides; None where that is nothing else.
        task_error: how far it was from that, see ``TASK_ERRORS``.
    """

    seed: int
    seconds: float
    survived: bool
    end: str
    drift_m: float
    tilt_rms_rad: float
    effort_nm: float
    saved_by_fallback: bool = False
    succeeded: bool | None = None
    task_error: float | None = None

    @property
    def good(self) -> bool:
        """Whether the task was done."""
        return self.survived if self.succeeded is None else self.succeeded


@dataclass(frozen=True)
class Score:
    """All episodes of one policy, summed up.

    Attributes:
        name: which policy.
        survived: episodes survived.
        episodes: episodes in all.
        survival: the share.
        survival_interval: its 95 % Wilson interval.
        time_to_fall_s: mean over the episodes that fell, in s; None where none fell.
        drift_m: median over all episodes, in m.
        tilt_rms_rad: median over all episodes, in rad.
        effort_nm: median over all episodes, in N m.
        differs_from_first: two-sided p value of the paired sign test on survival, or on success where the task asks for
            more than that, against the first policy; None for it.
        succeeded: episodes in which the task was done; None where that is to survive.
        success_interval: 95 % Wilson interval of their share.
        task_error: median over all episodes that have one, see ``TASK_ERRORS``.
    """

    name: str
    survived: int
    episodes: int
    survival: float
    survival_interval: tuple[float, float]
    time_to_fall_s: float | None
    drift_m: float
    tilt_rms_rad: float
    effort_nm: float
    differs_from_first: float | None = None
    succeeded: int | None = None
    success_interval: tuple[float, float] | None = None
    task_error: float | None = None


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927, eq. in section 2).

    Args:
        successes: number of successes, 0 to ``trials``.
        trials: number of trials, at least 1.
        confidence: two-sided.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    centre = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # at 0 and at all successes one bound is exact; rounding must not move it inside or outside
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == trials else (centre + half) / scale
    return low, high


def sign_test(first: Sequence[Episode], second: Sequence[Episode]) -> float:
    """Two-sided exact p value that two policies do the task equally often, from the draws on which they differ.

    Args:
        first: episodes of one policy.
        second: episodes of the other on the same seeds, in the same order.
    """
    wins = sum(a.good and not b.good for a, b in zip(first, second, strict=True))
    losses = sum(b.good and not a.good for a, b in zip(first, second, strict=True))
    return sign_p_value(wins, losses)


def sign_p_value(wins: int, losses: int) -> float:
    """Two-sided exact p value of the sign test: so uneven a split, or a more uneven one, of a fair coin's throws."""
    differing = wins + losses
    tail = sum(math.comb(differing, k) for k in range(min(wins, losses) + 1)) / 2**differing
    return min(1.0, 2 * tail)


def score(name: str, episodes: Sequence[Episode], first: Sequence[Episode] | None = None) -> Score:
    """Sums up the episodes of one policy, compared with the first policy on the same draws where that is given."""
    survived = sum(episode.survived for episode in episodes)
    asked = any(episode.succeeded is not None for episode in episodes)
    succeeded = sum(episode.good for episode in episodes) if asked else None
    errors = [episode.task_error for episode in episodes if episode.task_error is not None]
    falls = [episode.seconds for episode in episodes if not episode.survived]
    return Score(
        name=name,
        survived=survived,
        episodes=len(episodes),
        survival=survived / len(episodes),
        survival_interval=wilson_interval(survived, len(episodes)),
        time_to_fall_s=float(np.mean(falls)) if falls else None,
        drift_m=float(np.median([episode.drift_m for episode in episodes])),
        tilt_rms_rad=float(np.median([episode.tilt_rms_rad for episode in episodes])),
        effort_nm=float(np.median([episode.effort_nm for episode in episodes])),
        differs_from_first=None if first is None else sign_test(episodes, first),
        succeeded=succeeded,
        success_interval=None if succeeded is None else wilson_interval(succeeded, len(episodes)),
        task_error=float(np.median(errors)) if errors else None,
    )


def format_table(scores: Sequence[Score], task: str = "") -> str:
    """The scores as a text table, one policy a row.

    Args:
        scores: one a policy.
        task: that the policies were to do; one that asks for more than survival has three columns more.
    """
    width = max(len("policy"), *(len(row.name) for row in scores))
    header = (
        f"{'policy':{width}s}  survived   95 % interval   fell after s   drift m   tilt rad   effort N m   p (vs first)"
    )
    asked = any(row.succeeded is not None for row in scores)
    error = TASK_ERRORS.get(task.partition("@")[0], "task error")
    lines = [header + (f"   {'done':>9s} {'95 % interval':>13s}   {error:>18s}" if asked else "")]
    for row in scores:
        fell = "-" if row.time_to_fall_s is None else f"{row.time_to_fall_s:.2f}"
        differs = "-" if row.differs_from_first is None else f"{row.differs_from_first:.3g}"
        low, high = row.survival_interval
        lines.append(
            f"{row.name:{width}s}  {row.survived:4d}/{row.episodes:<4d}  {low:6.3f}-{high:.3f}  {fell:>14s}"
            f"   {row.drift_m:7.3f}   {row.tilt_rms_rad:8.4f}   {row.effort_nm:10.3f}   {differs:>12s}"
            + (_task_columns(row) if asked else "")
        )
    return "\n".join(lines)


def _task_columns(row: Score) -> str:
    error = "-" if row.task_error is None else f"{row.task_error:.4f}"
    if row.succeeded is None or row.success_interval is None:
        return f"   {'-':>9s}  {'-':>12s}   {error:>18s}"
    low, high = row.success_interval
    return f"   {row.succeeded:4d}/{row.episodes:<4d}  {low:6.3f}-{high:.3f}   {error:>18s}"


def to_json(task: str, seconds: float, seed: int, scores: Sequence[Score], engine: str = "") -> str:
    """The scores as JSON text, for the report and for other tools.

    Args:
        task: that the policies were to do.
        seconds: length of an episode.
        seed: of the first draw.
        scores: one a policy.
        engine: of the physics in which they did it; empty where that is not known.
    """
    document = {
        "task": task,
        "engine": engine,
        "episodes": scores[0].episodes,
        "seconds": seconds,
        "seed": seed,
        "policies": [asdict(row) for row in scores],
    }
    return json.dumps(document, indent=1)


def write_text(path: Path, text: str) -> None:
    """Writes the text under a temporary name first, so that nothing half-written is left."""
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text + "\n")
    temporary.replace(path)
