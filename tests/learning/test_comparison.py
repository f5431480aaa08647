import json
import math

import pytest
from scipy import stats

from robot_il.learning.comparison import Entry, Spread, comparison_json, format_comparison, summarise
from robot_il.learning.evaluation import Episode, wilson_interval


def episodes(survived: int, count: int, tilt: float) -> list[Episode]:
    return [
        Episode(seed, 10.0, seed < survived, "survived" if seed < survived else "fell", 0.2, tilt, 0.5)
        for seed in range(count)
    ]


def test_a_spread_is_the_t_interval_of_the_mean_over_seeds():
    values = [0.1, 0.3, 0.2, 0.6]
    spread = Spread.of(values)
    low, high = stats.t.interval(0.95, 3, loc=stats.tmean(values), scale=stats.sem(values))
    assert (spread.mean - spread.half, spread.mean + spread.half) == pytest.approx((low, high))


def test_one_seed_has_no_interval_and_none_has_nothing():
    assert Spread.of([0.5]) == Spread(0.5, None, (0.5,))
    assert Spread.of([0.5]).text(2) == "0.50"
    assert Spread.of([math.nan]) is None


def test_survival_is_pooled_over_seeds_and_each_seed_is_kept():
    row = summarise("bc", [Entry(0, "a", episodes(10, 10, 0.1), 1.0), Entry(1, "b", episodes(4, 10, 0.3), 2.0)])
    assert (row.survived, row.trials, row.survival) == (14, 20, (1.0, 0.4))
    assert row.survival_interval == wilson_interval(14, 20)
    assert row.tilt_rms_rad.mean == pytest.approx(0.2)
    assert row.held_out_rms.each == (1.0, 2.0)


def test_a_method_that_no_seed_changes_counts_once():
    same = [Entry(seed, "a", episodes(9, 10, 0.1), 1.0) for seed in range(3)]
    row = summarise("linear", same)
    assert (row.seeds, row.trials, row.survived) == (1, 10, 9)
    assert row.tilt_rms_rad.half is None


def test_without_a_twin_the_held_out_error_is_all_there_is():
    row = summarise("bc", [Entry(0, "a", (), 0.5), Entry(1, "b", (), 0.7)])
    assert row.survived is None
    assert row.survival_interval is None
    assert row.tilt_rms_rad is None
    table = format_comparison([row], "N m").splitlines()
    assert table[0].split() == ["method", "policies", "held-out", "rms", "N", "m"]
    assert table[1].split()[:3] == ["bc", "2", "0.6000"]


def test_the_table_has_a_row_a_method_in_columns_that_line_up():
    rows = [
        summarise("lqr", [Entry(0, "lqr", episodes(10, 10, 0.03), math.nan)]),
        summarise("a_long_method", [Entry(s, str(s), episodes(9 - s, 10, 0.1 + s), 1.0) for s in range(2)]),
    ]
    head, lqr, long = format_comparison(rows, "N m").splitlines()
    assert "10/10" in lqr
    assert "17/20" in long
    assert "0.80 to 0.90" in long
    for word, line in (("survived", long), ("survived", lqr)):
        end = head.index(word) + len(word)
        assert line[end - 1] != " "
        assert line[end : end + 1] in (" ", "")


def test_the_json_says_what_was_asked_and_what_is_missing():
    row = summarise("bc", [Entry(0, "a", episodes(3, 4, 0.1), 1.0)])
    document = json.loads(comparison_json({"task": "stand"}, [row], {"dmil": "skipped: no rows"}))
    assert document["task"] == "stand"
    assert document["rows"][0]["survived"] == 3
    assert document["left_out"] == {"dmil": "skipped: no rows"}
