"""DemoDICE and SMODICE as special cases of one dual."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from robot_il.learning.algorithms.demodice import DemoDICEConfig, DemoDICELearner
from robot_il.learning.algorithms.smodice import SMODICEConfig, SMODICELearner
from robot_il.learning.dice import bellman_residual, dual_loss
from robot_il.learning.problem import Problem
from robot_il.learning.weighted import normalised_weights
from tests.learning.pendulum import pendulum_dataset
from tests.learning.tabular import DISCOUNT, Recording, World, divergence, minimised

WORLD = World.random(7)
EXPERT = WORLD.occupancy(WORLD.policy(1))
UNION = Recording.random(WORLD, 4)
SMALL = {"batch": 64, "policy_hidden": (16,), "critic_hidden": (16,), "ratio_hidden": (16,),
         "ratio_pretrain_steps": 40}  # fmt: skip


def solved(psi: np.ndarray, coefficient: float) -> tuple[float, np.ndarray]:
    rows, start = UNION.look_up(psi), torch.from_numpy(WORLD.start) * WORLD.states

    def residual(value):
        return bellman_residual(rows, value[UNION.state], value[UNION.after], DISCOUNT)

    def loss(value):
        return dual_loss(residual(value), start * value, coefficient, DISCOUNT)

    value = minimised(loss, torch.zeros(WORLD.states, dtype=torch.float64))
    return -float(loss(value)), UNION.total(normalised_weights(residual(value) / coefficient, 1e9))


def primal(objective) -> float:
    matrix, right = WORLD.flow()
    start = WORLD.occupancy(WORLD.policy(9, 5.0)).ravel()
    result = minimize(
        lambda d: objective(d.reshape(EXPERT.shape)),
        start,
        method="SLSQP",
        bounds=[(1e-12, 1)] * start.size,
        constraints={"type": "eq", "fun": lambda d: matrix @ d - right, "jac": lambda d: matrix},
        options={"ftol": 1e-15, "maxiter": 2000},
    )
    return float(result.fun)


@pytest.mark.parametrize("closeness", [0.0, 0.05, 1.0])
def test_demodices_dual_has_the_value_of_its_primal(closeness):
    """min KL(d || d_E) + eta KL(d || d_U) with Psi = log d_E/d_U and c = 1 + eta."""
    value, d = solved(np.log(EXPERT / UNION.density), DemoDICEConfig(closeness=closeness).coefficient)

    def objective(d):
        return divergence(d, EXPERT) + closeness * divergence(d, UNION.density)

    assert value == pytest.approx(primal(objective), abs=1e-9)
    assert objective(d) == pytest.approx(value, abs=1e-9)


def test_the_closer_to_all_rows_the_farther_from_the_expert():
    psi = np.log(EXPERT / UNION.density)
    distances = [divergence(solved(psi, 1 + closeness)[1], EXPERT) for closeness in (0.0, 0.05, 1.0, 10.0)]
    assert distances == sorted(distances)
    assert distances[0] < 1e-12


def test_smodices_dual_has_the_value_of_its_bound():
    """KL(d(s) || d_E(s)) <= KL(d || d_U) - E_d[log d_E(s)/d_U(s)]."""
    psi = np.log(EXPERT.sum(axis=1) / UNION.density.sum(axis=1))[:, None].repeat(WORLD.actions, axis=1)
    value, d = solved(psi, SMODICEConfig().coefficient)

    def objective(d):
        return divergence(d, UNION.density) - (d * psi).sum()

    assert value == pytest.approx(primal(objective), abs=1e-9)
    assert divergence(d.sum(axis=1), EXPERT.sum(axis=1)) <= value + 1e-9


def test_smodice_looks_at_states_alone_and_demodice_at_actions_too():
    data = pendulum_dataset({"expert": 4, "suboptimal": 4}, rows=30)
    for learner_class, config, depends in (
        (SMODICELearner, SMODICEConfig(**SMALL), False),
        (DemoDICELearner, DemoDICEConfig(**SMALL), True),
    ):
        learner = learner_class(config, Problem.build(data, config.sources()), 0)
        learner.prepare(lambda what, done, most: None)
        rows = learner.problem.sources["mixed"].train
        table = rows.table.clone()
        table[:, 4:6] += 0.5
        same = torch.equal(learner.psi(rows), learner.psi(type(rows)(table, 4, 1)))
        assert same is not depends
