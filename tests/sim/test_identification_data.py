from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import firmware_bridge
from robot_il.errors import DataError
from sim.identification import equations
from sim.identification.data import FILTER_KI_1_S2, FILTER_KP_1_S, Stretch, cut, without_filter
from sim.identification.noise import density, still


def stretch(length: int, period_s: float = 0.005) -> Stretch:
    return Stretch(period_s, np.zeros((length, 1)), np.zeros((4, length)))


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("estimator.c", "KP", FILTER_KP_1_S),
        ("estimator.c", "KI", FILTER_KI_1_S2),
        ("tracker.c", "ALPHA", equations.TRACKER_ALPHA),
        ("tracker.c", "BETA", equations.TRACKER_BETA),
    ],
)
def test_the_filters_are_those_of_the_firmware(file: str, name: str, value: float) -> None:
    source = (Path(firmware_bridge.__file__).parent / "firmware" / file).read_text(encoding="utf-8")
    found = re.search(rf"#define {name} ([0-9.]+)", source)
    assert found is not None
    assert float(found[1]) == value


def test_the_bias_that_the_filter_learns_is_taken_out_of_the_rate() -> None:
    time = np.arange(4000) * 0.005
    true = 0.4 * np.sin(3.0 * time)
    angle = -0.4 / 3.0 * (np.cos(3.0 * time) - 1.0)
    misled = angle + 0.05 * np.sin(1.1 * time)  # what the accelerometer takes for gravity
    pitch, learned, reported, rates = 0.0, 0.0, [], []
    for step in range(len(time)):
        rate = true[step] + 0.003 - learned
        reported.append(pitch)
        rates.append(rate)
        error = misled[step] - pitch
        learned -= FILTER_KI_1_S2 * error * 0.005
        pitch += (rate + FILTER_KP_1_S * error) * 0.005
    outputs = np.stack((reported, rates, np.zeros(len(time)), np.zeros(len(time))))
    cleaned = without_filter(Stretch(0.005, np.zeros((len(time), 1)), outputs)).outputs[1]
    assert np.std(np.array(rates) - true) > 1e-3
    assert np.std(cleaned - true) < 2e-4


def test_pieces_stay_inside_their_stretch_and_leave_its_beginning_out() -> None:
    pieces = cut([stretch(1000), stretch(90), stretch(330)], segment_s=0.5, segments=3)
    assert {piece.stretch for piece in pieces} == {0, 2}
    for piece in pieces:
        length = {0: 1000, 1: 90, 2: 330}[piece.stretch]
        assert piece.start >= 12
        assert piece.start + piece.segments * piece.length <= length - 1
    assert sum(piece.segments for piece in pieces if piece.stretch == 0) == (1000 - 1 - 12) // 100


def test_recordings_of_several_rates_are_refused() -> None:
    with pytest.raises(DataError, match="one rate"):
        cut([stretch(1000), stretch(1000, 0.002)], 0.5, 3)


def test_a_stretch_with_a_reading_that_is_no_number_is_refused() -> None:
    outputs = np.zeros((4, 10))
    outputs[1, 3] = np.nan
    with pytest.raises(DataError):
        Stretch(0.005, np.zeros((10, 1)), outputs)


def test_noise_at_rest_is_measured_and_a_motion_does_not_count_as_rest() -> None:
    random = np.random.default_rng(1)
    calm = 3.4e-3 * random.standard_normal(3000)
    moved = calm + np.where(np.arange(3000) < 1500, 0.0, 0.3 * np.sin(np.arange(3000) * 0.05))
    windows = still(moved, np.ones(3000, dtype=bool))
    assert windows
    assert max(window.stop for window in windows) <= 1500
    found = density(moved, windows)
    assert found is not None
    assert found.low < 3.4e-3 / np.sqrt(500.0) < found.high


def test_nothing_is_said_of_the_noise_where_the_robot_never_stood_still() -> None:
    assert density(np.zeros(100), still(np.zeros(100), np.zeros(100, dtype=bool))) is None
