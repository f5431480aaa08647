import h5py
import numpy as np
import pytest

from robot_il.errors import DataError
from robot_il.learning.importers import Split
from robot_il.learning.interop.files import Budget
from robot_il.learning.interop.formats import export_dataset, import_dataset
from robot_il.learning.interop.hdf5 import numbers, open_hdf5
from robot_il.learning.progress import Progress
from tests.learning.interop_data import whole_dataset


def flat(path, **replaced):
    """A D4RL file of four episodes, with arrays replaced or, by None, left out."""
    random = np.random.default_rng(0)
    last = np.arange(120) % 30 == 29
    arrays = {
        "observations": random.normal(size=(120, 3)).astype(np.float32),
        "actions": random.uniform(-1, 1, (120, 2)).astype(np.float32),
        "rewards": np.ones(120),
        "terminals": last & (np.arange(120) > 60),
        "timeouts": last & (np.arange(120) <= 60),
        **replaced,
    }
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if array is not None:
                file[name] = array
    return path, arrays


def imported(path):
    return import_dataset(path, "d4rl", Split(), Progress())


def test_a_foreign_file_becomes_episodes_and_loses_each_ones_last_row(tmp_path):
    path, arrays = flat(tmp_path / "h.hdf5")
    dataset = imported(path)
    kept = np.arange(120) % 30 != 29
    np.testing.assert_array_equal(dataset.observations, arrays["observations"][kept])
    np.testing.assert_array_equal(dataset.actions, arrays["actions"][kept])
    assert [record.rows for record in dataset.info.episodes] == [29] * 4
    assert any("rewards and infos left out" in note for note in dataset.info.notes)
    assert any("last row of each episode dropped" in note for note in dataset.info.notes)


def test_next_observations_keep_every_row_and_the_falls(tmp_path):
    path, arrays = flat(tmp_path / "h.hdf5", next_observations=np.ones((120, 3), np.float32))
    dataset = imported(path)
    np.testing.assert_array_equal(dataset.terminals, arrays["terminals"])
    np.testing.assert_array_equal(dataset.timeouts, arrays["timeouts"])


def test_an_export_reads_as_d4rl_does(tmp_path):
    dataset = whole_dataset()
    losses = export_dataset(dataset, "d4rl", tmp_path / "s.hdf5", Progress())
    assert losses == ["rewards are NaN: none were recorded"]
    read = {}
    with h5py.File(tmp_path / "s.hdf5") as file:
        # as d4rl.offline_env.get_keys and get_dataset do: every dataset by its full path, read whole
        file.visititems(lambda name, item: read.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        assert list(file["observations"].attrs["units"]) == ["rad", "rad/s", "m", "m/s"]
        assert list(file["actions"].attrs["names"]) == ["wheel_torque"]
    assert {len(read[name]) for name in ("observations", "actions", "rewards", "terminals", "timeouts")} == {
        len(dataset)
    }
    assert np.isnan(read["rewards"]).all()
    np.testing.assert_array_equal(read["infos/time_us"], dataset.time_us)
    np.testing.assert_array_equal(read["infos/label"], dataset.label)


def test_objects_are_refused_and_never_unpacked(tmp_path):
    texts = np.array([b"x"] * 120, dtype=h5py.string_dtype())
    with pytest.raises(DataError, match="objects are never unpacked"):
        imported(flat(tmp_path / "h.hdf5", observations=texts)[0])


def test_records_are_refused(tmp_path):
    rows = np.zeros(120, dtype=[("a", "f4"), ("b", "f4")])
    with pytest.raises(DataError, match="numbers observations"):
        imported(flat(tmp_path / "h.hdf5", observations=rows)[0])


@pytest.mark.parametrize("link", [h5py.ExternalLink("other.hdf5", "/observations"), h5py.SoftLink("/actions")])
def test_a_link_to_elsewhere_is_refused(tmp_path, link):
    flat(tmp_path / "other.hdf5")
    path, _ = flat(tmp_path / "h.hdf5", observations=None)
    with h5py.File(path, "a") as file:
        file["observations"] = link
    with pytest.raises(DataError, match="observations in the file itself"):
        imported(path)


def test_numbers_kept_in_another_file_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"\0" * 1440)
    path, _ = flat(tmp_path / "h.hdf5", observations=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("observations", (120, 3), "<f4", external=[(str(tmp_path / "secret"), 0, 1440)])
    with pytest.raises(DataError, match="a reference to other files"):
        imported(path)


def test_a_virtual_dataset_is_refused(tmp_path):
    flat(tmp_path / "other.hdf5")
    path, _ = flat(tmp_path / "h.hdf5", observations=None)
    layout = h5py.VirtualLayout((120, 3), "<f4")
    layout[:] = h5py.VirtualSource(tmp_path / "other.hdf5", "observations", (120, 3))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("observations", layout)
    with pytest.raises(DataError, match="a reference to other files"):
        imported(path)


def test_a_small_file_that_unpacks_to_a_huge_array_is_refused_before_it_is_read(tmp_path):
    path, _ = flat(tmp_path / "h.hdf5", observations=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("observations", (2**40, 3), "<f4", chunks=(1024, 3), compression="gzip")
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="bytes unpacked"):
        imported(path)


def test_the_budget_is_one_for_the_whole_file(tmp_path):
    path, _ = flat(tmp_path / "h.hdf5")
    with open_hdf5(path) as file:
        budget = Budget(path, 120 * (3 + 2) * 4)
        numbers(file, "observations", budget)
        numbers(file, "actions", budget)
        with pytest.raises(DataError, match="bytes unpacked"):
            numbers(file, "terminals", budget)


def test_a_minari_file_is_sent_to_its_own_format(tmp_path):
    with h5py.File(tmp_path / "m.hdf5", "w") as file:
        file.create_group("episode_0")
    with pytest.raises(DataError, match="--format minari"):
        imported(tmp_path / "m.hdf5")


@pytest.mark.parametrize("kept", [0, 8, 100, 2000])
def test_a_cut_file_is_one_line(tmp_path, kept):
    path, _ = flat(tmp_path / "h.hdf5")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match="an HDF5 file of plain numbers") as caught:
        imported(path)
    assert "\n" not in str(caught.value)


def test_rows_of_different_numbers_are_refused(tmp_path):
    path, _ = flat(tmp_path / "h.hdf5", actions=np.zeros((119, 2), np.float32))
    with pytest.raises(DataError, match="120 rows of numbers in actions"):
        imported(path)
