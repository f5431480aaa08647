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
    document = json.loads(to_json("stand", 10.0, 0, rows, "mujoco"))
    assert document["engine"] == "mujoco"
    assert [policy["name"] for policy in document["policies"]] == ["lqr", "bc"]
    assert document["policies"][0]["time_to_fall_s"] is None


def done(seed: int, succeeded: bool | None, error: float | None = 0.2, survived: bool = True) -> Episode:
    return Episode(seed, 10.0, survived, "", 0.1, 0.01, 1.0, succeeded=succeeded, task_error=error)


def test_a_task_that_asks_for_more_than_survival_is_counted_by_what_was_done() -> None:
    row = score("policy", [done(0, True, 0.1), done(1, False, 0.3), done(2, False, None, survived=False)])
    assert (row.survived, row.succeeded) == (2, 1)
    assert row.success_interval == wilson_interval(1, 3)
    assert row.task_error == pytest.approx(0.2)
    plain = score("policy", [episode(0, True)])
    assert (plain.succeeded, plain.success_interval, plain.task_error) == (None, None, None)


def test_policies_that_survive_alike_are_told_apart_by_what_they_did() -> None:
    first = [done(seed, seed < 2) for seed in range(12)]
    second = [done(seed, seed < 10) for seed in range(12)]
    assert sign_test(second, first) == pytest.approx(binomtest(8, 8).pvalue)
    assert all(a.survived == b.survived for a, b in zip(first, second, strict=True))


def test_the_table_has_columns_for_the_task_only_where_it_asks_for_more_than_survival() -> None:
    asked = format_table([score("lqr", [done(0, True)]), score("bc", [done(0, False, None)])], "stand_up").splitlines()
    assert "lean at end rad" in asked[0]
    assert len({len(line) for line in asked}) == 1
    plain = format_table([score("lqr", [episode(0, True)])], "stand").splitlines()
    assert "done" not in plain[0]


def test_scores_of_an_earlier_release_are_read_as_before() -> None:
    old = {
        "seed": 1,
        "seconds": 2.0,
        "survived": False,
        "end": "fell",
        "drift_m": 0.1,
        "tilt_rms_rad": 0.1,
        "effort_nm": 1.0,
        "saved_by_fallback": False,
    }
    assert (Episode(**old).good, Episode(**old).succeeded) == (False, None)
