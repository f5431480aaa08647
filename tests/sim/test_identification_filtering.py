from __future__ import annotations

import numpy as np
import pytest

from sim.identification.equations import COULOMB, HEIGHT, INERTIA, NAMES, SCALE, VISCOUS, Body, advance
from sim.identification.filtering import FIGURES, LAGS, Filter, Law, ahead, filtered, joined

PERIOD_S = 0.015
BODY = Body(0.87, 0.10, 4.5e-5, 0.03, rest_rad_s=0.2)
TRUE = {"torque_nm_v": 0.065, "height_m": 0.06, "inertia_kg_m2": 0.003, "viscous_nm_s": 0.0065, "coulomb_nm": 0.02}


def parameters(**changes: float) -> np.ndarray:
    usual = dict(zip(FIGURES[5:], (0.01, 0.02, 1e-3, 5e-3, 0.02, 0.01, 1e-4, 100.0, 1.0), strict=True))
    values = {**TRUE, **usual, **changes}
    return np.array([values[name] for name in FIGURES])[:, None]


def balanced(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Readings (T, 3) of a robot that a simple law holds up, and its states (T, 4)."""
    random = np.random.default_rng(seed)
    figures = np.zeros(len(NAMES))
    figures[[SCALE, HEIGHT, INERTIA, VISCOUS, COULOMB]] = list(TRUE.values())
    state, rows, states = np.array([0.02, 0.0, 0.0, 0.0]), [], []
    for _ in range(count):
        tilt = state[0] + 1e-3 * random.standard_normal()
        speed = state[3] - BODY.radius_m * state[1] + 5e-3 * random.standard_normal()
        voltage = 30.0 * tilt + 3.0 * state[1] + 6.0 * speed + 0.3 * random.standard_normal()
        rows.append((tilt, speed, voltage))
        states.append(state)
        for _ in range(4):
            state = advance(BODY, figures, state, np.float64(voltage), PERIOD_S / 4)
    return np.array(rows), np.array(states)


@pytest.fixture(scope="module")
def run() -> tuple[np.ndarray, np.ndarray]:
    return balanced(500)


def test_the_robot_of_the_tests_stays_up(run: tuple[np.ndarray, np.ndarray]) -> None:
    assert np.abs(run[1][:, 0]).max() < 0.5


def test_the_filter_follows_states_that_nobody_reads(run: tuple[np.ndarray, np.ndarray]) -> None:
    readings, states = run
    beliefs = filtered(Filter(BODY, parameters(), PERIOD_S), *(readings[None, :, c] for c in range(3)), PERIOD_S)
    rates = np.array([belief.mean[1, 0] for belief in beliefs])
    differences = np.gradient(readings[:, 0], PERIOD_S)
    assert np.std((rates - states[:, 1])[50:]) < 0.5 * np.std((differences - states[:, 1])[50:])


def test_what_it_believes_of_its_errors_is_so(run: tuple[np.ndarray, np.ndarray]) -> None:
    readings, states = run
    beliefs = filtered(Filter(BODY, parameters(), PERIOD_S), *(readings[None, :, c] for c in range(3)), PERIOD_S)
    missed = np.array([belief.mean[2, 0] for belief in beliefs]) - states[:, 3]
    believed = np.sqrt([belief.covariance[0, 2, 2] for belief in beliefs])
    inside = np.mean(np.abs(missed[50:]) < 2.0 * believed[50:])
    assert inside > 0.9


def test_the_controller_s_law_keeps_what_topples_from_being_predicted_to_topple(
    run: tuple[np.ndarray, np.ndarray],
) -> None:
    readings, _ = run
    law = Law.fitted([balanced(600, seed=1)[0]], PERIOD_S)
    starts, horizon = np.arange(60, 400, 5), 60
    one, many = parameters(), np.repeat(parameters(), len(starts), axis=1)
    beliefs = filtered(Filter(BODY, one, PERIOD_S), *(readings[None, :, c] for c in range(3)), PERIOD_S)
    begin = joined([beliefs[start] for start in starts])
    inputs = np.stack([readings[start + 1 - LAGS : start + horizon + 1, 2] for start in starts])
    wanted = readings[starts + horizon, :2]
    loose, held = (ahead(Filter(BODY, many, PERIOD_S), begin, known, inputs, [horizon])[0] for known in (None, law))
    size = np.std(readings[:, 0])
    assert np.std((loose - wanted)[:, 0]) > 2.0 * size
    assert np.std((held - wanted)[:, 0]) < size


def test_the_law_is_found_as_it_was() -> None:
    random = np.random.default_rng(3)
    count = 4000
    tilt, speed = 0.1 * random.standard_normal((2, count))
    voltage = np.zeros(count)
    for k in range(1, count):
        voltage[k] = 20.0 * tilt[k] - 5.0 * tilt[k - 1] + 3.0 * speed[k] + 0.5 * voltage[k - 1] + 0.7
        voltage[k] += 0.05 * random.standard_normal()
    law = Law.fitted([np.stack((tilt, speed, voltage), axis=1)], PERIOD_S)
    assert law.weights == pytest.approx([20.0, -5.0, 0.0, 3.0, 0.0, 0.0, 0.5, 0.0, 0.7], abs=0.3)
    assert law.residual == pytest.approx(0.05, rel=0.05)


def test_filters_side_by_side_do_not_touch_each_other(run: tuple[np.ndarray, np.ndarray]) -> None:
    readings, _ = run
    both = np.concatenate((parameters(), parameters(torque_nm_v=0.05)), axis=1)
    pair = filtered(
        Filter(BODY, both, PERIOD_S), *(np.tile(readings[:80, c], (2, 1)) for c in range(3)), PERIOD_S
    )[-1]  # fmt: skip
    alone = filtered(Filter(BODY, parameters(), PERIOD_S), *(readings[None, :80, c] for c in range(3)), PERIOD_S)[-1]
    assert pair.mean[:, 0] == pytest.approx(alone.mean[:, 0], rel=1e-9, abs=1e-12)
    assert pair.mean[1, 1] != pytest.approx(pair.mean[1, 0], rel=1e-3)
