"""A small world with known answers: every distribution, value and optimum of it can be computed exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

DISCOUNT = 0.9


@dataclass(frozen=True)
class World:
    """S states, A actions, certain transitions.

    Attributes:
        following: (S, A) the state that an action leads to.
        start: (S,) distribution of the first state.
    """

    following: np.ndarray
    start: np.ndarray

    @classmethod
    def random(cls, seed: int, states: int = 5, actions: int = 3) -> World:
        """Any such world whose start states are drawn at random."""
        random = np.random.default_rng(seed)
        return cls(random.integers(states, size=(states, actions)), random.dirichlet(np.ones(states)))

    @property
    def states(self) -> int:
        return self.following.shape[0]

    @property
    def actions(self) -> int:
        return self.following.shape[1]

    def policy(self, seed: int, concentration: float = 1.0) -> np.ndarray:
        """A random policy (S, A)."""
        return np.random.default_rng(seed).dirichlet(np.full(self.actions, concentration), size=self.states)

    def occupancy(self, policy: np.ndarray) -> np.ndarray:
        """d(s, a) = (1 - gamma) sum over t of gamma^t P(s_t = s, a_t = a), (S, A)."""
        moves = np.zeros((self.states, self.states))
        np.add.at(moves, (np.arange(self.states)[:, None].repeat(self.actions, 1), self.following), policy)
        visits = np.linalg.solve(np.eye(self.states) - DISCOUNT * moves.T, (1 - DISCOUNT) * self.start)
        return visits[:, None] * policy

    def flow(self) -> tuple[np.ndarray, np.ndarray]:
        """The Bellman flow constraint as (matrix, right side) of M d = b for d flattened, one row a state."""
        matrix = np.zeros((self.states, self.states * self.actions))
        for state in range(self.states):
            for action in range(self.actions):
                matrix[state, state * self.actions + action] += 1
                matrix[self.following[state, action], state * self.actions + action] -= DISCOUNT
        return matrix, (1 - DISCOUNT) * self.start


def divergence(one: np.ndarray, other: np.ndarray) -> float:
    """KL(one || other), with 0 log 0 = 0."""
    kept = one > 0
    return float((one[kept] * np.log(one[kept] / other[kept])).sum())


@dataclass(frozen=True)
class Recording:
    """Rows of a distribution over (s, a): each pair as often as it was counted, so that means over rows are exact.

    Attributes:
        state: (N,) of each row.
        action: (N,).
        after: (N,) the state that follows.
        density: (S, A) the share of each pair.
    """

    state: Tensor
    action: Tensor
    after: Tensor
    density: np.ndarray

    @classmethod
    def of(cls, world: World, counts: np.ndarray) -> Recording:
        """As many rows of each pair as ``counts`` (S, A) says."""
        state, action = (torch.from_numpy(index.repeat(counts.ravel())) for index in _pairs(world))
        return cls(state, action, torch.from_numpy(world.following)[state, action], counts / counts.sum())

    @classmethod
    def random(cls, world: World, seed: int) -> Recording:
        """From 1 to 9 rows of each pair."""
        return cls.of(world, np.random.default_rng(seed).integers(1, 10, size=world.following.shape))

    def look_up(self, table: np.ndarray | Tensor) -> Tensor:
        """The entry (S, A) of each row, (N,)."""
        return torch.as_tensor(table)[self.state, self.action]

    def total(self, weight: Tensor) -> np.ndarray:
        """The distribution (S, A) that rows of these weights (N,), of mean 1, amount to."""
        table = torch.zeros(self.density.shape, dtype=weight.dtype)
        table.index_put_((self.state, self.action), weight.detach(), accumulate=True)
        return (table / len(weight)).numpy()


def _pairs(world: World) -> tuple[np.ndarray, np.ndarray]:
    states, actions = np.indices(world.following.shape)
    return states.ravel(), actions.ravel()


def minimised(loss, point: Tensor, steps: int = 200) -> Tensor:
    """The minimiser of a smooth convex ``loss``, from ``point`` on, by Newton's method.

    The curvature is damped where a full step does not go down, and so along directions in which the loss is flat.
    """
    damping = 1e-12
    for _ in range(steps):
        here = point.clone().requires_grad_()
        value = loss(here)
        (slope,) = torch.autograd.grad(value, here)
        curvature = torch.autograd.functional.hessian(loss, point)
        step = torch.linalg.solve(curvature + damping * torch.eye(len(point), dtype=torch.float64), slope)
        if loss(point - step) <= value:
            point, damping = point - step, max(damping / 10, 1e-12)
        else:
            damping = min(max(damping, 1e-9) * 10, 1e6)
    return point
