"""Choosing what to deploy: the policies a run kept, and the rule by which one of them beats least squares.

The rule, in the twin:

1. Every candidate drives the same few draws. Those that survive most of them go on (among equals, those that lean
   least) and drive all draws; the best of these is the choice.
2. The choice and the best least-squares policy then drive as many *fresh* draws, so that being picked as the luckiest
   of many does not count as evidence.
3. It beats the baseline if on the fresh draws it survives more than least squares does and a two-sided sign test on
   the draws where only one of them survives gives p < 0.05; or if it survives no fewer and leans less: a sign test on
   the RMS tilt of the draws that both survive gives p < 0.05 in its favour.

Without a twin that fits the data, held-out episodes take the place of draws, the squared error of the action that of
the tilt, and every other held-out episode that of the fresh draws. Those episodes also stopped the training early, so
the offline verdict is the weaker one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_il.control.policy_metadata import LinearBaseline
from robot_il.errors import PolicyError
from robot_il.learning.dataset import Dataset
from robot_il.learning.evaluation import Episode, sign_p_value
from robot_il.learning.export import least_squares_baseline, restored_learner
from robot_il.learning.least_squares import law_policy, same_law
from robot_il.learning.policy_weights import PolicyWeights
from robot_il.learning.runs import RunFolder

SIGNIFICANT = 0.05
FEWEST_EPISODES = 12
"""Held-out episodes without which no offline verdict is given: half of them judge, and of fewer than six throws of a
coin not even the most uneven outcome is significant."""
JUDGED_LABELS = (("expert",), ("suboptimal", "unlabeled"), ("undesirable",))

RULE = (
    "a policy is deployable if on fresh draws it survives more than least squares (sign test, p < 0.05), "
    "or no fewer and leans less (sign test on the tilt, p < 0.05)"
)
OFFLINE_RULE = (
    "a policy is deployable if its squared error on every other held-out episode is below that of least squares "
    "(sign test, p < 0.05)"
)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One policy of a run.

    Attributes:
        run: the run's folder.
        title: what the run is called in tables.
        step: at which it was.
        chosen: whether early stopping chose it.
        weights: the policy.
    """

    run: Path
    title: str
    step: int
    chosen: bool
    weights: PolicyWeights

    @property
    def name(self) -> str:
        """For tables: ``RUN@STEP``, with a star on what early stopping chose."""
        return f"{self.title}@{self.step}{'*' if self.chosen else ''}"


def checkpoints_of(run: Path, title: str) -> list[Checkpoint]:
    """The policies of a complete run, each once: the chosen one, then those it kept, by step.

    Args:
        run: its folder.
        title: what to call it.

    Raises:
        ConfigError: not a run folder.
        PolicyError: the run is not complete, or a policy is damaged.
    """
    folder = RunFolder.open(run)
    summary = folder.summary()
    if summary is None:
        raise PolicyError("a complete run", f"{run} without summary.json", "train it to its end: add --resume")
    found = [Checkpoint(run, title, int(summary["chosen_step"]), True, folder.policy())]
    seen = {fingerprint(found[0].weights)}
    for step, weights in folder.kept_policies().items():
        if fingerprint(weights) not in seen:
            seen.add(fingerprint(weights))
            found.append(Checkpoint(run, title, step, False, weights))
    return found


def fingerprint(policy: PolicyWeights) -> str:
    """SHA-256 of a policy's numbers: equal for policies that are one and the same."""
    digest = hashlib.sha256(f"{policy.activation} {policy.squash} {policy.observation_clip}".encode())
    arrays = [policy.observation_mean, policy.observation_scale, policy.action_scale, policy.action_offset]
    for array in [*arrays, *(array for layer in policy.layers for array in layer)]:
        digest.update(str(array.shape).encode() + array.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Duel:
    """How one policy fared against another on the same draws (or held-out episodes).

    Attributes:
        more: draws that only the first survived.
        fewer: draws that only the second survived.
        better: draws survived by both on which the first leaned (or erred) less.
        worse: on which it leaned more.
    """

    more: int
    fewer: int
    better: int
    worse: int

    @property
    def p_survival(self) -> float:
        """Two-sided p value of the sign test on survival."""
        return sign_p_value(self.more, self.fewer)

    @property
    def p_measure(self) -> float:
        """Two-sided p value of the sign test on the tilt (or the error)."""
        return sign_p_value(self.better, self.worse)

    @property
    def won(self) -> bool:
        """Whether the first beat the second; see the rule at the top."""
        if self.more > self.fewer and self.p_survival < SIGNIFICANT:
            return True
        return self.more >= self.fewer and self.better > self.worse and self.p_measure < SIGNIFICANT

    def to_json(self) -> dict[str, Any]:
        """Everything by name."""
        counts = {name: getattr(self, name) for name in ("more", "fewer", "better", "worse")}
        return counts | {"p_survival": self.p_survival, "p_measure": self.p_measure, "won": self.won}


def duel(first: Sequence[Episode], second: Sequence[Episode]) -> Duel:
    """Compares two policies' episodes of the same draws, in the same order."""
    pairs = list(zip(first, second, strict=True))
    both = [(a.tilt_rms_rad, b.tilt_rms_rad) for a, b in pairs if a.survived and b.survived]
    return Duel(
        more=sum(a.survived and not b.survived for a, b in pairs),
        fewer=sum(b.survived and not a.survived for a, b in pairs),
        better=sum(a < b for a, b in both),
        worse=sum(a > b for a, b in both),
    )


def error_duel(first: np.ndarray, second: np.ndarray) -> Duel:
    """Compares two policies' errors on the same held-out episodes, each (E,)."""
    return Duel(0, 0, int((first < second).sum()), int((first > second).sum()))


def rank(episodes: Sequence[Episode]) -> tuple[float, float]:
    """Sorts policies best first: most draws survived, then least median tilt."""
    return -sum(episode.survived for episode in episodes), float(np.median([each.tilt_rms_rad for each in episodes]))


def held_out_errors(policy: Callable[[np.ndarray], np.ndarray], dataset: Dataset) -> np.ndarray:
    """Mean squared error of the action on each held-out episode of the rows judged by, (E,), in squared action units.

    All policies of a dataset are judged by the same rows, whichever they imitated: the held-out expert rows; where
    there are none the suboptimal and unlabeled ones; where there are none of those either the undesirable.

    Args:
        policy: observations (N, S) to actions (N, A).
        dataset: the recordings.
    """
    rows, _ = judged_rows(dataset)
    if not len(rows):
        return np.zeros(0)
    error = np.square(policy(dataset.observations[rows]) - dataset.actions[rows]).mean(axis=1, dtype=np.float64)
    _, episode = np.unique(dataset.episode[rows], return_inverse=True)
    return np.bincount(episode, weights=error) / np.bincount(episode)


def judged_rows(dataset: Dataset) -> tuple[np.ndarray, str]:
    """Indices of the held-out rows that ``held_out_errors`` judges by, and their labels in words."""
    for labels in JUDGED_LABELS:
        rows = dataset.select(labels, held_out=True)
        if len(rows):
            return rows, " and ".join(labels)
    return np.zeros(0, dtype=np.int64), "no"


def linear_policies(
    dataset: Dataset, checkpoints: Sequence[Checkpoint]
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """The least-squares policy of the rows that each run imitated, by name; each once."""
    laws: dict[str, LinearBaseline] = {}
    for run, title in dict.fromkeys((checkpoint.run, checkpoint.title) for checkpoint in checkpoints):
        law = least_squares_baseline(restored_learner(RunFolder.open(run), dataset))
        if not any(same_law(law, other) for other in laws.values()):
            laws[f"linear ({title})"] = law
    return {name: law_policy(law, dataset) for name, law in laws.items()}
