"""The firmware's own functions of angles, against the machine's library in double precision."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest

from firmware_bridge.hostlib import load

TURN = 2.0 * math.pi


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    library = load()
    for name, kind, count in (
        ("ril_angle_atan2", ctypes.c_float, 2),
        ("ril_angle_cos", ctypes.c_float, 1),
        ("ril_angle_wrap", ctypes.c_double, 1),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = kind, (kind,) * count
    return library


def test_the_arctangent_is_right_to_its_bound_all_around(library):
    for size in (1e-6, 9.81, 1e5):
        for angle in np.linspace(-math.pi, math.pi, 20_001):
            y, x = (float(np.float32(size * part(angle))) for part in (math.sin, math.cos))
            error = math.remainder(library.ril_angle_atan2(y, x) - math.atan2(y, x), TURN)
            assert abs(error) < 3e-7, (y, x)


@pytest.mark.parametrize(
    ("y", "x", "expected"),
    [(0, 0, 0), (0, 1, 0), (1, 0, math.pi / 2), (-1, 0, -math.pi / 2), (0, -1, math.pi), (1, 1, math.pi / 4)],
)
def test_the_arctangent_on_axes_and_diagonal(library, y, x, expected):
    assert library.ril_angle_atan2(y, x) == pytest.approx(expected, abs=2e-7)


def test_the_cosine_is_right_to_its_bound(library):
    for angle in np.linspace(-math.pi, math.pi, 40_001, dtype=np.float32):
        assert abs(library.ril_angle_cos(angle) - math.cos(angle)) < 2e-7, angle


def test_wrapping_leaves_what_is_within_half_a_turn(library):
    for angle in (0.0, 1e-300, 1.0, -math.pi, math.pi):
        assert library.ril_angle_wrap(angle) == angle


def test_wrapping_takes_whole_turns_off(library):
    for angle in np.linspace(-1e5, 1e5, 20_001):
        wrapped = library.ril_angle_wrap(angle)
        assert abs(wrapped) <= math.pi + 1e-10
        assert abs(math.remainder(angle - wrapped, TURN)) < 1e-10


@pytest.mark.parametrize("angle", np.linspace(-2.9 * math.pi, 2.9 * math.pi, 59))
def test_wrapping_by_one_turn_is_exact(library, angle):
    assert library.ril_angle_wrap(angle) == math.remainder(angle, TURN)
