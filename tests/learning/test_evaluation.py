from __future__ import annotations

import json
from itertools import pairwise

import pytest
from scipy.stats import binomtest

from robot_il.learning.evaluation import Episode, format_table, score, sign_test, to_json, wilson_interval


def episode(seed: int, survived: bool, seconds: float = 10.0) -> Episode:
    return Episode(seed, seconds, survived, "survived" if survived else "fell", 0.1 * seed, 0.01, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 100), (100, 100), (3, 7), (50, 100), (99, 100)])
def test_wilson_interval_is_scipys(successes: int, trials: int) -> None:
    reference = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_wilson_interval_narrows_with_trials_and_stays_inside_0_and_1() -> None:
    widths = [high - low for low, high in (wilson_interval(n // 2, n) for n in (2, 8, 32, 128, 512))]
    assert all(a > b for a, b in pairwise(widths))
    assert wilson_interval(5, 5)[1] == 1.0
    assert wilson_interval(0, 5)[0] == 0.0


def test_sign_test_is_scipys_binomial_on_the_pairs_that_differ() -> None:
    first = [episode(k, k < 9) for k in range(20)]
    second = [episode(k, k % 3 == 0) for k in range(20)]
    wins = sum(a.survived > b.survived for a, b in zip(first, second, strict=True))
    losses = sum(a.survived < b.survived for a, b in zip(first, second, strict=True))
    assert sign_test(first, second) == pytest.approx(binomtest(wins, wins + losses).pvalue)
    assert sign_test(first, first) == 1.0


def test_score_sums_up() -> None:
    row = score("policy", [episode(0, True), episode(1, False, 2.0), episode(2, False, 4.0)])
    assert (row.survived, row.episodes, row.survival) == (1, 3, pytest.approx(1 / 3))
    assert row.time_to_fall_s == 3.0
    assert row.drift_m == pytest.approx(0.1)


def test_table_and_json_carry_every_policy() -> None:
    rows = [score("lqr", [episode(0, True)]), score("bc", [episode(0, False, 1.0)])]
    table = format_table(rows).splitlines()
    assert [line.split()[0] for line in table] == ["policy", "lqr", "bc"]
    document = json.loads(to_json("stand", 10.0, 0, rows))
    assert [policy["name"] for policy in document["policies"]] == ["lqr", "bc"]
    assert document["policies"][0]["time_to_fall_s"] is None
