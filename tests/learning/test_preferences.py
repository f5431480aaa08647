"""Pairs of segments: what labels give, what a file gives, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_il.errors import DataError
from robot_il.learning.pairs_file import MAX_FILE_BYTES, PairsFile
from robot_il.learning.preferences import ORDER, Pairs, preferences_from_labels, rows_ahead, segment_length
from robot_il.spec import LABELS
from tests.learning.pendulum import pendulum_dataset


@pytest.fixture(scope="module")
def dataset():
    """Five episodes of 60 rows a label, the last of each held out; step 30 of episode 1 was lost."""
    data = pendulum_dataset(dict.fromkeys(LABELS, 5), rows=60)
    step = data.step.copy()
    step[(data.episode == 1) & (data.step >= 30)] += 1
    return replace(data, step=step)


def drawn(dataset, seed=0, **arguments):
    return preferences_from_labels(dataset, seed, **{"count": 500, "longest": 25, **arguments})


def rank(dataset, rows):
    return np.array([ORDER.index(LABELS[label]) for label in dataset.label[rows]])


def test_rows_ahead_end_at_the_end_of_an_episode_and_at_a_lost_step(dataset):
    ahead = rows_ahead(dataset)
    assert ahead[:60].tolist() == list(range(60, 0, -1))
    assert ahead[60:120].tolist() == [*range(30, 0, -1), *range(30, 0, -1)]


@pytest.mark.parametrize("tie_share", [0.0, 0.4])
def test_better_labels_are_preferred_on_either_side_of_the_split_and_no_segment_crosses_a_break(dataset, tie_share):
    preferences = drawn(dataset, tie_share=tie_share)
    assert (len(preferences.train), len(preferences.held_out), preferences.across) == (500, 100, 0)
    for side, pairs in ((False, preferences.train), (True, preferences.held_out)):
        for start in (pairs.better, pairs.worse):
            rows = start[:, None] + np.arange(25)
            assert (dataset.held_out[rows] == side).all()
            assert (dataset.episode[rows] == dataset.episode[start][:, None]).all()
            assert (np.diff(dataset.step[rows], axis=1) == 1).all()
            assert not (dataset.label[rows] == LABELS.index("unlabeled")).any()
        better, worse = rank(dataset, pairs.better), rank(dataset, pairs.worse)
        assert (better[pairs.certain] < worse[pairs.certain]).all()
        assert (better[~pairs.certain] == worse[~pairs.certain]).all()
        assert abs((~pairs.certain).mean() - tie_share) < 0.15
        assert len(set(zip(better[pairs.certain], worse[pairs.certain], strict=True))) == 3


def test_the_seed_decides_the_pairs(dataset):
    one, same, other = (drawn(dataset, seed).train for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.better, same.better)
    np.testing.assert_array_equal(one.worse, same.worse)
    assert (one.better != other.better).any()


def test_segments_are_as_long_as_every_label_allows(dataset):
    assert segment_length(dataset, 1000) == 60
    assert segment_length(dataset, 20) == 20
    step = dataset.step.copy()
    held_out_expert = (dataset.episode == 4) & (dataset.step >= 40)
    step[held_out_expert] += 5
    assert segment_length(replace(dataset, step=step), 1000) == 40
    assert (drawn(dataset, longest=1000).train.length == 60).all()


def test_a_label_of_moments_gives_no_segments(dataset):
    step = dataset.step.copy()
    suboptimal = dataset.label == LABELS.index("suboptimal")
    step[suboptimal] *= 2
    pairs = drawn(replace(dataset, step=step)).train
    assert not (rank(dataset, pairs.better) == 1).any()
    assert not (rank(dataset, pairs.worse) == 1).any()


@pytest.mark.parametrize("labels", [{"expert": 3}, {"expert": 3, "unlabeled": 3}])
def test_one_label_alone_is_refused_naming_what_would_serve(labels):
    with pytest.raises(DataError, match=r"expert > suboptimal > undesirable.*--pairs"):
        drawn(pendulum_dataset(labels))


def test_without_two_labels_held_out_there_are_no_held_out_pairs():
    assert len(drawn(pendulum_dataset({"expert": 3, "undesirable": 1})).held_out) == 0


def test_pairs_that_are_not_pairs_are_refused():
    for arguments in [([0], [1, 2], [3], [1]), ([0], [1], [0], [1]), ([0], [1], [3], [0.7])]:
        with pytest.raises(DataError):
            Pairs(*map(np.array, arguments))


def segment(source=0, start=0, length=10):
    return {"source": source, "start": start, "length": length}


def written(tmp_path, *lines):
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return PairsFile.read(path)


def test_a_file_names_segments_by_episode_or_recording_and_by_step(dataset, tmp_path):
    file = written(
        tmp_path,
        {"better": segment(1, 5), "worse": segment("suboptimal-2.mcap", 50), "weight": 1},
        "",
        {"better": segment("expert-1.mcap", 35, 20), "worse": segment(8, 3, 20), "weight": 0.5},
        {"better": segment(4), "worse": segment("suboptimal-4.mcap")},
        {"better": segment(4), "worse": segment(5)},
    )
    preferences = file.preferences(dataset)
    train = preferences.train
    assert train.better.tolist() == [60 + 5, 60 + 34]
    assert train.worse.tolist() == [7 * 60 + 50, 8 * 60 + 3]
    assert train.length.tolist() == [10, 20]
    assert train.weight.tolist() == [1.0, 0.5]
    assert preferences.held_out.better.tolist() == [4 * 60]
    assert preferences.across == 1


def test_a_step_that_several_episodes_of_a_recording_have_is_refused_naming_them(dataset, tmp_path):
    records = [replace(record, source="session.mcap") for record in dataset.info.episodes]
    data = replace(dataset, info=replace(dataset.info, episodes=tuple(records)))
    file = written(tmp_path, {"better": segment("session.mcap", 59, 1), "worse": segment(0, 3, 1)})
    with pytest.raises(DataError, match=r"index.*line 1.*episodes 0, 1, 2"):
        file.preferences(data)


GOOD = {"better": segment(0), "worse": segment(5)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "a JSON object"),
        ("[" * 4000, "a JSON object"),
        ("[]", "a pair with better, worse"),
        ({**GOOD, "colour": 1}, "a pair with better, worse"),
        ({"better": segment(0)}, "a pair with better, worse"),
        ({**GOOD, "weight": 0.7}, "a weight of 1"),
        ({**GOOD, "weight": True}, "a weight of 1"),
        ('{"better": {"source": 0, "start": 0, "length": 3}, "worse": {"source": 5, "start": 0, "length": 3}, '
         '"weight": NaN}', "a weight of 1"),
        ({**GOOD, "worse": [0, 0, 10]}, "worse with length, source, start"),
        ({**GOOD, "worse": segment(5, 0, 11)}, "one length"),
        ({**GOOD, "worse": segment(5, 0.5)}, "start of worse as a whole number"),
        ({**GOOD, "worse": segment(5, -1)}, "start of worse as a whole number"),
        ({**GOOD, "worse": segment(5, 10**30)}, "start of worse as a whole number"),
        ({**GOOD, "worse": segment(5, 0, 0)}, "length of worse as a whole number"),
        ({**GOOD, "worse": segment(5, 55)}, "steps 55 to 64 within one episode"),
        ({**GOOD, "worse": segment(1, 25)}, "steps 25 to 34 within one episode"),
        ({**GOOD, "worse": segment(20)}, "source of worse as an episode in 0 to 19"),
        ({**GOOD, "worse": segment(-1)}, "source of worse as an episode in 0 to 19"),
        ({**GOOD, "worse": segment(True)}, "source of worse as an episode in 0 to 19"),
        ({**GOOD, "worse": segment("other.mcap")}, "source of worse as an episode"),
        ({**GOOD, "worse": segment(["expert-0.mcap"])}, "source of worse as an episode"),
        (json.dumps(GOOD) + " " * 5000, "at most 4096 bytes"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_pair_is_refused_by_its_number(line, expected, dataset, tmp_path):
    with pytest.raises(DataError, match=rf"{expected}.* in line 3 of .*pairs\.jsonl"):
        written(tmp_path, GOOD, "", line, GOOD).preferences(dataset)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["better", "worse", "weight", "source", "start", "length"]), inner, max_size=4
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_no_line_does_anything_but_be_read_or_refused(line):
    data = pendulum_dataset({"expert": 2, "suboptimal": 2}, rows=12)
    good = json.dumps(GOOD | {"worse": segment(2)}).encode()
    try:
        preferences = PairsFile(Path("pairs.jsonl"), good + b"\n" + line).preferences(data)
    except DataError as error:
        assert "line" in str(error)
    else:
        assert len(preferences.train) >= 1


def test_a_file_that_is_missing_empty_or_too_large_is_refused(dataset, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        PairsFile.read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="none of 0"):
        written(tmp_path, "").preferences(dataset)
    with pytest.raises(DataError, match="none of 1"):
        written(tmp_path, {"better": segment(4), "worse": segment(0)}).preferences(dataset)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(DataError, match=str(MAX_FILE_BYTES)):
        PairsFile.read(tmp_path / "large")
