import json
from dataclasses import replace

import numpy as np
import pytest

from robot_il.errors import DataError
from robot_il.learning.dataset import COLUMNS, content_hash, load_dataset, save_dataset
from tests.learning.recordings import episode, made_dataset


@pytest.fixture
def dataset():
    return made_dataset(*(episode(30 + k, seed=k, terminated=k == 2) for k in range(6)), episode(90, "suboptimal"))


def test_saving_and_loading_gives_back_every_bit(tmp_path, dataset):
    assert save_dataset(tmp_path / "d", dataset) == dataset.info.hash
    again = load_dataset(tmp_path / "d")
    assert again.info == dataset.info
    for name in COLUMNS:
        assert getattr(again, name).tobytes() == getattr(dataset, name).tobytes()
        assert getattr(again, name).dtype == getattr(dataset, name).dtype


def test_the_same_dataset_is_the_same_files(tmp_path, dataset):
    for folder in ("a", "b"):
        save_dataset(tmp_path / folder, dataset)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted([*(f"{name}.npy" for name in COLUMNS), "dataset.json"])
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_every_array_is_read_only(dataset):
    for name in COLUMNS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(dataset, name)[0] = 0


@pytest.mark.parametrize("name", COLUMNS)
def test_one_changed_byte_of_any_column_is_found(tmp_path, dataset, name):
    save_dataset(tmp_path / "d", dataset)
    path = tmp_path / "d" / f"{name}.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="unchanged dataset"):
        load_dataset(tmp_path / "d")


def test_a_changed_manifest_is_found(tmp_path, dataset):
    save_dataset(tmp_path / "d", dataset)
    path = tmp_path / "d" / "dataset.json"
    manifest = json.loads(path.read_text())
    manifest["seed"] += 1
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="hash"):
        load_dataset(tmp_path / "d")


def test_another_format_version_is_named(tmp_path, dataset):
    save_dataset(tmp_path / "d", dataset)
    path = tmp_path / "d" / "dataset.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 7'))
    with pytest.raises(DataError, match="dataset format 1 or 2; came 7"):
        load_dataset(tmp_path / "d")


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "no json"])
def test_a_folder_that_is_no_dataset_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DataError, match="a dataset folder"):
        load_dataset(tmp_path)


def test_a_missing_or_short_column_is_refused(tmp_path, dataset):
    save_dataset(tmp_path / "d", dataset)
    path = tmp_path / "d" / "actions.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="unchanged dataset"):
        load_dataset(tmp_path / "d")
    path.unlink()
    with pytest.raises(DataError, match=r"actions\.npy"):
        load_dataset(tmp_path / "d")


def test_a_column_of_pickled_objects_is_refused(tmp_path, dataset):
    save_dataset(tmp_path / "d", dataset)
    np.save(tmp_path / "d" / "actions.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="allow_pickle"):
        load_dataset(tmp_path / "d")


def test_an_existing_folder_is_never_overwritten(tmp_path, dataset):
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match="there already"):
        save_dataset(tmp_path / "d", dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_selecting_partitions_the_rows_by_label_and_side(dataset):
    parts = [dataset.select(label, side) for label in ("expert", "suboptimal") for side in (False, True)]
    assert all(part.size for part in parts)
    assert sorted(np.concatenate(parts)) == list(range(len(dataset)))
    np.testing.assert_array_equal(dataset.select(("expert", "suboptimal")), np.arange(len(dataset)))
    assert dataset.select("undesirable").size == 0
    with pytest.raises(DataError, match="good"):
        dataset.select("good")


def broken(dataset, **columns):
    arrays = {name: array.copy() for name, array in dataset.columns().items()}
    for name, (index, value) in columns.items():
        arrays[name][index] = value
    return lambda: replace(dataset, **arrays)


@pytest.mark.parametrize("name", ["observations", "actions", "next_observations"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_named_by_source_signal_and_row(dataset, name, value):
    with pytest.raises(
        DataError, match=rf"finite {name}; came {value} for (wheel_torque|pitch) in row 41 \(made.mcap\)"
    ):
        broken(dataset, **{name: ((41, 0), value)})()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", 1, "one label"),
        ("held_out", True, "one label and one side"),
        ("episode", 40, "episodes 0 to"),
        ("episode", -1, "episodes 0 to"),
        ("step", 0, "steps that rise"),
        ("terminals", True, "only in an episode's last row"),
    ],
)
def test_a_column_that_breaks_the_episodes_is_refused(dataset, column, value, message):
    row = next(int(row) for row in dataset.select("expert", False) if dataset.step[row] == 3)
    with pytest.raises(DataError, match=message):
        broken(dataset, **{column: (row, value)})()


def test_arrays_of_another_shape_are_refused(dataset):
    with pytest.raises(DataError, match=r"actions of shape \(\d+, 1\); came \(\d+, 2\)"):
        replace(dataset, actions=np.zeros((len(dataset), 2)))
    with pytest.raises(DataError, match="timeouts of shape"):
        replace(dataset, timeouts=dataset.timeouts[1:])


def test_an_action_without_limits_is_refused(dataset):
    info = replace(dataset.info, action=(replace(dataset.info.action[0], low=None),))
    with pytest.raises(DataError, match="limits low < high"):
        replace(dataset, info=info)


def timed(dataset, time_us):
    columns = {**dataset.columns(), "time_us": time_us}
    info = replace(dataset.info, hash=content_hash(columns, dataset.info))
    return replace(dataset, time_us=time_us, info=info)


def test_measured_times_are_a_column_of_format_2_and_covered_by_the_hash(tmp_path, dataset):
    with_time = timed(dataset, 5000 * dataset.step.astype(np.int64) + 3)
    save_dataset(tmp_path / "d", with_time)
    assert json.loads((tmp_path / "d" / "dataset.json").read_text())["format"] == 2
    np.testing.assert_array_equal(load_dataset(tmp_path / "d").time_us, with_time.time_us)
    assert with_time.info.hash != dataset.info.hash
    np.save(tmp_path / "d" / "time_us.npy", with_time.time_us + 1)
    with pytest.raises(DataError, match="not what its hash says"):
        load_dataset(tmp_path / "d")


@pytest.mark.parametrize("step", [0, -1])
def test_time_that_does_not_rise_inside_an_episode_is_named_by_row(dataset, step):
    time_us = 5000 * dataset.step.astype(np.int64)
    time_us[5] = time_us[4] + step
    with pytest.raises(DataError, match="a step back after row 4"):
        timed(dataset, time_us)


def test_times_of_another_number_of_rows_are_refused(dataset):
    with pytest.raises(DataError, match="time_us of shape"):
        replace(dataset, time_us=np.arange(len(dataset) - 1))
