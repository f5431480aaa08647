"""What follows a transition, and what a fall is worth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_il.errors import ConfigError
from robot_il.learning.bootstrap import (
    ActorLearner,
    BootstrapConfig,
    StepRing,
    Steps,
    absorbing_value,
    next_value,
    td_target,
)
from robot_il.learning.problem import Problem
from tests.learning.pendulum import pendulum_dataset


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Expert rows of which the last of episode 1 is a fall."""
    data = pendulum_dataset({"expert": 4, "suboptimal": 2}, rows=20)
    terminals, timeouts = data.terminals.copy(), data.timeouts.copy()
    terminals[39], timeouts[39] = True, False
    return Problem.build(replace(data, terminals=terminals, timeouts=timeouts), {"expert": ("expert",)})


@pytest.fixture(scope="module")
def steps(problem) -> Steps:
    return Steps.of(problem, "expert")


def test_the_next_state_of_a_step_is_the_state_of_the_one_after_within_an_episode(problem, steps):
    episode = problem.dataset.episode[problem.sources["expert"].train_index]
    same = episode[1:] == episode[:-1]
    torch.testing.assert_close(steps.next_state[:-1][same], steps.state[1:][same])
    assert not torch.equal(steps.next_state[:-1][~same], steps.state[1:][~same])


def test_the_first_row_of_each_episode_is_a_start_and_no_other_is(problem, steps):
    step = problem.dataset.step[problem.sources["expert"].train_index]
    np.testing.assert_array_equal(steps.start.numpy(), step == 0)


def test_only_a_fall_is_terminal_and_the_end_of_a_recording_is_not(steps):
    assert steps.terminal.nonzero().flatten().tolist() == [39]


def test_steps_hold_the_very_rows_of_the_source(problem, steps):
    torch.testing.assert_close(steps.rows.table, problem.sources["expert"].train.table, rtol=0, atol=0)
    torch.testing.assert_close(steps.inputs, steps.rows.inputs, rtol=0, atol=0)


def test_a_draw_keeps_each_row_with_what_follows_it(steps):
    drawn = steps.draw(64, torch.Generator().manual_seed(0))
    whole = {row.numpy().tobytes() for row in steps.table}
    assert len(drawn) == 64
    assert all(row.numpy().tobytes() in whole for row in drawn.table)
    again = steps.draw(64, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.table, again.table)


def test_stacked_steps_are_those_of_the_parts_in_order(steps):
    both = Steps.stack(steps, steps)
    assert torch.equal(both.table, torch.cat([steps.table, steps.table]))


def test_a_ring_of_steps_gives_back_the_last_ones_whole(steps):
    ring = StepRing(10, 4, 1)
    ring.add(steps)
    drawn = ring.draw(200, torch.Generator().manual_seed(0))
    assert isinstance(drawn, Steps)
    assert {row.numpy().tobytes() for row in drawn.table} == {row.numpy().tobytes() for row in steps.table[-10:]}


class Actor(ActorLearner):
    """A policy and nothing that trains it."""

    def draw(self):
        return self.problem.sources["expert"].train

    def losses(self, batch):
        return {}


def test_the_likelihood_of_a_policy_that_follows_a_critic_does_not_depend_on_its_own_spread(problem):
    actor, source = Actor(BootstrapConfig(), problem, 0), problem.sources["expert"]
    before = actor.negative_log_likelihood(source)
    with torch.no_grad():
        actor.policy.body[-1].bias[1] += 0.7
    torch.testing.assert_close(actor.negative_log_likelihood(source), before, rtol=0, atol=0)


def test_that_likelihood_is_the_best_of_any_constant_spread(problem):
    actor, source = Actor(BootstrapConfig(), problem, 0), problem.sources["expert"]
    mean = actor.policy(source.held_out.state)[0].detach()
    score = float(actor.negative_log_likelihood(source).mean())
    scores = []
    for log_std in torch.linspace(-3, 3, 601):
        normal = torch.distributions.Normal(mean, log_std.exp())
        scores.append(-float((normal.log_prob(source.held_out.action) + source.held_out.log_volume).mean()))
    assert score == pytest.approx(min(scores), abs=1e-3)


def test_a_table_of_another_width_is_refused():
    with pytest.raises(ValueError, match="width 17"):
        Steps(torch.zeros(3, 16), 4, 1)


@pytest.mark.parametrize("settings", [{"discount": 1.0}, {"discount": 0.0}, {"polyak": 0.0}, {"critic_lr": 0.0}])
def test_settings_without_a_finite_value_are_refused(settings):
    with pytest.raises(ConfigError):
        BootstrapConfig(**settings)


def test_the_next_value_is_clipped_and_that_of_a_fall_replaced():
    value = torch.tensor([500.0, -500.0, 3.0, 3.0])
    terminal = torch.tensor([0.0, 0.0, 0.0, 1.0])
    assert next_value(value, terminal, -7.0, 100.0).tolist() == [100.0, -100.0, 3.0, -7.0]


def test_no_gradient_passes_through_a_target():
    value = torch.ones(3, requires_grad=True)
    assert not td_target(value, value, 0.9).requires_grad


@pytest.mark.parametrize("discount", [0.99, 0.995])
@pytest.mark.parametrize("lowest", [-1.0, 0.0])
def test_a_policy_that_falls_scores_below_one_that_stays_up(lowest, discount):
    """For rewards in [-1, 0] and in [0, 1]: with a value of 0 after the fall, the first would prefer to fall."""
    random = np.random.default_rng(0)
    rewards = lowest + random.uniform(0.05, 0.95, size=400)
    limit = 1 / (1 - discount)
    fallen = absorbing_value(lowest, discount)

    def value(falls_after: int) -> float:
        """V of the first state, backwards from the fall or from the end of the recording."""
        following = torch.tensor([float(rewards.mean()) * limit])
        for index in reversed(range(falls_after)):
            terminal = torch.tensor([float(falls_after < 400 and index == falls_after - 1)])
            reward = torch.tensor([float(rewards[index])])
            following = td_target(reward, next_value(following, terminal, fallen, limit), discount)
        return float(following)

    scores = [value(count) for count in (1, 10, 50, 200, 400)]
    assert scores == sorted(scores)
