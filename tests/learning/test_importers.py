import json
import os
from pathlib import Path

import numpy as np
import pytest

from robot_il.errors import DataError
from robot_il.learning.column_map import Column, ColumnMap
from robot_il.learning.dataset import load_dataset, save_dataset
from robot_il.learning.importers import Split, import_npz

BENCHMARK = Path(os.environ.get("ROBOT_IL_BENCHMARK", Path(__file__).parents[3] / "shared" / "benchmark"))


def arrays(episodes=6, length=30, observed=3, acting=2, seed=0):
    random = np.random.default_rng(seed)
    states = random.normal(size=(episodes, length + 1, observed)).astype(np.float32)
    return {
        "observations": states[:, :-1].reshape(-1, observed),
        "actions": random.uniform(-2, 2, (episodes * length, acting)).astype(np.float32),
        "next_observations": states[:, 1:].reshape(-1, observed),
        "terminals": np.tile(np.arange(length) == length - 1, episodes) & (np.arange(episodes * length) < length),
        "timeouts": np.tile(np.arange(length) == length - 1, episodes) & (np.arange(episodes * length) >= length),
        "episode": np.repeat(np.arange(episodes), length),
        "step": np.tile(np.arange(length), episodes),
    }


def saved(folder, content, name="data.npz"):
    np.savez(folder / name, **content)
    return folder / name


def test_an_archive_survives_import_and_saving_bit_for_bit(tmp_path):
    content = arrays()
    dataset = import_npz(saved(tmp_path, content), Split())
    save_dataset(tmp_path / "d", dataset)
    again = load_dataset(tmp_path / "d")
    for name in ("observations", "actions", "next_observations", "terminals", "timeouts", "episode", "step"):
        np.testing.assert_array_equal(getattr(again, name), content[name])
    assert again.info.task == again.info.spec_hash == ""
    assert [channel.name for channel in again.info.observation] == ["obs0", "obs1", "obs2"]
    largest = np.abs(content["actions"]).max(axis=0)
    np.testing.assert_array_equal(again.info.action_high, largest)
    np.testing.assert_array_equal(again.info.action_low, -largest)


def test_importing_twice_gives_the_same_hash_and_another_seed_another(tmp_path):
    path = saved(tmp_path, arrays())
    hashes = [import_npz(path, Split(seed=seed)).info.hash for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_rows_drawn_at_random_keep_their_own_next_observation_and_episode(tmp_path):
    content = arrays()
    drawn = np.random.default_rng(1).permutation(180)[:90]
    dataset = import_npz(saved(tmp_path, {name: array[drawn] for name, array in content.items()}), Split())
    rows = {row.tobytes(): index for index, row in enumerate(content["observations"])}
    for index in range(len(dataset)):
        original = rows[dataset.observations[index].tobytes()]
        np.testing.assert_array_equal(dataset.next_observations[index], content["next_observations"][original])
        np.testing.assert_array_equal(dataset.actions[index], content["actions"][original])
        assert dataset.step[index] == content["step"][original]
        assert dataset.terminals[index] == content["terminals"][original]
    for index in range(6):
        assert len({dataset.held_out[row] for row in np.flatnonzero(dataset.episode == index)}) == 1


def test_episodes_without_numbers_end_with_terminals_and_timeouts(tmp_path):
    content = arrays()
    del content["episode"], content["step"]
    dataset = import_npz(saved(tmp_path, content), Split())
    assert [record.rows for record in dataset.info.episodes] == [30] * 6
    np.testing.assert_array_equal(dataset.step, np.tile(np.arange(30), 6))


def test_without_next_observations_they_follow_and_never_cross_an_episodes_end(tmp_path):
    content = arrays()
    expected = content.pop("next_observations").reshape(6, 30, 3)[:, :-1].reshape(-1, 3)
    dataset = import_npz(saved(tmp_path, content), Split())
    np.testing.assert_array_equal(dataset.next_observations, expected)
    assert [record.rows for record in dataset.info.episodes] == [29] * 6
    assert any("last row of each episode dropped" in note for note in dataset.info.notes)


def test_random_rows_without_next_observations_are_refused(tmp_path):
    content = {name: array[::2] for name, array in arrays().items() if name != "next_observations"}
    with pytest.raises(DataError, match="next_observations"):
        import_npz(saved(tmp_path, content), Split())


def test_a_map_names_selects_and_scales_the_columns(tmp_path):
    content = arrays()
    columns = ColumnMap(
        observation=(Column(2, "tilt", "rad", scale=0.5), Column(0, "speed", "m/s", offset=1.0)),
        action=(Column(1, "torque", "N m", low=-3.0, high=3.0),),
        period_s=0.01,
    )
    dataset = import_npz(saved(tmp_path, content), Split("suboptimal"), columns)
    np.testing.assert_allclose(dataset.observations[:, 0], content["observations"][:, 2] * 0.5, rtol=1e-7)
    np.testing.assert_allclose(dataset.observations[:, 1], content["observations"][:, 0] + 1, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(dataset.actions[:, 0], content["actions"][:, 1])
    assert dataset.info.period_s == 0.01
    assert (dataset.info.action[0].low, dataset.info.action[0].high) == (-3.0, 3.0)
    assert dataset.select("suboptimal").size == len(dataset)


def test_a_simulators_actions_are_taken_to_reach_from_minus_one_to_one(tmp_path):
    content = arrays()
    content["actions"] *= 0.4
    content["meta"] = np.array(json.dumps({"env": "Hopper-v4", "d4rl_min": -20.0, "d4rl_max": 3234.0, "dt": 0.008}))
    dataset = import_npz(saved(tmp_path, content), Split())
    np.testing.assert_array_equal(dataset.info.action_high, [1, 1])
    assert dataset.info.meta["d4rl_max"] == 3234.0
    assert dataset.info.period_s == 0.008


@pytest.mark.parametrize("meta", ["no json", "[1]", '{"dt": "fast"}', '{"dt": NaN}'])
def test_meta_that_makes_no_sense_is_left_aside(tmp_path, meta):
    dataset = import_npz(saved(tmp_path, {**arrays(), "meta": np.array(meta)}), Split())
    assert dataset.info.meta == {}
    assert dataset.info.period_s == 0


@pytest.mark.parametrize("name", ["observations", "actions", "next_observations"])
def test_a_nan_is_named_by_file_array_column_and_row(tmp_path, name):
    content = arrays()
    content[name][77, 1] = np.nan
    signal = "act1" if name == "actions" else "obs1"
    with pytest.raises(DataError, match=rf"finite {name} in .*data\.npz; came nan for {signal} in row 77"):
        import_npz(saved(tmp_path, content), Split())


def test_arrays_of_other_names_are_refused_and_those_found_are_listed(tmp_path):
    with pytest.raises(DataError, match=r"observations, actions.*came states, moves"):
        import_npz(saved(tmp_path, {"states": np.zeros((3, 2)), "moves": np.zeros(3)}), Split())


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("actions", np.zeros((179, 2))),
        ("terminals", np.zeros(181, dtype=bool)),
        ("episode", np.zeros((), dtype=int)),
        ("step", np.full(180, "a")),
        ("observations", np.zeros((180, 3), dtype=complex)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, array):
    with pytest.raises(DataError, match="rows of numbers"):
        import_npz(saved(tmp_path, {**arrays(), name: array}), Split())


def test_rows_after_a_terminal_or_doubled_steps_are_refused(tmp_path):
    content = arrays()
    content["terminals"][10] = True
    with pytest.raises(DataError, match="no row after a terminal"):
        import_npz(saved(tmp_path, content), Split())
    content = arrays()
    content["step"][10] = 9
    with pytest.raises(DataError, match="consecutive steps"):
        import_npz(saved(tmp_path, content), Split())


def test_one_short_episode_is_refused(tmp_path):
    with pytest.raises(DataError, match="at least two episodes"):
        import_npz(saved(tmp_path, arrays(episodes=1)), Split())


def test_foreign_and_pickled_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("not a zip")
    for path in (tmp_path / "text.npz", tmp_path / "missing.npz"):
        with pytest.raises(DataError, match="npz archive"):
            import_npz(path, Split())
    np.savez(tmp_path / "pickle.npz", observations=np.array([{}], dtype=object), actions=np.zeros((1, 1)))
    with pytest.raises(DataError, match="npz archive"):
        import_npz(tmp_path / "pickle.npz", Split())


def benchmark(name):
    path = BENCHMARK / name
    if not path.exists():
        pytest.skip(f"{path} is not there; set ROBOT_IL_BENCHMARK to the folder of public recordings")
    return path


def test_a_real_balancing_robots_recordings_import_with_a_whole_run_held_out():
    path = benchmark("real-robot/regbot_group47_demos.npz")
    dataset = import_npz(path, Split())
    with np.load(path, allow_pickle=False) as source:
        np.testing.assert_array_equal(dataset.observations, source["observations"])
        np.testing.assert_array_equal(dataset.next_observations, source["next_observations"])
        np.testing.assert_array_equal(dataset.actions, source["actions"])
    assert sorted(record.rows for record in dataset.info.episodes) == [667, 667, 800, 800, 821, 822, 1056]
    assert sum(record.held_out for record in dataset.info.episodes) == 1
    assert dataset.info.period_s == 0.015
    inside = np.flatnonzero(np.diff(dataset.episode) == 0)
    np.testing.assert_array_equal(dataset.next_observations[inside], dataset.observations[inside + 1])


def test_hopper_rows_drawn_at_random_import_with_whole_episodes_held_out():
    path = benchmark("hopper-expert-2pct.npz")
    dataset = import_npz(path, Split())
    assert dataset.observations.shape == (20_000, 11)
    assert dataset.actions.shape == (20_000, 3)
    assert dataset.terminals.sum() == 13
    assert sum(record.held_out for record in dataset.info.episodes) == round(0.2 * 1105)
    assert dataset.info.meta["env"] == "Hopper-v4"
    np.testing.assert_array_equal(dataset.info.action_low, [-1, -1, -1])
