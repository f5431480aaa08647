import json
from dataclasses import replace

import numpy as np
import pytest

from robot_il.errors import DataError
from robot_il.learning.dataset import Channel, load_dataset, save_dataset
from robot_il.learning.episodes import assemble
from robot_il.learning.importers import Split
from robot_il.learning.interop import card, csv_folder
from robot_il.learning.interop.formats import FORMATS, export_dataset, import_dataset
from robot_il.learning.progress import Progress
from tests.learning.interop_data import drawn_dataset, whole_dataset
from tests.learning.recordings import episode


class Told(Progress):
    def __init__(self):
        self.last = None

    def show(self, what, done, most, text=""):
        self.last = done, most


def exported(dataset, form, folder, name="made-v0"):
    path = folder / name
    return path, export_dataset(dataset, form, path, Progress())


def same(one, other):
    assert set(one.columns()) == set(other.columns())
    for name, array in one.columns().items():
        assert array.tobytes() == other.columns()[name].tobytes(), name
    assert one.info == other.info


@pytest.fixture(scope="module", params=("timed", "untimed", "drawn"))
def dataset(request, tmp_path_factory):
    if request.param == "drawn":
        return drawn_dataset(tmp_path_factory.mktemp("drawn"))
    return whole_dataset(request.param == "timed")


@pytest.mark.parametrize("form", FORMATS)
def test_a_dataset_comes_back_bit_for_bit_with_labels_split_and_hash(tmp_path, dataset, form):
    path, _ = exported(dataset, form, tmp_path)
    again = import_dataset(path, form, Split(seed=99), Progress())
    same(dataset, again)
    save_dataset(tmp_path / "saved", again)
    same(dataset, load_dataset(tmp_path / "saved"))


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_dataset_is_exported_to_the_same_numbers_under_another_name(tmp_path, form):
    dataset = whole_dataset()
    for name in ("a-v0", "b-v1"):
        path, _ = exported(dataset, form, tmp_path, name)
        same(dataset, import_dataset(path, form, Split(), Progress()))


@pytest.mark.parametrize("form", FORMATS)
def test_under_another_label_the_numbers_stay_and_the_split_is_made_anew(tmp_path, form):
    dataset = whole_dataset()
    path, _ = exported(dataset, form, tmp_path)
    again = import_dataset(path, form, Split("suboptimal"), Progress(), restore=False)
    assert {record.label for record in again.info.episodes} == {"suboptimal"}
    assert again.info.task == again.info.spec_hash == ""
    assert again.info.observation == dataset.info.observation
    assert again.info.action == dataset.info.action
    assert card.ASKED in again.info.notes
    np.testing.assert_array_equal(again.observations, dataset.observations)
    np.testing.assert_array_equal(again.actions, dataset.actions)
    np.testing.assert_array_equal(again.next_observations, dataset.next_observations)
    np.testing.assert_array_equal(again.terminals, dataset.terminals)
    np.testing.assert_array_equal(again.time_us, dataset.time_us)


@pytest.mark.parametrize("form", FORMATS)
def test_an_existing_name_is_refused_and_stays_as_it_was(tmp_path, form):
    (tmp_path / "made-v0").write_text("mine")
    with pytest.raises(DataError, match="which is there already"):
        exported(whole_dataset(), form, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["made-v0"]
    assert (tmp_path / "made-v0").read_text() == "mine"


@pytest.mark.parametrize("form", FORMATS)
def test_a_missing_path_is_one_line(tmp_path, form):
    with pytest.raises(DataError) as caught:
        import_dataset(tmp_path / "none", form, Split(), Progress())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ("csv", "minari", "lerobot"))
def test_progress_reaches_the_end(tmp_path, form):
    told = Told()
    export_dataset(whole_dataset(), form, tmp_path / "made-v0", told)
    assert told.last is not None
    assert told.last[0] == told.last[1]


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(DataError, match="a format out of csv, npz, d4rl, minari, lerobot; came rlds"):
        export_dataset(whole_dataset(), "rlds", tmp_path / "x", Progress())


@pytest.mark.parametrize(
    ("form", "where"),
    [("csv", card.CARD), ("minari", f"data/{card.CARD}"), ("lerobot", f"meta/{card.CARD}")],
)
def test_the_export_itself_tells_what_is_not_as_recorded(tmp_path, form, where):
    path, losses = exported(whole_dataset(), form, tmp_path)
    assert json.loads((path / where).read_text())["losses"] == losses
    assert bool(losses) == (form != "csv")


@pytest.mark.parametrize(
    ("form", "where"),
    [("csv", card.CARD), ("minari", f"data/{card.CARD}"), ("lerobot", f"meta/{card.CARD}")],
)
@pytest.mark.parametrize("text", ["", "[]", '{"dataset": 3}', "\xff"])
def test_a_broken_card_is_refused_by_its_name(tmp_path, form, where, text):
    path, _ = exported(whole_dataset(), form, tmp_path)
    (path / where).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="a card of robot-il"):
        import_dataset(path, form, Split(), Progress())


@pytest.mark.parametrize(
    ("key", "value"),
    [("observation", 3), ("observation", []), ("action", ["x"]), ("action", [{"name": 1, "unit": "1"}]), ("meta", 3),
     ("action", [{"name": "u", "unit": "1", "low": "-1", "high": 1}])],
)  # fmt: skip
def test_a_card_that_names_no_signals_is_refused(tmp_path, key, value):
    path, _ = exported(whole_dataset(), "csv", tmp_path)
    content = json.loads((path / card.CARD).read_text())
    content["dataset"][key] = value
    (path / card.CARD).write_text(json.dumps(content))
    with pytest.raises(DataError, match="a card of robot-il"):
        import_dataset(path, "csv", Split(), Progress())


@pytest.mark.parametrize("key", ["task", "episodes", "columns", "notes", "hash", "period_s"])
@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [1], [None]])
def test_a_card_of_odd_values_restores_nothing_and_breaks_nothing(tmp_path, key, value):
    path, _ = exported(whole_dataset(), "npz", tmp_path)
    with np.load(path) as archive:
        arrays = dict(archive)
    content = json.loads(arrays["robot_il"].tobytes())
    content["dataset"][key] = value
    arrays["robot_il"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    np.savez(tmp_path / "odd.npz", **arrays)
    try:
        again = import_dataset(tmp_path / "odd.npz", "npz", Split(), Progress())
    except DataError:
        return
    assert again.info.task == ""


def test_a_card_with_another_number_of_rows_restores_nothing(tmp_path):
    dataset = whole_dataset()
    path, _ = exported(dataset, "csv", tmp_path)
    content = json.loads((path / card.CARD).read_text())
    content["dataset"]["episodes"][0]["rows"] = 2**62
    (path / card.CARD).write_text(json.dumps(content))
    again = import_dataset(path, "csv", Split(), Progress())
    assert card.CHANGED in again.info.notes
    assert again.info.task == ""


def test_a_changed_export_is_anyones_data_with_its_own_labels(tmp_path):
    dataset = whole_dataset()
    path, _ = exported(dataset, "csv", tmp_path)
    lines = (path / csv_folder.ROWS).read_text().splitlines()
    changed = lines[5].split(",")
    changed[3] = "0.125"
    lines[5] = ",".join(changed)
    (path / csv_folder.ROWS).write_text("\n".join(lines) + "\n")
    again = import_dataset(path, "csv", Split(), Progress())
    assert card.CHANGED in again.info.notes
    assert again.info.task == ""
    assert again.observations[3, 0] == np.float32(0.125)
    assert again.info.observation == dataset.info.observation
    assert [record.label for record in again.info.episodes] == [record.label for record in dataset.info.episodes]


def test_a_forged_task_does_not_survive(tmp_path):
    path, _ = exported(drawn_dataset(tmp_path / "source"), "csv", tmp_path)
    content = json.loads((path / card.CARD).read_text())
    content["dataset"]["task"] = "stand"
    (path / card.CARD).write_text(json.dumps(content))
    assert import_dataset(path, "csv", Split(), Progress()).info.task == ""


def test_the_csv_alone_imports_through_the_map_beside_it(tmp_path):
    from robot_il.learning.column_map import load_column_map
    from robot_il.learning.import_csv import import_csv

    dataset = whole_dataset()
    path, _ = exported(dataset, "csv", tmp_path)
    columns = load_column_map(path / csv_folder.MAP)
    again = import_csv([path / csv_folder.ROWS], Split(held_out_fraction=0.0), columns)
    assert again.info.observation == dataset.info.observation
    assert again.info.action == dataset.info.action
    last = np.append(np.diff(dataset.episode) != 0, True)
    np.testing.assert_array_equal(again.observations, dataset.observations[~last])
    np.testing.assert_array_equal(again.actions, dataset.actions[~last])


@pytest.mark.parametrize("name", ["step", "next_pitch", "a,b", "#x", " padded"])
def test_a_csv_refuses_a_name_that_makes_no_column_of_its_own(tmp_path, name):
    parts = [replace(episode(20, seed=index), side=False) for index in range(2)]
    channels = [Channel(part, "1") for part in ("pitch", name, "c", "d")]
    dataset = assemble(
        parts, task="", observation=channels, action=[Channel("u", "1", -1, 1)], period_s=0.01, seed=0
    )  # fmt: skip
    with pytest.raises(DataError, match="column"):
        exported(dataset, "csv", tmp_path)
    assert not list(tmp_path.iterdir())


def test_names_and_units_of_any_letters_survive(tmp_path):
    parts = [replace(episode(20, seed=index), side=False) for index in range(2)]
    channels = [
        Channel(name, unit) for name, unit in (("Neigung θ", "°"), ('"q"'[1:2], "m/s²"), ("c", "𝑥"), ("d", "\\"))
    ]
    dataset = assemble(
        parts, task="", observation=channels, action=[Channel("u", "1", -1, 1)], period_s=0.01, seed=0
    )  # fmt: skip
    for form in FORMATS:
        path, _ = exported(dataset, form, tmp_path, f"{form}-v0")
        same(dataset, import_dataset(path, form, Split(), Progress()))
    from robot_il.learning.column_map import load_column_map

    columns = load_column_map(tmp_path / "csv-v0" / csv_folder.MAP)
    assert [(column.name, column.unit) for column in columns.observation] == [(c.name, c.unit) for c in channels]
