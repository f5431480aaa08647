from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_il.errors import DataError
from robot_il.learning.dataset_summary import summary_lines
from robot_il.learning.episodes import MIN_BLOCK_ROWS, MIN_EPISODES, first_transitions, split
from robot_il.spec import CONTROL_PERIOD_S
from tests.learning.recordings import episode, made_dataset


def sides(parts):
    return [part.side for part in parts]


def rows_of(parts, side):
    return {
        row.tobytes() for part in parts if part.side == side for row in (*part.observations, *part.next_observations)
    }


@given(
    lengths=st.lists(st.integers(1, 700), min_size=1, max_size=7),
    fraction=st.floats(0, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_sample_is_ever_on_both_sides_and_no_transition_is_invented(lengths, fraction, seed):
    episodes = [episode(rows, seed=index) for index, rows in enumerate(lengths)]
    parts, _ = split(episodes, fraction, seed, CONTROL_PERIOD_S)
    assert not rows_of(parts, True) & rows_of(parts, False)
    known = {
        (row.tobytes(), after.tobytes(), action.tobytes())
        for part in episodes
        for row, after, action in zip(part.observations, part.next_observations, part.actions, strict=True)
    }
    kept = [
        (row.tobytes(), after.tobytes(), action.tobytes())
        for part in parts
        for row, after, action in zip(part.observations, part.next_observations, part.actions, strict=True)
    ]
    assert len(kept) == len(set(kept))
    assert set(kept) <= known
    assert all(len(part) for part in parts)


@given(count=st.integers(MIN_EPISODES, 40), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 100))
def test_many_episodes_are_split_whole_and_both_sides_get_some(count, fraction, seed):
    parts, _ = split([episode(3, seed=index) for index in range(count)], fraction, seed, CONTROL_PERIOD_S)
    assert len(parts) == count
    assert 1 <= sum(sides(parts)) <= count - 1
    assert abs(sum(sides(parts)) - fraction * count) <= 1


def test_the_choice_depends_on_the_seed_alone():
    episodes = [episode(3, seed=index) for index in range(30)]
    choices = [sides(split(episodes, 0.3, seed, CONTROL_PERIOD_S)[0]) for seed in (1, 1, 2)]
    assert choices[0] == choices[1] != choices[2]


def test_another_label_does_not_change_the_choice():
    expert = [episode(3, seed=index) for index in range(30)]
    other = [episode(4, "unlabeled", seed=index) for index in range(9)]
    alone, _ = split(expert, 0.3, 5, CONTROL_PERIOD_S)
    together, _ = split([*other, *expert], 0.3, 5, CONTROL_PERIOD_S)
    assert sides(alone) == sides(part for part in together if part.label == "expert")


def test_one_recording_is_split_into_blocks_and_its_cuts_cost_one_transition_each():
    recording = episode(2000)
    parts, notes = split([recording], 0.2, 0, CONTROL_PERIOD_S)
    cuts = len(parts) - 1
    assert cuts >= 1
    assert sum(map(len, parts)) == 2000 - cuts
    assert sum(len(part) for part in parts if part.side) == pytest.approx(400, abs=cuts)
    assert [int(part.step[0]) for part in parts] == [0, *(int(part.step[-1]) + 2 for part in parts[:-1])]
    assert f"1 of 5 contiguous blocks of about 400 rows held out, {cuts} transitions across a cut dropped" in notes[0]


def test_a_short_recording_still_gives_a_held_out_block():
    parts, _ = split([episode(140)], 0.2, 0, CONTROL_PERIOD_S)
    assert sum(sides(parts)) == 1
    assert sum(len(part) for part in parts if part.side) >= MIN_BLOCK_ROWS


def test_the_fall_stays_with_the_part_that_ends_in_it():
    parts, _ = split([episode(300, terminated=True)], 0.2, 3, CONTROL_PERIOD_S)
    assert [part.terminated for part in parts] == [False] * (len(parts) - 1) + [True]


def test_nothing_is_held_out_when_nothing_is_asked_for():
    parts, _ = split([episode(300), episode(200)], 0.0, 0, CONTROL_PERIOD_S)
    assert sides(parts) == [False, False]
    assert [len(part) for part in parts] == [300, 200]


def test_one_short_episode_is_no_dataset():
    with pytest.raises(DataError, match="at least two episodes"):
        made_dataset(episode(30))


@pytest.mark.parametrize(("count", "lengths"), [(None, [30, 20]), (50, [30, 20]), (35, [30, 5]), (30, [30]), (7, [7])])
def test_the_first_transitions_are_taken_in_order(count, lengths):
    kept = first_transitions([episode(30, terminated=True), episode(20, seed=1)], count)
    assert [len(part) for part in kept] == lengths
    assert kept[0].terminated == (lengths[0] == 30)


def test_ends_are_marked_once_per_episode_and_a_fall_is_no_timeout():
    dataset = made_dataset(episode(300, terminated=True), *(episode(50, "suboptimal", seed=k) for k in range(5)))
    last = np.append(np.diff(dataset.episode) > 0, True)
    np.testing.assert_array_equal(dataset.terminals | dataset.timeouts, last)
    assert dataset.terminals.sum() == 1
    assert dataset.info.episodes[dataset.episode[dataset.terminals][0]].label == "expert"


def test_inside_an_episode_the_next_observation_is_the_next_rows():
    dataset = made_dataset(episode(300, terminated=True), *(episode(50, "suboptimal", seed=k) for k in range(5)))
    inside = np.flatnonzero(np.diff(dataset.episode) == 0)
    np.testing.assert_array_equal(dataset.next_observations[inside], dataset.observations[inside + 1])
    assert (np.diff(dataset.step)[inside] == 1).all()


def test_the_summary_counts_what_is_there():
    dataset = made_dataset(episode(300, terminated=True), *(episode(50, "suboptimal", seed=k) for k in range(5)))
    expert = next(line for line in summary_lines(dataset) if line.startswith("expert"))
    rows = dataset.select("expert").size
    assert expert.split()[1:6] == [
        str(sum(record.label == "expert" for record in dataset.info.episodes)),
        str(sum(record.label == "expert" and record.held_out for record in dataset.info.episodes)),
        str(rows),
        str(dataset.select("expert", True).size),
        "1",
    ]


def test_what_is_said_alike_of_several_logs_is_said_once():
    dataset = made_dataset(episode(300))
    notes = (
        "expert: a.mcap: 4 ticks while not armed",
        "expert: b.mcap: 6 ticks while not armed",
        "suboptimal: c.mcap: 5 ticks while not armed",
        "unlabeled: c.mcap: the demonstrator is synthetic",
        "unlabeled: d.mcap: the demonstrator is synthetic",
        "expert: 2 of 8 whole episodes held out",
    )
    lines = summary_lines(replace(dataset, info=replace(dataset.info, notes=notes)))
    assert [line.strip() for line in lines[-4:]] == [
        "expert: in 2 logs, 10 ticks while not armed",
        "suboptimal: c.mcap: 5 ticks while not armed",
        "unlabeled: in 2 logs, the demonstrator is synthetic",
        "expert: 2 of 8 whole episodes held out",
    ]
