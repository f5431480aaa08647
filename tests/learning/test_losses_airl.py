"""AIRL and GAIL: Fu et al. 2018, Ho and Ermon 2016; and the pieces of reinforcement learning that they stand on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.errors import ConfigError
from robot_il.learning.algorithms.airl import AdversarialLearner, AIRLConfig, ShapedReward, airl_logit, shaped_reward
from robot_il.learning.algorithms.gail import GAILConfig, GAILLearner, gail_logit
from robot_il.learning.bootstrap import Steps
from robot_il.learning.losses import logistic_loss
from robot_il.learning.problem import Problem
from robot_il.learning.reinforcement import (
    Fragments,
    advantages,
    clipped_policy_loss,
    energy_distance,
    standardised,
)
from robot_il.learning.rows import Rows
from tests.learning.pendulum import drive_pendulum, pendulum_dataset, pendulum_environment

SMALL = {
    "batch": 32,
    "policy_hidden": (16,),
    "model_hidden": (16,),
    "discriminator_hidden": (16,),
    "value_hidden": (16,),
    "model_pretrain_steps": 20,
    "policy_pretrain_steps": 20,
    "refresh_rows": 64,
    "refresh_every": 4,
    "rollout_horizon": 8,
    "episode_steps": 32,
}


def learner_of(config=None, kind=AdversarialLearner, seed=0):
    data = pendulum_dataset()
    problem = Problem.build(data, AIRLConfig().sources(), drop_falls=True, environment=pendulum_environment(data))
    return kind(config or AIRLConfig(**SMALL), problem, seed)


def prepared(**arguments):
    learner = learner_of(**arguments)
    learner.prepare(lambda what, done, most: None)
    return learner


def near_the_bounds(learner) -> Rows:
    """The real rows, every other one with a state from which the next step may well lead out."""
    rows = Rows(learner.real.table.clone(), 4, 1)
    rows.state[::2] = learner.problem.state_bounds()[1] - 0.02
    return rows


def steps_of(count: int, fall_at: int | None = None) -> Steps:
    table = torch.randn(count, Steps.width(4, 1), generator=torch.Generator().manual_seed(0))
    table[:, -2:] = 0.0
    if fall_at is not None:
        table[fall_at, -2] = 1.0
    return Steps(table, 4, 1)


def fitted_f(expert, generator, logit):
    """f of every action that minimises the discriminator's expected loss, for probabilities p_E and q."""
    f = torch.zeros(len(expert), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [f], max_iter=500, tolerance_grad=1e-14, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        z = logit(f, torch.log(generator))
        loss = (expert * torch.nn.functional.softplus(-z) + generator * torch.nn.functional.softplus(z)).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return f.detach()


@pytest.fixture
def probabilities():
    random = np.random.default_rng(0)
    return tuple(torch.from_numpy(random.dirichlet(np.full(6, 2.0))) for _ in range(2))


def test_the_best_f_against_a_fixed_policy_is_the_experts_log_density(probabilities):
    """Fu et al. 2018, appendix A: D = p_E/(p_E + q) at f = log p_E."""
    expert, generator = probabilities
    torch.testing.assert_close(fitted_f(expert, generator, airl_logit), torch.log(expert), atol=3e-5, rtol=0)


def test_gails_best_logit_is_the_log_ratio_and_knows_nothing_of_the_policys_density(probabilities):
    expert, generator = probabilities
    ratio = torch.log(expert / generator)
    torch.testing.assert_close(fitted_f(expert, generator, gail_logit), ratio, atol=3e-5, rtol=0)
    f = torch.randn(5)
    assert torch.equal(gail_logit(f, torch.randn(5)), f)


def test_the_discriminator_is_undecided_where_the_policy_is_the_expert(probabilities):
    expert, _ = probabilities
    logit = airl_logit(torch.log(expert), torch.log(expert))
    torch.testing.assert_close(torch.sigmoid(logit), torch.full_like(logit, 0.5))


def test_no_gradient_of_the_discriminator_reaches_the_policy_and_its_density_is_clipped():
    log_policy = torch.tensor([-500.0, 0.5, 300.0], requires_grad=True)
    f = torch.zeros(3, requires_grad=True)
    logit = airl_logit(f, log_policy)
    assert logit.tolist() == [20.0, -0.5, -10.0]
    logistic_loss(logit[:1], logit[1:]).backward()
    assert log_policy.grad is None
    assert f.grad is not None


def test_the_shaping_telescopes_along_a_path():
    """Eq. 4: the discounted sum of f is that of g, less h at the start, plus what is left of h at the end."""
    generator, discount = torch.Generator().manual_seed(1), 0.9
    g, h = torch.randn(7, generator=generator), torch.randn(8, generator=generator)
    f = shaped_reward(g, h[:-1], h[1:], torch.zeros(7), discount)
    powers = discount ** torch.arange(7)
    expected = (powers * g).sum() - h[0] + discount**7 * h[-1]
    torch.testing.assert_close((powers * f).sum(), expected)


def test_nothing_follows_a_fall_so_its_h_is_zero():
    g, h, after = torch.ones(2), torch.full((2,), 3.0), torch.full((2,), 100.0)
    f = shaped_reward(g, h, after, torch.tensor([0.0, 1.0]), 0.5)
    assert f.tolist() == [1 + 50 - 3, 1 - 3]
    network = ShapedReward(4, 1, (8,), shaping=True)
    steps = steps_of(3, fall_at=1)
    moved = Steps(steps.table.clone(), 4, 1)
    moved.next_state[:] += 1.0
    before, after = (network(part.inputs, part.next_state, part.terminal, 0.9).detach() for part in (steps, moved))
    assert before[1] == after[1]
    assert (before[[0, 2]] != after[[0, 2]]).all()


def test_advantages_with_lambda_1_are_returns_less_values_and_stop_at_a_stretchs_end():
    """Schulman et al. 2016, Eq. 16 at lambda = 1 and 0; the second stretch is cut after two steps, the third falls."""
    alive = torch.tensor([[True, True, True], [True, True, True], [True, False, False], [True, False, False]])
    fragments = Fragments(steps_of(12), alive)
    generator = torch.Generator().manual_seed(2)
    reward, value = torch.randn(4, 3, generator=generator), torch.randn(4, 3, generator=generator)
    following = torch.cat([value[1:], torch.randn(1, 3, generator=generator)])
    following[1, 1:] = torch.tensor([0.7, -50.0])
    gamma = 0.9
    found = advantages(reward, value, following, fragments, gamma, 1.0)
    whole = sum(gamma**t * reward[t, 0] for t in range(4)) + gamma**4 * following[3, 0]
    assert found[0, 0] == pytest.approx(float(whole - value[0, 0]), rel=1e-5)
    for stretch, end in ((1, 0.7), (2, -50.0)):
        cut = reward[0, stretch] + gamma * reward[1, stretch] + gamma**2 * end
        assert found[0, stretch] == pytest.approx(float(cut - value[0, stretch]), rel=1e-5)
    short = advantages(reward, value, following, fragments, gamma, 0.0)
    torch.testing.assert_close(short, reward + gamma * following - value)


def test_the_clipped_objective_is_the_advantages_at_first_and_flat_once_the_ratio_has_gone_far_enough():
    """Schulman et al. 2017, Eq. 7."""
    before, advantage = torch.zeros(4), torch.tensor([1.0, -1.0, 1.0, -1.0])
    same = torch.zeros(4, requires_grad=True)
    loss = clipped_policy_loss(same, before, advantage, 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(-float(advantage.mean()))
    torch.testing.assert_close(same.grad, -advantage / 4)
    moved = torch.tensor([0.5, -0.5, -0.5, 0.5], requires_grad=True)
    clipped_policy_loss(moved, before, advantage, 0.2).backward()
    assert moved.grad[:2].tolist() == [0.0, 0.0]
    assert (moved.grad[2:] != 0).all()


def test_standardised_advantages_of_equal_size_push_nowhere():
    assert standardised(torch.full((5,), 3.0)).tolist() == [0.0] * 5
    values = standardised(torch.tensor([1.0, 2.0, 6.0]))
    assert float(values.mean()) == pytest.approx(0, abs=1e-6)


def test_the_energy_distance_of_point_masses_and_of_a_sample_to_itself():
    rows = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    assert energy_distance(rows, rows) == pytest.approx(0, abs=1e-6)
    assert energy_distance(torch.zeros(2, 3), torch.ones(4, 3)) == pytest.approx(2 * 3**0.5, rel=1e-6)


def test_fragments_of_driven_episodes_keep_every_transition_and_its_fall():
    learner = learner_of()
    driven = drive_pendulum(lambda seen: np.array([-8.0 * np.sign(seen[0])]), 3, seed=0, steps=90)
    assert driven.terminated.sum() == 3
    fragments = Fragments.driven(driven, learner.problem.coordinates)
    kept = Steps(fragments.kept(fragments.steps.table), 4, 1)
    assert len(kept) == len(driven)
    assert kept.terminal.sum() == 3
    lengths = fragments.alive.sum(dim=0).tolist()
    assert lengths == np.bincount(driven.episode).tolist()
    falls = fragments.grid(fragments.steps.terminal)
    assert [int(falls[:length, index].argmax()) for index, length in enumerate(lengths)] == [n - 1 for n in lengths]


def test_imagined_fragments_start_at_the_recorded_states_and_end_where_they_leave_the_bounds():
    learner = learner_of()
    states = near_the_bounds(learner).state[:20]
    fragments = Fragments.imagined(learner.roller, states, learner.generator)
    torch.testing.assert_close(fragments.steps.state[:20], states)
    ended = fragments.grid(fragments.steps.terminal).bool()
    behind = torch.cumsum(ended.int(), dim=0)[:-1] > 0
    assert torch.equal(fragments.alive[1:], ~behind)
    assert ended.any()


def test_a_fall_is_worth_less_than_going_on_at_the_lowest_reward():
    """Rewards below zero must not make a fall, which ends them, attractive."""
    learner = prepared()
    with torch.no_grad():
        learner.discriminator.g[-1].bias -= 50.0
    learner.real = near_the_bounds(learner)
    learner.value.body[-1].weight.data.zero_()
    learner.value.body[-1].bias.data.fill_(-learner.config.reward_clip)
    learner.refresh()
    fell = learner.current.terminal > 0.5
    assert learner.seen["reward"] == pytest.approx(-learner.config.reward_clip)
    assert fell.any()
    assert learner.targets[fell, 2].max() <= learner.targets[~fell, 2].max() + 1e-5


@pytest.mark.parametrize("rollouts", ["model", "twin"])
@pytest.mark.parametrize("kind", [AdversarialLearner, GAILLearner])
def test_what_the_policy_did_is_stored_and_the_next_step_repeats(rollouts, kind):
    base = GAILConfig if kind is GAILLearner else AIRLConfig
    config = base(**SMALL, rollouts=rollouts)
    learner, other = prepared(config=config, kind=kind), learner_of(config=config, kind=kind, seed=5)
    for _ in range(3):
        learner.step()
    other.restore(learner.state())
    for _ in range(3):
        assert learner.step() == other.step()
    assert torch.equal(learner.current.table, other.current.table)


def test_the_held_out_score_is_that_of_acting_and_repeats():
    learner = prepared()
    first, again = learner.held_out(), learner.held_out()
    assert first == again
    assert first["score"] >= -1e-6
    assert first["score"] != first["nll"]


def test_training_in_the_twin_without_one_is_refused():
    learner = learner_of(config=AIRLConfig(**SMALL, rollouts="twin"))
    learner.problem = replace(learner.problem, environment=None)
    with pytest.raises(ConfigError, match="environment"):
        learner.refresh()


def test_the_slope_of_the_policys_density_is_that_of_the_numbers():
    learner = prepared()
    inputs = learner.real.inputs[:6].clone().requires_grad_()
    slope = learner.density_slope(inputs)

    @torch.no_grad()
    def density(rows):
        mean, log_std = learner.policy(rows[:, :4])
        return (-0.5 * ((rows[:, 4:] - mean) / log_std.exp()) ** 2 - log_std).sum(dim=1)

    for column in range(5):
        moved = 1e-3 * torch.eye(5)[column]
        numeric = (density(inputs + moved) - density(inputs - moved)) / 2e-3
        torch.testing.assert_close(slope[:, column], numeric, atol=2e-2, rtol=2e-2)


def test_the_penalty_is_on_the_slope_of_the_logit():
    """A discriminator that sees no difference pays nothing: f = log pi for AIRL, f = 0 for GAIL."""
    for kind, config in ((AdversarialLearner, AIRLConfig(**SMALL)), (GAILLearner, GAILConfig(**SMALL, shaping=True))):
        learner = prepared(kind=kind, config=config)
        judged = Steps.stack(learner.expert.first(32), learner.current.first(32))
        for part in learner.discriminator.parameters():
            part.data.zero_()
        penalty = learner._slope_penalty(judged).item()
        assert penalty > 0.01 if kind is AdversarialLearner else penalty == 0
