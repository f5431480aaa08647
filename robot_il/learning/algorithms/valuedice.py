"""ValueDICE: imitation as a two-player game over one function nu(s, a) (Kostrikov, Nachum and Tompson, ICLR 2020).

    max over pi, min over nu of  J = log E_e[exp(nu(s,a) - gamma nu(s',a'))] - (1 - gamma) E_s0[nu(s0,a0)]

with a' and a0 drawn from pi. For a fixed pi the minimum is -KL(d_pi || d_e), so that the best pi has the expert's
occupancy. Every recorded state serves as an s0, as in the authors' code: a recording cut short is one as well.

A fall leads to an absorbing state, which is marked by an input of its own and stays where it is. ``strict`` uses expert
rows alone. ``model`` lets pi drive in a learned dynamics model, as a baseline of Zhang et al. 2022 (DMIL) does, and
mixes these transitions in, for the game is then also played where pi strays to.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
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
    policy_pretrain_steps: int = 1000

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
    total = next(network.parameters()).new_zeros(())
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            product = layer.weight @ layer.weight.T
            total = total + product.square().sum() - product.diagonal().square().sum()
    return total


class Looked(NamedTuple):
    """What nu says of some batches.

    Attributes:
        differences: of each batch.
        inputs: where each was taken, (s, a) and (s', a'), (2, B, S + A + 1).
        start: nu(s0, a0) in the states of the first, (B,).
    """

    differences: list[Differences]
    inputs: list[Tensor]
    start: Tensor


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
            self.keep("model", self.imagination.model)
        self._absorbing = torch.zeros(1, problem.states + problem.actions + 1, device=problem.device)
        self._absorbing[0, -1] = 1.0

    def prepare(self, report: Report) -> None:
        """See ``Learner``."""
        self.clone(self.expert, self.config.policy_pretrain_steps, report)
        if self.imagination is not None:
            self.imagination.prepare(self.generator, report)

    def before_step(self) -> None:
        """See ``Learner``."""
        if self.imagination is not None and self.steps and self.steps % self.config.refresh_every == 0:
            self.imagination.refresh(self.generator)

    def capture_key(self) -> Hashable:
        """See ``Learner``."""
        return 0 if self.imagination is None else len(self.imagination.ring)

    def draw(self) -> tuple[Steps, Steps | None]:
        """Expert transitions, and as many of the policy's own in ``model``."""
        count, generator = self.config.batch, self.generator
        own = None if self.imagination is None else self.imagination.ring.draw(count, generator)
        return self.expert.draw(count, generator), own

    def look(self, *batches: Steps) -> Looked:
        """Differences of batches, and values of starts, from one pass through the policy and one through nu.

        Every fall in a batch adds a transition from the absorbing state to itself, as the recording would go on.
        """
        discount, sizes = self.config.discount, [len(batch) for batch in batches]
        states = torch.cat([*(batch.next_state for batch in batches), batches[0].state])
        acting = sample_policy(self.policy, self.problem.coordinates, states, self.generator).inputs
        *following, first = self._marked(acting).split([*sizes, sizes[0]])
        inputs = []
        for batch, after in zip(batches, following, strict=True):
            fallen = batch.terminal[:, None] > 0.5
            inputs += [self._marked(batch.inputs), torch.where(fallen, self._absorbing, after)]
        at = self.critic.shared(torch.cat([*inputs, first, self._absorbing]))
        *values, start, absorbed = at.split([*(len(part) for part in inputs), sizes[0], 1])
        differences = []
        for batch, here, after in zip(batches, values[::2], values[1::2], strict=True):
            value = torch.cat([here - discount * after, (1 - discount) * absorbed])
            weight = torch.cat([torch.ones_like(batch.terminal), batch.terminal.sum()[None]])
            differences.append(Differences(value, weight))
        taken = [torch.stack(pair).detach() for pair in zip(inputs[::2], inputs[1::2], strict=True)]
        return Looked(differences, taken, start)

    def _marked(self, inputs: Tensor) -> Tensor:
        return torch.cat([inputs, inputs.new_zeros(len(inputs), 1)], dim=1)

    def losses(self, batch: tuple[Steps, Steps | None]) -> dict[str, Tensor]:
        """See ``Learner``; nu's slope is looked at between expert and own transitions, or between two of the expert."""
        config = self.config
        looked = self.look(*(part for part in batch if part is not None))
        expert, *others = looked.differences
        objective = valuedice_objective(
            expert, looked.start, config.discount, others[0] if others else None, config.replay_share
        )
        other = looked.inputs[1] if others else looked.inputs[0].flip(1)
        between = interpolated(looked.inputs[0].flatten(0, 1), other.flatten(0, 1), self.generator)
        self.seen = {"difference": expert.value[:-1], "objective": objective, "q": looked.start}
        return {
            "critic": objective + config.penalty * gradient_penalty(self.critic.body, between),
            "policy": -objective + config.orthogonal * orthogonal_penalty(self.policy),
        }

    def monitors(self) -> dict[str, float]:
        """See ``Learner``: J, nu(s0, a0) as ``q``, and the share of expert rows that the softmax leaves in effect."""
        if not self.seen:
            return {}
        share = effective_share(torch.softmax(self.seen["difference"].detach(), dim=0))
        imagined = {} if self.imagination is None else {"rollouts": float(len(self.imagination.ring))}
        return value_monitors(self.seen) | {"effective_share_expert": share} | imagined

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
