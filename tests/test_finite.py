import math

import pytest

from robot_il.finite import is_finite_number


@pytest.mark.parametrize("value", [0, -3, 0.5, 1e308, 10**300])
def test_what_a_float_can_hold_is_a_number(value):
    assert is_finite_number(value)


@pytest.mark.parametrize("value", [True, None, "1", [1.0], math.nan, math.inf, -math.inf, 10**400], ids=repr)
def test_what_it_cannot_hold_is_none(value):
    assert not is_finite_number(value)
