"""ValueDICE: imitation as a two-player game over one function nu(s, a) (Kostrikov, Nachum and Tompson, ICLR 2020).

    max over pi, min over nu of  J = log E_e[exp(nu(s,a) - gamma nu(s',a'))] - (1 - gamma) E_s0[nu(s0,a0)]

with a' and a0 drawn from pi. For a fixed pi the minimum is -KL(d_pi || d_e), so that the best pi has the expert's
occupancy. Every recorded state serves as an s0, as in the authors' code: a recording cut short is one as well.

A fall leads to an absorbing state, which is marked by an input of its own and stays where it is. ``strict`` uses expert
rows alone. ``model`` lets pi drive in a learned dynamics model, as a baseline of Zhang et al. 2022 (DMIL) does, and
mixes these transitions in, for the game is then also played where pi strays to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from robot_il.learning.bootstrap import ActorLearner, BootstrapConfig, Steps
from robot_il.learning.config import DEMONSTRATIONS
from robot_il.learning.critics import Critic, gradient_penalty, interpolated, sample_policy, value_monitors
from robot_il.learning.imagination import Imagination, ImaginationConfig
from robot_il.learning.learner import Method, Report
from robot_il.learning.losses import effective_share
from robot_il.learning.problem import Problem


@dataclass(frozen=True, kw_only=True)
class ValueDICEConfig(BootstrapConfig, ImaginationConfig):
    """Settings of ValueDICE.

    Attributes:
        variant: ``strict`` for expert rows alone; ``model`` for a learned model as the environment besides.
        data: demonstrations: the ``expert`` rows, or ``all`` but the undesirable.
        penalty: weight of nu's gradient penalty.
        orthogonal: weight of what keeps the columns of the policy's weights orthogonal.
        replay_share: share of imagined transitions in the mixture; without effect in ``strict``.
        policy_pretrain_steps: most steps of behavioural cloning before.
    """

    steps: int = 5000
    variant: Literal["strict", "model"] = "strict"
    data: Literal["expert", "all"] = "expert"
    policy_lr: float = 1e-4
    critic_lr: float = 1e-3
    patience_steps: int = 2000
    penalty: float = 10.0
    orthogonal: float = 1e-4
    replay_share: float = 0.1
    policy_pretrain_steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("penalty", "orthogonal", "policy_pretrain_steps"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        self.require(0 <= self.replay_share < 1, "replay_share", "at least 0 and below 1")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """See ``MethodConfig``."""
        return {"expert": DEMONSTRATIONS[self.data]}


class Differences(NamedTuple):
    """nu(s, a) - gamma nu(s', a') of transitions, (B,), and how many transitions each stands for, (B,)."""

    value: Tensor
    weight: Tensor


def log_mean_exp(value: Tensor, weight: Tensor) -> Tensor:
    """Logarithm of E[exp(value)], under weights that are scaled to sum to 1.

    Its gradient is that of sum(softmax(value) value) with the softmax held constant, which the authors' code uses.
    """
    return torch.logsumexp(value + weight.log(), dim=0) - weight.sum().log()


def valuedice_objective(
    expert: Differences, start: Tensor, discount: float, replay: Differences | None = None, share: float = 0.0
) -> Tensor:
    """J, to be lowered by nu and raised by pi.

    Args:
        expert: of expert transitions.
        start: nu(s0, a0), (B,).
        discount: gamma.
        replay: of the policy's own transitions, mixed into both occupancies, on whose ratio the minimum depends.
        share: of ``replay`` in the mixture.
    """
    linear = (1 - discount) * start.mean()
    if replay is None:
        return log_mean_exp(*expert) - linear
    own, others = expert.weight / expert.weight.sum(), replay.weight / replay.weight.sum()
    value = torch.cat([expert.value, replay.value])
    both = log_mean_exp(value, torch.cat([(1 - share) * own, share * others]))
    return both - (1 - share) * linear - share * (others * replay.value).sum()


def orthogonal_penalty(network: nn.Module) -> Tensor:
    """Sum over the linear layers of the squared entries of W W^T off its diagonal (Brock et al. 2019, Eq. 3)."""
    total = torch.zeros(())
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            product = layer.weight @ layer.weight.T
            total = total + product.square().sum() - product.diagonal().square().sum()
    return total


class Looked(NamedTuple):
    """What nu says of a batch: its differences, and where they were taken, (s, a) and (s', a'), (2, B, S + A + 1)."""

    difference: Differences
    inputs: Tensor


class ValueDICELearner(ActorLearner):
    """nu, the policy, and in ``model`` a learned world for it; J serves both, with opposite signs."""

    config: ValueDICEConfig

    def __init__(self, config: ValueDICEConfig, problem: Problem, seed: int) -> None:
        super().__init__(config, problem, seed)
        self.critic = Critic(problem.states + 1, problem.actions, config.critic_hidden)
        self.add("critic", self.critic, config.critic_lr)
        self.expert = Steps.of(problem, "expert")
        self.imagination: Imagination | None = None
        if config.variant == "model":
            self.imagination = Imagination(config, problem, self.policy, self.expert)
            self.modules["model"] = self.imagination.model
        self._absorbing = torch.zeros(1, problem.states + problem.actions + 1)
        self._absorbing[0, -1] = 1.0
        self._seen: dict[str, Tensor] = {}

    def prepare(self, report: Report) -> None:
        """See ``Learner``."""
        self.clone(self.expert, self.config.policy_pretrain_steps, report)
        if self.imagination is not None:
            self.imagination.prepare(self.generator, report)

    def step(self) -> dict[str, float]:
        """See ``Learner``."""
        if self.imagination is not None and self.steps and self.steps % self.config.refresh_every == 0:
            self.imagination.refresh(self.generator)
        return super().step()

    def draw(self) -> tuple[Steps, Steps | None]:
        """Expert transitions, and as many of the policy's own in ``model``."""
        count, generator = self.config.batch, self.generator
        own = None if self.imagination is None else self.imagination.ring.draw(count, generator)
        return self.expert.draw(count, generator), own

    def look(self, batch: Steps) -> Looked:
        """Differences of a batch.

        Every fall in it adds a transition from the absorbing state to itself, as the recording would go on.
        """
        discount = self.config.discount
        inputs, next_inputs = self._marked(batch.inputs), self._marked(self._acting(batch.next_state))
        fallen = batch.terminal[:, None]
        next_inputs = torch.where(fallen > 0.5, self._absorbing, next_inputs)
        at = self.critic(torch.cat([inputs, next_inputs, self._absorbing]))
        here, after = at[: len(batch)], at[len(batch) : -1]
        value = torch.cat([here - discount * after, (1 - discount) * at[-1:]])
        weight = torch.cat([torch.ones(len(batch)), batch.terminal.sum()[None]])
        return Looked(Differences(value, weight), torch.stack([inputs, next_inputs]).detach())

    def _acting(self, state: Tensor) -> Tensor:
        return sample_policy(self.policy, self.problem.coordinates, state, self.generator).inputs

    def _marked(self, inputs: Tensor) -> Tensor:
        return torch.cat([inputs, torch.zeros(len(inputs), 1)], dim=1)

    def losses(self, batch: tuple[Steps, Steps | None]) -> dict[str, Tensor]:
        """See ``Learner``; nu's slope is looked at between expert and own transitions, or between two of the expert."""
        config, (expert, own) = self.config, batch
        looked = self.look(expert)
        replay = None if own is None else self.look(own)
        start = self.critic(self._marked(self._acting(expert.state)))
        objective = valuedice_objective(
            looked.difference, start, config.discount, replay and replay.difference, config.replay_share
        )
        other = looked.inputs.flip(1) if replay is None else replay.inputs
        between = interpolated(looked.inputs.flatten(0, 1), other.flatten(0, 1), self.generator)
        self._seen = {"difference": looked.difference.value[:-1], "objective": objective, "q": start}
        return {
            "critic": objective + config.penalty * gradient_penalty(self.critic, between),
            "policy": -objective + config.orthogonal * orthogonal_penalty(self.policy),
        }

    def monitors(self) -> dict[str, float]:
        """See ``Learner``: J, nu(s0, a0) as ``q``, and the share of expert rows that the softmax leaves in effect."""
        if not self._seen:
            return {}
        share = effective_share(torch.softmax(self._seen["difference"].detach(), dim=0))
        imagined = {} if self.imagination is None else {"rollouts": float(len(self.imagination.ring))}
        return value_monitors(self._seen) | {"effective_share_expert": share} | imagined

    def state(self) -> dict[str, Any]:
        """See ``Learner``."""
        own = {} if self.imagination is None else {"ring": self.imagination.ring.state()}
        return super().state() | own

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Learner``."""
        super().restore(state)
        if self.imagination is not None:
            self.imagination.ring.restore(state["ring"])


METHOD = Method(
    "valuedice",
    ValueDICEConfig,
    ValueDICELearner,
    "Kostrikov et al. 2020, Imitation learning via off-policy distribution matching",
    "whole demonstrations at full rate, all of one kind; adversarial, so compare with bc on the same rows",
)
