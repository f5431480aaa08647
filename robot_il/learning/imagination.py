"""A learned dynamics model as a world to drive in: long rollouts that restart where the demonstrator was."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_il.learning.adam import Adam
from robot_il.learning.bootstrap import StepRing, Steps
from robot_il.learning.early_stopping import EarlyStopping, fit_until_stopped
from robot_il.learning.gaussian import GaussianConfig
from robot_il.learning.learner import Report
from robot_il.learning.networks import GaussianDynamics, GaussianPolicy, gaussian_log_density, row_sum
from robot_il.learning.problem import Problem
from robot_il.learning.rollouts import Roller, inside
from robot_il.learning.rows import Rows


@dataclass(frozen=True, kw_only=True)
class ImaginationConfig(GaussianConfig):
    """Settings of the world and of driving in it.

    Attributes:
        model_hidden: widths of the model's hidden layers.
        model_lr: Adam's step size.
        model_pretrain_steps: most steps of maximum likelihood, before anything else; the model stays as it is then.
        rollout_horizon: transitions of one rollout, which starts at a recorded state.
        ring_capacity: transitions kept; the oldest give way.
        refresh_rows: new ones at a time.
        refresh_every: steps between.
    """

    model_hidden: tuple[int, ...] = (256, 256)
    model_lr: float = 3e-4
    model_pretrain_steps: int = 5000
    rollout_horizon: int = 200
    ring_capacity: int = 20_000
    refresh_rows: int = 1000
    refresh_every: int = 250

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(all(width >= 1 for width in self.model_hidden), "model_hidden", "positive widths")
        self.require(self.model_lr > 0, "model_lr", "positive")
        self.require(self.model_pretrain_steps >= 0, "model_pretrain_steps", "0 or more")
        self.require(1 <= self.rollout_horizon <= 10_000, "rollout_horizon", "in 1 to 10000")
        for name in ("ring_capacity", "refresh_rows", "refresh_every"):
            self.require(getattr(self, name) >= 1, name, "at least 1")


class Imagination:
    """The model, and a ring of what the policy did in it.

    Args:
        config: settings.
        problem: coordinates, and the bounds at which a rollout ends.
        policy: drives.
        starts: where a rollout begins; the model is fitted to the same rows.
    """

    def __init__(self, config: ImaginationConfig, problem: Problem, policy: GaussianPolicy, starts: Steps) -> None:
        self._config, self._starts = config, starts
        self.model = GaussianDynamics(problem.states, problem.actions, config.model_hidden)
        self.ring = StepRing(config.ring_capacity, problem.states, problem.actions, problem.device)
        self._roller = Roller(problem, policy, self.model, config.rollout_horizon, stochastic=True)
        self._bounds = problem.state_bounds()
        self._clip = problem.coordinates.state.clip
        self._held_out = Rows.stack(*(source.held_out for source in problem.sources.values()))

    def prepare(self, generator: torch.Generator, report: Report) -> None:
        """Fits the model until held-out rows stop improving, and drives for the first time."""
        config = self._config
        fit_until_stopped(
            self.model,
            Adam(self.model.parameters(), config.model_lr),
            lambda: self._nll(self._starts.draw(config.batch, generator)) + self.model.bound_penalty(),
            self._held_out_nll,
            generator,
            steps=config.model_pretrain_steps,
            every=config.evaluate_every,
            stopping=EarlyStopping(config.patience_steps, config.patience_share),
            report=lambda done, most: report("dynamics model", done, most),
        )
        self.refresh(generator)

    def _nll(self, rows: Rows) -> Tensor:
        return -row_sum(gaussian_log_density(rows.change, *self.model(rows.inputs))).mean()

    @torch.no_grad()
    def _held_out_nll(self) -> float:
        return float(self._nll(self._held_out)) if len(self._held_out) else math.nan

    @torch.no_grad()
    def refresh(self, generator: torch.Generator) -> None:
        """Drives for ``refresh_rows`` transitions, several rollouts beside each other, all from recorded states.

        Leaving the bounds counts as a fall: beyond half the recorded range past it the model knows nothing, and a
        policy that gets there should not be taken to go on (as in Kidambi et al. 2020, MOReL). That rollout restarts.
        """
        count = math.ceil(self._config.refresh_rows / self._config.rollout_horizon)
        state, first = self._starts.draw(count, generator).state, torch.ones(count, device=self._bounds[0].device)
        for _ in range(self._config.rollout_horizon):
            rows, after = self._roller.transition(state, generator)
            stays = inside(after, *self._bounds)
            clipped = torch.where(stays[:, None], after.clamp(-self._clip, self._clip), state)
            self.ring.add(Steps.extend(rows, clipped, ~stays, first))
            restart = self._starts.draw(count, generator).state
            state, first = torch.where(stays[:, None], after, restart), (~stays).float()
