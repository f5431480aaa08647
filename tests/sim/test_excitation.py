from __future__ import annotations

import math

import numpy as np
import pytest

from robot_il.control.controllers import LinearController
from robot_il.control.device import State
from robot_il.errors import ConfigError
from robot_il.tasks import TASKS
from sim.excitation import CALM_RAD, LARGEST_NM, WILD_RAD, Excitation, ExcitedController

ZERO = State._make([0] * len(State._fields))
NO_GAIN = np.zeros(4)


def silent() -> LinearController:
    return LinearController(NO_GAIN, TASKS["stand"])


def waves(excitation: Excitation, pitch: float, ticks: int, rate_hz: int = 200) -> np.ndarray:
    controller = ExcitedController(silent(), excitation, rate_hz)
    controller.reset()
    return np.array([controller.torque(ZERO._replace(pitch=pitch)) for _ in range(ticks)])


@pytest.mark.parametrize("seed", [0, 1, 7])
@pytest.mark.parametrize("amplitude_nm", [0.1, 1.0, LARGEST_NM])
def test_the_excitation_reaches_its_amplitude_and_never_exceeds_it(amplitude_nm: float, seed: int) -> None:
    wave = waves(Excitation(amplitude_nm=amplitude_nm, seed=seed), 0.0, 2500)
    assert np.abs(wave).max() == pytest.approx(amplitude_nm, rel=1e-9)


def test_it_begins_with_nothing_and_adds_up_to_nothing() -> None:
    excitation = Excitation()
    assert waves(excitation, 0.0, 1)[0] == 0.0
    assert np.mean(excitation.one_period(200)) == pytest.approx(0.0, abs=1e-12)


def test_every_frequency_asked_for_is_there_and_no_other() -> None:
    excitation = Excitation(low_hz=0.2, high_hz=8.0)
    spectrum = np.abs(np.fft.rfft(excitation.one_period(200)))
    found = np.flatnonzero(spectrum > 1e-6 * spectrum.max()) * excitation.low_hz
    assert found == pytest.approx(excitation.frequencies_hz())
    assert excitation.frequencies_hz().max() <= 8.0


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_it_steps_back_where_the_robot_leans_and_is_gone_where_it_leans_far(sign: float) -> None:
    calm, half, wild = (
        np.abs(waves(Excitation(), sign * pitch, 2500)).max()
        for pitch in (CALM_RAD, 0.5 * (CALM_RAD + WILD_RAD), WILD_RAD)
    )
    assert calm == pytest.approx(1.0)
    assert half == pytest.approx(0.5)
    assert wild == 0.0


def test_a_reset_begins_the_same_excitation_anew() -> None:
    controller = ExcitedController(silent(), Excitation(seed=3))
    first = [controller.torque(ZERO) for _ in range(300)]
    controller.reset()
    assert [controller.torque(ZERO) for _ in range(300)] == first


def test_it_is_added_to_what_the_balancing_controller_asks_for() -> None:
    law = LinearController(np.array([10.0, 0.0, 0.0, 0.0]), TASKS["stand"])
    leaning = ZERO._replace(pitch=0.05)
    excited = ExcitedController(law, Excitation())
    bare = ExcitedController(silent(), Excitation())
    for _ in range(400):
        assert excited.torque(leaning) == pytest.approx(law.torque(leaning) + bare.torque(leaning), abs=1e-12)


def test_the_log_s_identity_makes_the_same_controller_again() -> None:
    law = LinearController(np.array([10.0, 1.0, 2.0, 3.0]), TASKS["stand"])
    controller = ExcitedController(law, Excitation(amplitude_nm=0.7, seed=5), 500)
    again = ExcitedController.from_identity(LinearController.from_identity(controller.identity), controller.identity)
    state = ZERO._replace(pitch=0.02, velocity=0.1)
    for _ in range(1000):
        assert again.torque(state) == controller.torque(state)
    assert math.isnan(again.intent)


@pytest.mark.parametrize(
    "settings",
    [
        {"amplitude_nm": 0.0},
        {"amplitude_nm": LARGEST_NM + 0.01},
        {"amplitude_nm": math.nan},
        {"low_hz": 0.01},
        {"low_hz": 3.0, "high_hz": 2.0},
        {"high_hz": 80.0},
        {"lines": 1},
        {"seed": -1},
    ],
)
def test_an_excitation_that_a_robot_could_not_live_with_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="excitation"):
        Excitation(**settings)
