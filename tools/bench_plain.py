"""Plain eager loops of some methods, as one writes them straight from the paper; what bench_training.py compares with.

A forward pass for every use (for d's input, for each loss, for each weight), torch's default matmul precision and Adam,
a batch gathered by indexing each column, the paper's order of updates, and rollouts of the same size as often as ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from robot_il.learning.problem import Problem

CLIP, ALPHA = 0.1, 10.0
REFRESH_ROWS, REFRESH_EVERY = 1000, 250


def network(inputs: int, outputs: int, width: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


class Plain:
    """The plain loop's networks, data and losses.

    Args:
        problem: whose sources are learned from; the first is the demonstrations.
        batch: rows drawn from each source.
    """

    def __init__(self, problem: Problem, batch: int) -> None:
        self.batch_size = batch
        states, actions = problem.states, problem.actions
        self.columns = {
            name: [source.train.state.clone(), source.train.action.clone(), source.train.change.clone()]
            for name, source in problem.sources.items()
        }
        self.demonstrations = next(iter(self.columns))
        self.columns["rollout"] = [column.clone() for column in self.columns[self.demonstrations]]
        self.policy = network(states, 2 * actions, 256)
        self.model = network(states + actions, 2 * states, 256)
        self.full = network(2 * (states + actions), 1, 512)
        self.partial = network(states + 2 * actions, 1, 512)
        self.blind = network(states + actions, 1, 512)
        nets = (self.policy, self.model, self.full, self.partial, self.blind)
        self.adams = {net: torch.optim.Adam(net.parameters(), lr=1e-4) for net in nets}
        scale = problem.coordinates.change_scale / problem.coordinates.state.scale
        self.change_to_state = torch.from_numpy(scale)
        self.steps = 0
        self.oldest = 0

    def batch(self, name: str) -> list[Tensor]:
        """Rows of a source, each column indexed by itself."""
        columns = self.columns[name]
        index = torch.randint(len(columns[0]), (self.batch_size,))
        return [column[index] for column in columns]

    def policy_normal(self, state: Tensor) -> torch.distributions.Normal:
        """Of the pre-tanh action."""
        mean, log_std = self.policy(state).chunk(2, dim=1)
        return torch.distributions.Normal(mean, torch.exp(-2 + 2 * (torch.tanh(log_std) + 1)))

    def model_normal(self, state: Tensor, action: Tensor) -> torch.distributions.Normal:
        """Of the scaled change of state."""
        mean, log_std = self.model(torch.cat([state, action], 1)).chunk(2, dim=1)
        return torch.distributions.Normal(mean, torch.exp(0.5 - functional.softplus(0.5 - log_std)))

    def log_policy(self, rows: list[Tensor]) -> Tensor:
        """Per dimension, with the tanh's volume."""
        return self.policy_normal(rows[0]).log_prob(rows[1]) - torch.log(1 - torch.tanh(rows[1]) ** 2 + 1e-6)

    def log_model(self, rows: list[Tensor]) -> Tensor:
        """Per dimension."""
        return self.model_normal(rows[0], rows[1]).log_prob(rows[2])

    @torch.no_grad()
    def roll(self) -> None:
        """Every so many steps, new rollouts of one transition each in place of the oldest."""
        self.steps += 1
        if self.steps % REFRESH_EVERY:
            return
        columns = self.columns[self.demonstrations]
        index = torch.randint(len(columns[0]), (REFRESH_ROWS,))
        start, acted = columns[0][index], columns[1][index]
        state = start + self.model_normal(start, acted).sample() * self.change_to_state
        action = self.policy_normal(state).sample()
        new = [state, action, self.model_normal(state, action).sample()]
        size = len(self.columns["rollout"][0])
        where = (self.oldest + torch.arange(REFRESH_ROWS)) % size
        for column, rows in zip(self.columns["rollout"], new, strict=True):
            column[where] = rows
        self.oldest = (self.oldest + REFRESH_ROWS) % size

    def verdict(self, net: nn.Module, rows: list[Tensor], *, model: bool) -> Tensor:
        """The discriminator's output d, with the log-densities recomputed for it."""
        with torch.no_grad():
            logs = [self.log_policy(rows), *([self.log_model(rows)] if model else [])]
            logs = [(part.clamp(-20, 10) + 20) / 30 for part in logs]
        return torch.sigmoid(net(torch.cat([rows[0], rows[1], *logs], 1)))

    def move(self, net: nn.Module, loss: Tensor) -> None:
        """One step of one network."""
        self.adams[net].zero_grad()
        loss.backward()
        self.adams[net].step()

    def weights(self, net: nn.Module, rows: list[Tensor], *, model: bool) -> Tensor:
        """Clipped d under no_grad."""
        with torch.no_grad():
            return self.verdict(net, rows, model=model).clamp(CLIP, 1 - CLIP).squeeze(1)

    def bc(self) -> None:
        """One step of behavioural cloning."""
        self.move(self.policy, -self.log_policy(self.batch(self.demonstrations)).sum(1).mean())

    def discriminator(self) -> None:
        """One step of a discriminator of (s, a)."""
        real, fake = (torch.cat(self.batch(name)[:2], 1) for name in (self.demonstrations, "rollout"))
        ones = torch.ones(self.batch_size, 1)
        loss = functional.binary_cross_entropy(torch.sigmoid(self.blind(real)), ones)
        loss = loss + functional.binary_cross_entropy(torch.sigmoid(self.blind(fake)), 1 - ones)
        self.move(self.blind, loss)

    def bc_dynamics(self) -> None:
        """One step of BC+d: pi on both, then f on the demonstrations."""
        self.roll()
        expert, rollout = self.batch(self.demonstrations), self.batch("rollout")
        self.move(self.policy, -torch.cat([self.log_policy(expert), self.log_policy(rollout)]).sum(1).mean())
        self.move(self.model, -self.log_model(expert).sum(1).mean())

    def dmil(self) -> None:
        """One step of DMIL, Algorithm 1: rollouts, then d, then pi, then f."""
        self.roll()
        expert, rollout = self.batch(self.demonstrations), self.batch("rollout")
        real, fake = (self.verdict(self.full, rows, model=True) for rows in (expert, rollout))
        self.move(self.full, -torch.log(real).mean() - torch.log(1 - fake).mean())
        for net, log in ((self.policy, self.log_policy), (self.model, self.log_model)):
            d_e, d_r = (self.weights(self.full, rows, model=True) for rows in (expert, rollout))
            loss = -((ALPHA - 1 / d_e) * log(expert).sum(1)).mean() - (1 / (1 - d_r) * log(rollout).sum(1)).mean()
            self.move(net, loss)

    def d2mil(self) -> None:
        """One step of D2MIL, Algorithm 2: rollouts, then d_r, d_o, pi and f."""
        self.roll()
        parts = [self.batch(name) for name in ("expert", "suboptimal", "rollout")]
        verdicts = [self.verdict(self.full, rows, model=True) for rows in parts]
        self.move(self.full, -torch.log(torch.cat(verdicts[:2])).mean() - torch.log(1 - verdicts[2]).mean())
        good = [self.verdict(self.partial, rows, model=False) for rows in parts]
        risk = -torch.log(1 - torch.cat(good[1:])).mean() + 0.5 * torch.log(1 - good[0]).mean()
        self.move(self.partial, -0.5 * torch.log(good[0]).mean() + risk.clamp(min=0))
        d_r = [self.weights(self.full, rows, model=True) for rows in parts]
        d_o = [self.weights(self.partial, rows, model=False) for rows in parts]
        weights = (
            ALPHA - 0.3 / (d_o[0] * (1 - d_o[0])) - 0.4 / d_r[0],
            (0.6 / (1 - d_o[1]) - 0.4 / d_r[1]).clamp(min=0),
            0.6 / (1 - d_o[2]) + 0.4 / (1 - d_r[2]),
        )
        logs = [self.log_policy(rows).sum(1) for rows in parts]
        self.move(self.policy, -sum((w * log).mean() for w, log in zip(weights, logs, strict=True)))
        d_r = [self.weights(self.full, rows, model=True) for rows in parts]
        weights = (ALPHA - 1 / d_r[0], ALPHA - 1 / d_r[1], 1 / (1 - d_r[2]))
        logs = [self.log_model(rows).sum(1) for rows in parts]
        self.move(self.model, -sum((w * log).mean() for w, log in zip(weights, logs, strict=True)))
