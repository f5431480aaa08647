from __future__ import annotations

import math

import pytest

from sim.attitude import pitch_of, product, roll_of, turned, yaw_of


def about(axis: int, angle: float) -> tuple[float, float, float, float]:
    vector = [0.0, 0.0, 0.0]
    vector[axis] = math.sin(angle / 2)
    return (*vector, math.cos(angle / 2))


@pytest.mark.parametrize("yaw", [-2.5, 0.0, 1.0])
@pytest.mark.parametrize("pitch", [-3.0, -0.3, 0.0, 1.7])
def test_heading_and_lean_are_told_apart_at_any_lean(yaw: float, pitch: float) -> None:
    attitude = product(about(2, yaw), about(1, pitch))
    assert yaw_of(attitude) == pytest.approx(yaw)
    assert pitch_of(attitude) == pytest.approx(pitch)
    assert roll_of(attitude) == pytest.approx(0.0, abs=1e-12)


def test_a_robot_whose_left_side_rises_leans_to_the_right_by_a_positive_angle() -> None:
    assert roll_of(product(about(2, 0.8), about(0, 0.25))) == pytest.approx(0.25)


def test_turning_at_a_steady_rate_arrives_after_its_time() -> None:
    start = product(about(2, 0.4), about(1, 0.2))
    assert turned(start, (0.0, 0.0, 2.0), 0.5) == pytest.approx(product(about(2, 1.0), start))
    assert turned(start, (0.0, 0.0, 0.0), 0.5) == start
