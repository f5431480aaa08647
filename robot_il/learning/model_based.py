"""The base of every method that imagines transitions in a learned dynamics model."""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robot_il.errors import TrainingError
from robot_il.learning.adam import Adam
from robot_il.learning.early_stopping import EarlyStopping, fit_until_stopped
from robot_il.learning.gaussian import GaussianConfig, GaussianLearner
from robot_il.learning.learner import Report
from robot_il.learning.networks import LOG_STD_BOUNDS_FED_BACK, GaussianDynamics, gaussian_log_density, row_sum
from robot_il.learning.problem import Problem
from robot_il.learning.rollouts import Roller
from robot_il.learning.rows import Ring, Rows

MAX_FILLS = 100
"""Attempts at filling the store of rollouts before the model is given up."""


@dataclass(frozen=True, kw_only=True)
class ModelBasedConfig(GaussianConfig):
    """Settings of the dynamics model, its rollouts and the pretraining.

    Attributes:
        model_hidden: widths of the model's hidden layers.
        model_lr: Adam's step size.
        model_pretrain_steps: most steps of maximum likelihood before the first rollout.
        policy_pretrain_steps: likewise of behavioural cloning; rollouts of an untrained policy would be garbage.
        model_patience: evaluations without a better held-out likelihood after which the model goes back to its best
            and is left alone; 0 trains it throughout.
        rollout_horizon: transitions of one rollout.
        stochastic_rollouts: sample policy and model; their modes would shrink both standard deviations, because a
            likelihood fitted to its own modes has no spread.
        ring_capacity: rollout transitions kept; 0 keeps as many as there are real ones.
        refresh_rows: new ones at a time.
        refresh_every: steps between.
    """

    log_std_floor: float = LOG_STD_BOUNDS_FED_BACK[0]
    model_hidden: tuple[int, ...] = (256, 256)
    model_lr: float = 3e-4
    model_pretrain_steps: int = 5000
    policy_pretrain_steps: int = 1000
    model_patience: int = 10
    rollout_horizon: int = 1
    stochastic_rollouts: bool = True
    ring_capacity: int = 0
    refresh_rows: int = 1000
    refresh_every: int = 250

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(all(width >= 1 for width in self.model_hidden), "model_hidden", "positive widths")
        self.require(self.model_lr > 0, "model_lr", "positive")
        self.require(1 <= self.rollout_horizon <= 1000, "rollout_horizon", "in 1 to 1000")
        for name in ("model_pretrain_steps", "policy_pretrain_steps", "model_patience", "ring_capacity"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        for name in ("refresh_rows", "refresh_every"):
            self.require(getattr(self, name) >= 1, name, "at least 1")


class ModelBasedLearner(GaussianLearner):
    """Owns a ``GaussianDynamics`` under the name ``model`` and a ring of its rollouts."""

    config: ModelBasedConfig
    drop_falls = True

    def __init__(self, config: ModelBasedConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.model = GaussianDynamics(problem.states, problem.actions, config.model_hidden)
        self.add("model", self.model, config.model_lr)
        sources = problem.sources.values()
        self.real = Rows.stack(*(source.train for source in sources))
        self._held_out = Rows.stack(*(source.held_out for source in sources))
        self.ring = Ring(config.ring_capacity or len(self.real), problem.states, problem.actions, problem.device)
        self._roll = Roller(problem, self.policy, self.model, config.rollout_horizon, config.stochastic_rollouts)
        self._model_best: dict[str, Tensor] = copy.deepcopy(self.model.state_dict())
        self._model_best_nll = math.inf
        self._model_waited = 0
        self.model_frozen = False

    def prepare(self, report: Report) -> None:
        """Fits the model, then the policy, by maximum likelihood on all real rows; then fills the ring."""
        self.pretrain_model(report)
        self.pretrain_policy(report)
        self.fill()

    def pretrain_model(self, report: Report) -> None:
        """Maximum likelihood of the model, until the held-out rows stop improving."""
        config = self.config
        fit_until_stopped(
            self.model,
            Adam(self.model.parameters(), config.model_lr),
            lambda: self.model_likelihood_loss(self.real.draw(config.batch, self.generator)),
            self.model_nll,
            self.generator,
            steps=config.model_pretrain_steps,
            every=config.evaluate_every,
            stopping=EarlyStopping(config.patience_steps, config.patience_share),
            report=lambda done, most: report("dynamics model", done, most),
        )

    def pretrain_policy(self, report: Report) -> None:
        """Behavioural cloning of all real rows, until the held-out episodes stop improving."""
        self.clone(self.real, self.config.policy_pretrain_steps, report)

    def fill(self) -> None:
        """Rolls out until the ring is full, or not much longer where most rollouts leave the bounds."""
        for _ in range(MAX_FILLS):
            self.refresh()
            if len(self.ring) == self.ring.capacity:
                break

    def before_step(self) -> None:
        """See ``Learner``; every ``refresh_every`` steps the oldest rollouts give way to new ones."""
        if self.steps and self.steps % self.config.refresh_every == 0:
            self.refresh()

    def capture_key(self) -> Hashable:
        """See ``Learner``: rows are drawn below the ring's fill, and a frozen model has no loss."""
        return len(self.ring), self.model_frozen

    def refresh(self) -> None:
        """Rolls out ``refresh_rows`` transitions, from every source alike, and stores those inside the bounds.

        Raises:
            TrainingError: there is none, and none in store.
        """
        sources = list(self.problem.sources.values())
        share = math.ceil(self.config.refresh_rows / (self.config.rollout_horizon * len(sources)))
        starts = Rows.stack(*(source.train.draw(share, self.generator) for source in sources))
        self.ring.add(self._roll(starts, self.generator))
        if not len(self.ring):
            raise TrainingError(
                "model rollouts that stay within the recorded range",
                f"none of {len(starts)}",
                "record more, shorten rollout_horizon, or give model_pretrain_steps more",
            )

    def log_model(self, rows: Rows) -> Tensor:
        """Per dimension log f(s'|s,a), (B, S), over the scaled change of state."""
        return gaussian_log_density(rows.change, *self.model(rows.inputs))

    def model_likelihood_loss(self, rows: Rows) -> Tensor:
        """E[-log f(s'|s,a)], Eq. 2 (and 12) of Zhang et al. 2022, with the penalty on the model's soft bounds."""
        return -row_sum(self.log_model(rows)).mean() + self.model.bound_penalty()

    @torch.no_grad()
    def model_nll(self) -> float:
        """Held-out negative log-likelihood of the model, in nats over the scaled change; NaN without held-out rows."""
        return float(-row_sum(self.log_model(self._held_out)).mean()) if len(self._held_out) else math.nan

    def held_out(self) -> dict[str, float]:
        """See ``Learner``; with the model's likelihood as ``model_nll``."""
        values = super().held_out()
        return values | {"model_nll": self.model_nll()} if values else {}

    def evaluated(self, values: Mapping[str, float]) -> None:
        """Keeps the best model, and freezes it there when it has stopped improving.

        A model trained on its own rollouts can drift once their weight exceeds the data's.
        """
        if self.model_frozen or "model_nll" not in values:
            return
        if values["model_nll"] < self._model_best_nll:
            self._model_best_nll, self._model_waited = values["model_nll"], 0
            self._model_best = copy.deepcopy(self.model.state_dict())
            return
        self._model_waited += 1
        if 0 < self.config.model_patience <= self._model_waited:
            self.model.load_state_dict(self._model_best)
            self.model_frozen = True

    def judge(self, rows: Rows) -> dict[str, Tensor]:
        """What each discriminator says of the rows, (N,) by its name, between 0 and 1; empty for a method without."""
        del rows
        return {}

    def monitors(self) -> dict[str, float]:
        """See ``Learner``."""
        return {"model_frozen": float(self.model_frozen), "rollouts": float(len(self.ring))}

    def state(self) -> dict[str, Any]:
        """See ``Learner``."""
        return super().state() | {
            "ring": self.ring.state(),
            "model_best": self._model_best,
            "model_best_nll": self._model_best_nll,
            "model_waited": self._model_waited,
            "model_frozen": self.model_frozen,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        self.ring.restore(state["ring"])
        self._model_best = dict(state["model_best"])
        self._model_best_nll, self._model_waited = float(state["model_best_nll"]), int(state["model_waited"])
        self.model_frozen = bool(state["model_frozen"])
