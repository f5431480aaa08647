import json
import shutil

import numpy as np
import pytest

from robot_il.errors import DataError
from robot_il.learning.importers import Split
from robot_il.learning.interop import lerobot_write
from robot_il.learning.interop.formats import export_dataset, import_dataset
from robot_il.learning.progress import Progress
from tests.learning.interop_data import drawn_dataset, whole_dataset

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

DATA = "data/chunk-000/file-000.parquet"


def written(dataset, folder):
    return folder, export_dataset(dataset, "lerobot", folder, Progress())


def imported(path, **options):
    return import_dataset(path, "lerobot", Split(**options), Progress())


def someone(folder, version="v3.0", fps=30, changed=None, **columns):
    """A foreign dataset of four episodes, its rows in two files, the later ones first."""
    random = np.random.default_rng(0)
    rows = {
        "observation.state": random.normal(size=(100, 2)).astype(np.float32),
        "observation.effort": random.normal(size=100).astype(np.float32),
        "action": random.uniform(-1, 1, (100, 2)).astype(np.float32),
        "episode_index": np.repeat(np.arange(4), 25),
        "frame_index": np.tile(np.arange(25), 4),
        "index": np.arange(100),
        "next.done": np.arange(100) % 25 == 24,
        **columns,
    }
    (folder / "meta").mkdir(parents=True)
    features = {
        "observation.state": {"dtype": "float32", "shape": [2], "names": {"motors": ["left", "right"]}},
        "observation.effort": {"dtype": "float32", "shape": [1], "names": None},
        "observation.images.top": {"dtype": "video", "shape": [480, 640, 3], "names": ["height", "width", "channels"]},
        "action": {"dtype": "float32", "shape": [2], "names": ["left", "right"], "units": ["rad", "rad"]},
        **(changed or {}),
    }
    info = {"codebase_version": version, "fps": fps, "robot_type": "so101", "features": features}
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    for chunk, part in ((1, slice(0, 50)), (0, slice(50, 100))):
        path = folder / f"data/chunk-{chunk:03d}/file-000.parquet"
        path.parent.mkdir(parents=True)
        table = {name: array[part] for name, array in rows.items()}
        pq.write_table(pa.table({name: list(a) if a.ndim > 1 else a for name, a in table.items()}), path)
    return folder, rows


def test_the_robots_own_time_is_the_time_stamp(tmp_path):
    dataset = whole_dataset()
    path, losses = written(dataset, tmp_path / "d")
    table = pq.read_table(path / DATA)
    first = np.searchsorted(dataset.episode, dataset.episode)
    seconds = (dataset.time_us - dataset.time_us[first]) / 1e6
    np.testing.assert_allclose(table["timestamp"].to_numpy(), seconds, rtol=1e-7)
    assert np.abs(table["timestamp"].to_numpy() - table["frame_index"].to_numpy() / 200).max() > 1e-5
    np.testing.assert_array_equal(table["time_us"].to_numpy(), dataset.time_us)
    assert any("time_us" in line for line in losses)


def test_times_that_nobody_measured_are_told(tmp_path):
    _, losses = written(whole_dataset(with_time=False), tmp_path / "d")
    assert "timestamp is step times period: nobody measured it" in losses


def test_a_rate_that_is_no_whole_number_is_told(tmp_path):
    from dataclasses import replace

    from robot_il.learning.dataset import content_hash

    dataset = whole_dataset()
    info = replace(dataset.info, period_s=0.015, hash="")
    other = replace(dataset, info=replace(info, hash=content_hash(dataset.columns(), info)))
    path, losses = written(other, tmp_path / "d")
    assert "fps is the whole number 67, the rows come at 66.6667 Hz" in losses
    assert json.loads((path / "meta/info.json").read_text())["fps"] == 67
    assert imported(path).info == other.info


def test_rows_drawn_at_random_are_told(tmp_path):
    _, losses = written(drawn_dataset(tmp_path / "s"), tmp_path / "d")
    assert any(line.startswith("rows of an episode are not consecutive") for line in losses)


def test_a_dataset_without_a_period_is_refused(tmp_path):
    path, _ = written(drawn_dataset(tmp_path / "s"), tmp_path / "d")
    assert path.is_dir()
    from dataclasses import replace

    unknown = drawn_dataset(tmp_path / "s")
    unknown = replace(unknown, info=replace(unknown.info, period_s=0.0))
    with pytest.raises(DataError, match="the period of the rows"):
        written(unknown, tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_names_units_limits_labels_and_quality_are_there(tmp_path):
    dataset = whole_dataset()
    path, _ = written(dataset, tmp_path / "d")
    info = json.loads((path / "meta/info.json").read_text())
    state, action = info["features"]["observation.state"], info["features"]["action"]
    assert (state["names"], state["units"]) == (
        ["pitch", "pitch_rate", "position", "velocity"],
        ["rad", "rad/s", "m", "m/s"],
    )
    assert (action["names"], action["units"], action["low"], action["high"]) == (["wheel_torque"], ["N m"], [-8], [8])
    table = pq.read_table(path / DATA)
    assert table.column_names == list(info["features"])
    quality = dict(zip(table["label"].to_pylist(), table["quality"].to_pylist(), strict=True))
    assert quality == {"expert": 2, "undesirable": 0, "unlabeled": -1}
    np.testing.assert_array_equal(table["next.done"].to_numpy(), dataset.terminals | dataset.timeouts)


def test_the_statistics_are_those_of_numpy_for_all_rows_and_each_episode(tmp_path):
    dataset = whole_dataset()
    path, _ = written(dataset, tmp_path / "d")
    stats = json.loads((path / "meta/stats.json").read_text())
    wide = dataset.actions.astype(float)
    assert stats["action"]["mean"] == pytest.approx(wide.mean(axis=0).tolist())
    assert stats["action"]["q90"] == pytest.approx(np.quantile(wide, 0.9, axis=0).tolist())
    assert stats["action"]["count"] == [len(dataset)]
    assert "label" not in stats
    episodes = pq.read_table(path / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    for index, row in enumerate(episodes):
        part = slice(row["dataset_from_index"], row["dataset_to_index"])
        assert (dataset.episode[part] == index).all()
        assert row["length"] == part.stop - part.start == dataset.info.episodes[index].rows
        assert row["stats/action/max"] == [dataset.actions[part].max()]
        assert (row["tasks"], row["label"]) == (["stand"], dataset.info.episodes[index].label)


def test_a_large_dataset_goes_into_several_files_that_cut_no_episode(tmp_path, monkeypatch):
    monkeypatch.setattr(lerobot_write, "FILE_MEGABYTES", 0.006)
    monkeypatch.setattr(lerobot_write, "FILES_PER_CHUNK", 2)
    dataset = whole_dataset()
    path, _ = written(dataset, tmp_path / "d")
    files = sorted((path / "data").glob("*/*.parquet"))
    assert len(files) > 4
    seen = [set(pq.read_table(file)["episode_index"].to_pylist()) for file in files]
    assert sum(map(len, seen)) == len(set.union(*seen)) == len(dataset.info.episodes)
    rows = pq.read_table(path / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    for row in rows:
        file = path / lerobot_write.DATA_PATH.format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )
        assert row["episode_index"] in pq.read_table(file)["episode_index"].to_pylist()
    assert imported(path).info == dataset.info


def test_a_foreign_dataset_keeps_its_numbers_and_names(tmp_path):
    path, rows = someone(tmp_path / "d")
    dataset = imported(path, label="suboptimal")
    kept = rows["frame_index"] != 24
    both = np.concatenate([rows["observation.effort"][:, None], rows["observation.state"]], axis=1)
    np.testing.assert_array_equal(dataset.observations, both[kept])
    np.testing.assert_array_equal(dataset.actions, rows["action"][kept])
    named = [(part.name, part.unit) for part in (*dataset.info.observation, *dataset.info.action)]
    assert named == [("effort0", "1"), ("left", "1"), ("right", "1"), ("left", "rad"), ("right", "rad")]
    assert dataset.info.period_s == pytest.approx(1 / 30)
    assert {record.label for record in dataset.info.episodes} == {"suboptimal"}
    assert not dataset.terminals.any()
    assert "features left out: observation.images.top" in dataset.info.notes
    assert dataset.info.meta["robot_type"] == "so101"


@pytest.mark.parametrize("version", ["v2.1", "v2.0", "v1.6", "2.1"])
def test_older_versions_are_refused_with_what_to_do(tmp_path, version):
    with pytest.raises(DataError, match=r"version 3 .*came version .*convert_dataset_v21_to_v30"):
        imported(someone(tmp_path / "d", version)[0])


def test_a_newer_version_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"came version v4\.0; update robot-il"):
        imported(someone(tmp_path / "d", "v4.0")[0])


@pytest.mark.parametrize("fps", [0, -30, "30", None, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(tmp_path, fps):
    with pytest.raises(DataError, match=r"a LeRobotDataset with meta/info\.json"):
        imported(someone(tmp_path / "d", fps=fps)[0])


@pytest.mark.parametrize(
    "action",
    [{}, {"dtype": "int64", "shape": [2]}, {"dtype": "float32", "shape": [2, 2]}, {"dtype": "float32", "shape": [-1]},
     {"dtype": "float32", "shape": [2**40]}, {"dtype": "float32", "shape": ["2"]}],
)  # fmt: skip
def test_without_a_real_action_it_is_refused(tmp_path, action):
    with pytest.raises(DataError, match="float features"):
        imported(someone(tmp_path / "d", changed={"action": action})[0])


def test_a_column_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no column observation\.tilt"):
        imported(someone(tmp_path / "d", changed={"observation.tilt": {"dtype": "float32", "shape": [1]}})[0])


def test_doubled_frames_are_refused(tmp_path):
    index = np.arange(100)
    index[7] = 8
    with pytest.raises(DataError, match="doubled or missing"):
        imported(someone(tmp_path / "d", index=index)[0])


def test_lists_of_several_lengths_and_missing_values_are_refused(tmp_path):
    path, _ = someone(tmp_path / "d")
    table = pq.read_table(path / DATA)
    ragged = table["action"].to_pylist()
    ragged[0], ragged[1] = [1.0], [1.0, 2.0, 3.0]
    for values, words in ((ragged, "lists of several lengths"), ([None, *ragged[2:], [1.0, 1.0]], "missing values")):
        broken = table.set_column(table.column_names.index("action"), "action", pa.array(values))
        pq.write_table(broken, path / DATA)
        with pytest.raises(DataError, match=words):
            imported(path)


@pytest.mark.parametrize("values", [["1"] * 50, [b"1"] * 50, [{"a": 1.0}] * 50, [[[1.0]]] * 50])
def test_columns_of_anything_but_numbers_are_refused(tmp_path, values):
    path, _ = someone(tmp_path / "d")
    table = pq.read_table(path / DATA)
    pq.write_table(table.set_column(table.column_names.index("action"), "action", pa.array(values)), path / DATA)
    with pytest.raises(DataError, match="not of numbers"):
        imported(path)


def test_extension_types_are_refused(tmp_path):
    path, _ = someone(tmp_path / "d")
    table = pq.read_table(path / DATA)
    kind = pa.fixed_shape_tensor(pa.float32(), (2,))
    storage = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(100, np.float32)), 2)
    column = pa.ExtensionArray.from_storage(kind, storage)
    pq.write_table(table.set_column(table.column_names.index("action"), "action", column), path / DATA)
    with pytest.raises(DataError, match="not of numbers"):
        imported(path)


@pytest.mark.parametrize("kept", [0, 4, 200])
def test_a_cut_file_is_one_line(tmp_path, kept):
    path, _ = someone(tmp_path / "d")
    (path / DATA).write_bytes((path / DATA).read_bytes()[:kept])
    with pytest.raises(DataError, match="a parquet file of frames") as caught:
        imported(path)
    assert "\n" not in str(caught.value)


def test_a_few_bytes_that_unpack_to_many_rows_are_refused_before_they_are_read(tmp_path, monkeypatch):
    from robot_il.learning.interop import files, lerobot_read

    path, _ = someone(tmp_path / "d")
    monkeypatch.setattr(lerobot_read, "Budget", lambda folder: files.Budget(folder, 5000))
    with pytest.raises(DataError, match="bytes unpacked"):
        imported(path)


def test_a_folder_without_data_is_refused(tmp_path):
    path, _ = someone(tmp_path / "d")
    shutil.rmtree(path / "data")
    with pytest.raises(DataError, match="came 0 of them"):
        imported(path)
