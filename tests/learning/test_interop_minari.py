import json
from itertools import pairwise

import h5py
import numpy as np
import pytest

from robot_il.errors import DataError
from robot_il.learning.importers import Split
from robot_il.learning.interop.formats import export_dataset, import_dataset
from robot_il.learning.progress import Progress
from tests.learning.interop_data import drawn_dataset, whole_dataset


@pytest.fixture
def minari(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return pytest.importorskip("minari")


def written(dataset, folder, name="stand-v0"):
    return folder / name, export_dataset(dataset, "minari", folder / name, Progress())


def someone(folder, observations, actions, space=None, ends=None, **metadata):
    """A foreign Minari dataset of these episodes, as its HDF5 storage lays it out."""
    data = folder / "data"
    data.mkdir(parents=True)
    with h5py.File(data / "main_data.hdf5", "w") as file:
        for index, (seen, done) in enumerate(zip(observations, actions, strict=True)):
            group = file.create_group(f"episode_{index}")
            if isinstance(seen, dict):
                for key, array in seen.items():
                    group.create_dataset(f"observations/{key}", data=array)
            else:
                group.create_dataset("observations", data=seen)
            group.create_dataset("actions", data=done)
            group.create_dataset("rewards", data=np.zeros(len(done)))
            last = np.arange(len(done)) == len(done) - 1
            group.create_dataset("terminations", data=last & (ends or [True] * 99)[index])
            group.create_dataset("truncations", data=last & ~(ends or [True] * 99)[index])
    box = {"type": "Box", "dtype": "float32", "shape": [1], "low": [-2.0], "high": [3.0], **(space or {})}
    content = {"data_format": "hdf5", "action_space": json.dumps(box), "minari_version": "0.5.2", **metadata}
    (data / "metadata.json").write_text(json.dumps(content))
    return folder


def walks(count=6, length=30, observed=3, seed=0):
    random = np.random.default_rng(seed)
    return (
        [random.normal(size=(length + 1, observed)) for _ in range(count)],
        [random.uniform(-1, 1, (length, 1)).astype(np.float32) for _ in range(count)],
    )


@pytest.mark.parametrize("with_time", [True, False])
def test_the_real_package_loads_the_same_episodes_by_name(tmp_path, minari, with_time):
    dataset = whole_dataset(with_time)
    written(dataset, tmp_path)
    loaded = minari.load_dataset("stand-v0")
    assert (loaded.total_episodes, loaded.total_steps) == (len(dataset.info.episodes), len(dataset))
    assert list(minari.list_local_datasets()) == ["stand-v0"]
    edges = [0, *np.cumsum([record.rows for record in dataset.info.episodes])]
    for episode, (start, stop) in zip(loaded.iterate_episodes(), pairwise(edges), strict=True):
        assert episode.observations[:-1].tobytes() == dataset.observations[start:stop].tobytes()
        assert episode.observations[1:].tobytes() == dataset.next_observations[start:stop].tobytes()
        assert episode.actions.tobytes() == dataset.actions[start:stop].tobytes()
        np.testing.assert_array_equal(episode.terminations, dataset.terminals[start:stop])
        np.testing.assert_array_equal(episode.truncations, dataset.timeouts[start:stop])
        assert np.isnan(episode.rewards).all()
        np.testing.assert_array_equal(episode.infos["step"][:-1], dataset.step[start:stop])
        if with_time:
            np.testing.assert_allclose(episode.infos["time_s"][:-1], dataset.time_us[start:stop] / 1e6, atol=1e-9)


def test_the_real_package_sees_labels_and_limits(tmp_path, minari):
    dataset = whole_dataset()
    written(dataset, tmp_path)
    loaded = minari.load_dataset("stand-v0")
    told = [entry["label"] for entry in loaded.storage.get_episode_metadata(range(loaded.total_episodes))]
    assert told == [record.label for record in dataset.info.episodes]
    assert (loaded.action_space.low, loaded.action_space.high) == (-8, 8)
    assert loaded.observation_space.shape == (4,)
    assert all(action in loaded.action_space for action in dataset.actions)
    assert "pitch [rad]" in loaded.storage.metadata["description"]


def test_rows_that_do_not_follow_are_told_as_more_episodes(tmp_path, minari):
    dataset = drawn_dataset(tmp_path / "source")
    path, losses = written(dataset, tmp_path, "drawn-v0")
    assert minari.MinariDataset(path / "data").total_steps == len(dataset)
    assert any(line.startswith("4 episodes appear as ") for line in losses)


@pytest.mark.parametrize("name", ["stand", "stand-v", "a b-v0", "stand-v0.1"])
def test_a_name_that_minari_would_not_load_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="a name with a version"):
        written(whole_dataset(), tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_a_foreign_dataset_keeps_its_numbers_limits_and_ends(tmp_path):
    observations, actions = walks()
    ends = [True, False, True, False, False, True]
    path = someone(tmp_path / "their-v0", observations, actions, ends=ends, env_spec='{"id": "Cart-v1"}')
    dataset = import_dataset(path, "minari", Split("suboptimal", held_out_fraction=0.4), Progress())
    assert dataset.info.task == ""
    assert {record.label for record in dataset.info.episodes} == {"suboptimal"}
    for index in range(6):
        rows = dataset.episode == index
        np.testing.assert_array_equal(dataset.observations[rows], observations[index][:-1].astype(np.float32))
        np.testing.assert_array_equal(dataset.next_observations[rows], observations[index][1:].astype(np.float32))
        np.testing.assert_array_equal(dataset.actions[rows], actions[index])
        assert dataset.terminals[rows][-1] == ends[index]
    assert [(part.low, part.high) for part in dataset.info.action] == [(-2.0, 3.0)]
    assert dataset.info.meta["env"] == "Cart-v1"
    assert "observations rounded from float64 to float32" in dataset.info.notes


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_the_real_package_writes_is_read_as_it_was_given(tmp_path, minari):
    gymnasium = pytest.importorskip("gymnasium")
    from minari.data_collector import EpisodeBuffer

    observations, actions = walks()
    buffers = [
        EpisodeBuffer(
            observations=list(seen),
            actions=list(done),
            rewards=[0.5] * 30,
            terminations=[False] * 29 + [index % 2 == 0],
            truncations=[False] * 29 + [index % 2 == 1],
        )
        for index, (seen, done) in enumerate(zip(observations, actions, strict=True))
    ]
    box = gymnasium.spaces.Box
    minari.create_dataset_from_buffers(
        "theirs/walks-v0", buffer=buffers, observation_space=box(-np.inf, np.inf, (3,)), action_space=box(-1, 1, (1,))
    )
    dataset = import_dataset(tmp_path / "theirs" / "walks-v0", "minari", Split(), Progress())
    given = np.concatenate([array[:-1] for array in observations]).astype(np.float32)
    np.testing.assert_array_equal(dataset.observations, given)
    np.testing.assert_array_equal(dataset.actions, np.concatenate(actions))
    assert np.flatnonzero(dataset.terminals).tolist() == [29, 89, 149]
    assert [(part.low, part.high) for part in dataset.info.action] == [(-1.0, 1.0)]


def test_the_data_folder_itself_may_be_named(tmp_path):
    path = someone(tmp_path / "their-v0", *walks())
    assert len(import_dataset(path / "data", "minari", Split(), Progress())) == 180


def test_a_dictionary_of_observations_is_laid_side_by_side_in_order_of_its_keys(tmp_path):
    observations, actions = walks(observed=2)
    as_dicts = [{"goal": array[:, :1], "base/state": array} for array in observations]
    dataset = import_dataset(someone(tmp_path / "d-v0", as_dicts, actions), "minari", Split(), Progress())
    assert [part.name for part in dataset.info.observation] == ["base/state0", "base/state1", "goal0"]
    np.testing.assert_array_equal(dataset.observations[:, 2], dataset.observations[:, 0])


def test_more_than_ten_episodes_keep_the_order_of_their_numbers(tmp_path):
    observations, actions = walks(count=12)
    dataset = import_dataset(someone(tmp_path / "d-v0", observations, actions), "minari", Split(), Progress())
    first = dataset.observations[np.append(0, np.flatnonzero(np.diff(dataset.episode)) + 1)]
    np.testing.assert_array_equal(first, np.array([array[0] for array in observations], np.float32))


@pytest.mark.parametrize("space", [{"low": [-np.inf]}, {"low": "x"}, {"low": [5.0]}, {"low": [0.0, 0.0]}])
def test_without_usable_limits_the_largest_action_is_the_limit(tmp_path, space):
    observations, actions = walks()
    dataset = import_dataset(someone(tmp_path / "d-v0", observations, actions, space), "minari", Split(), Progress())
    assert dataset.info.action[0].high == pytest.approx(np.abs(np.concatenate(actions)).max())


def test_discrete_actions_are_refused(tmp_path):
    observations, actions = walks()
    whole = [array.astype(np.int64) for array in actions]
    with pytest.raises(DataError, match="real actions in /episode_0"):
        import_dataset(someone(tmp_path / "d-v0", observations, whole), "minari", Split(), Progress())


def test_as_many_observations_as_actions_are_refused(tmp_path):
    observations, actions = walks()
    short = [array[:-1] for array in observations]
    with pytest.raises(DataError, match="29 real actions"):
        import_dataset(someone(tmp_path / "d-v0", short, actions), "minari", Split(), Progress())


def test_the_arrow_layout_is_refused_with_what_to_do(tmp_path):
    path = someone(tmp_path / "d-v0", *walks(), data_format="arrow")
    with pytest.raises(DataError, match=r"in hdf5 .*came 'arrow'; export it again"):
        import_dataset(path, "minari", Split(), Progress())


@pytest.mark.parametrize("text", ["", "[]", "{}", "\xff", "{" + " " * 2**24])
def test_metadata_that_is_none_is_refused(tmp_path, text):
    path = someone(tmp_path / "d-v0", *walks())
    (path / "data" / "metadata.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="a Minari dataset with metadata"):
        import_dataset(path, "minari", Split(), Progress())


@pytest.mark.parametrize("name", ["episode_", "episode_x", "episode_99999999999", "other", "episode_²"])
def test_groups_of_other_names_are_refused(tmp_path, name):
    path = someone(tmp_path / "d-v0", *walks())
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        file.create_group(name)
    with pytest.raises(DataError, match="groups called episode_0"):
        import_dataset(path, "minari", Split(), Progress())


def test_episodes_of_different_widths_are_refused(tmp_path):
    observations, actions = walks()
    observations[3] = observations[3][:, :2]
    with pytest.raises(DataError, match="episodes with equal columns"):
        import_dataset(someone(tmp_path / "d-v0", observations, actions), "minari", Split(), Progress())


def test_a_nan_is_named(tmp_path):
    observations, actions = walks()
    observations[1][4, 2] = np.nan
    with pytest.raises(DataError, match="nan for obs2 in row 34"):
        import_dataset(someone(tmp_path / "d-v0", observations, actions), "minari", Split(), Progress())
