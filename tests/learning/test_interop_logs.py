import json

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.errors import DataError
from robot_il.learning.column_map import load_column_map
from robot_il.learning.import_csv import import_csv, read_table
from robot_il.learning.importers import Split
from robot_il.learning.interop.log_tables import export_log
from robot_il.learning.progress import Progress
from robot_il.recording.layouts import ADDED_IN
from robot_il.recording.reader import read_log
from robot_il.spec import SIGNALS, TICK_DTYPE
from tests.learning.recordings import driven_ticks, record

HARD = {
    "pitch": np.float32(1 / 3),
    "mcu_time_us": 2**53 - 1,
    "host_receive_ns": 2**62 + 1,
    "sent_left": np.float32(-0.0),
}
FORMS = ("csv", "npz", "hdf5", "parquet")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    ticks = driven_ticks(120)
    for name, value in HARD.items():
        ticks[name][-1] = value
    ticks["host_send_ns"] = np.random.default_rng(0).integers(2**62, 2**63 - 1, 120)
    return read_log(record(tmp_path_factory.mktemp("log") / "drive.mcap", ticks, "suboptimal"))


def read_csv(path):
    from robot_il.learning.column_map import ColumnMap

    table = read_table(path / "ticks.csv", ColumnMap((), ()))
    return {name: np.array([row[index] for row in table.rows]).astype(TICK_DTYPE[name])
            for index, name in enumerate(table.header)}, json.loads((path / "log.json").read_text())  # fmt: skip


def read_npz(path):
    with np.load(path) as archive:
        arrays = dict(archive)
    return arrays, json.loads(str(arrays.pop("about")))


def read_hdf5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        arrays = {name: file[name][()] for name in file}
        assert all(file[name].attrs["unit"] == SIGNALS[name].unit for name in arrays if name != "about")
    return arrays, json.loads(arrays.pop("about").tobytes())


def read_parquet(path):
    table = pytest.importorskip("pyarrow.parquet").read_table(path)
    for field in table.schema:
        assert field.metadata[b"unit"].decode() == SIGNALS[field.name].unit
    return {name: table[name].to_numpy() for name in table.column_names}, json.loads(table.schema.metadata[b"robot_il"])


@pytest.mark.parametrize("form", FORMS)
def test_every_signal_of_every_tick_comes_back_bit_for_bit(tmp_path, log, form):
    export_log(log, form, tmp_path / "table", Progress())
    arrays, about = globals()[f"read_{form}"](tmp_path / "table")
    assert list(arrays) == list(TICK_DTYPE.names) or form == "hdf5"
    assert set(arrays) == set(TICK_DTYPE.names)
    for name in TICK_DTYPE.names:
        np.testing.assert_array_equal(arrays[name], log.ticks[name], err_msg=name)
        finite = ~np.isnan(log.ticks[name]) if TICK_DTYPE[name].kind == "f" else slice(None)
        assert arrays[name][finite].tobytes() == log.ticks[name][finite].tobytes(), name
        assert arrays[name].dtype == TICK_DTYPE[name]
    assert about["label"] == "suboptimal"
    assert about["session"] == log.session.to_json()
    assert about["events"] == log.events
    assert about["source_sha256"] == log.sha256
    assert about["signals"]["pitch"] == {"unit": "rad", "meaning": SIGNALS["pitch"].meaning}


@pytest.mark.parametrize("form", FORMS)
def test_signals_that_an_old_log_has_not_are_left_out_and_named(tmp_path, golden_v1, form):
    export_log(golden_v1, form, tmp_path / "table", Progress())
    arrays, about = globals()[f"read_{form}"](tmp_path / "table")
    assert set(TICK_DTYPE.names) - set(arrays) == set(about["missing_signals"]) == set(ADDED_IN)


@pytest.fixture
def golden_v1():
    from pathlib import Path

    return read_log(Path(__file__).parents[2] / "data/golden/log_v1.mcap")


def test_the_csv_imports_through_the_map_beside_it(tmp_path, log):
    export_log(log, "csv", tmp_path / "table", Progress())
    columns = load_column_map(tmp_path / "table" / "map.toml")
    assert columns.label == "suboptimal"
    dataset = import_csv([tmp_path / "table" / "ticks.csv"], Split(held_out_fraction=0.2), columns)
    assert [(part.name, part.unit) for part in dataset.info.observation][:2] == [
        ("pitch", "rad"),
        ("pitch_rate", "rad/s"),
    ]
    assert [part.high for part in dataset.info.action] == [4.0, 4.0]
    np.testing.assert_array_equal(dataset.observations[:40, 0], log.ticks["pitch"][:40])


@pytest.mark.parametrize("form", FORMS)
def test_an_existing_name_is_refused(tmp_path, log, form):
    (tmp_path / "table").write_text("mine")
    with pytest.raises(DataError, match="which is there already"):
        export_log(log, form, tmp_path / "table", Progress())
    assert (tmp_path / "table").read_text() == "mine"


def test_the_command_prints_what_it_wrote(tmp_path, capsys, log):
    assert not main(["log", "export", str(log.path), "--format", "csv", "--out", str(tmp_path / "t")])
    assert f"120 ticks of {len(TICK_DTYPE.names)} signals" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["log.json", "map.toml", "ticks.csv"]


def test_the_command_says_that_a_recording_was_cut(tmp_path, capsys, log):
    (tmp_path / "cut.mcap").write_bytes(log.path.read_bytes()[:-500])
    assert not main(["log", "export", str(tmp_path / "cut.mcap"), "--format", "npz", "--out", str(tmp_path / "t.npz")])
    assert "the recording is cut: the end of the file is missing" in capsys.readouterr().out


def test_what_foxglove_and_plotjuggler_decode_is_what_the_reader_reads(log):
    decoder = pytest.importorskip("mcap_ros2.decoder")
    reader = pytest.importorskip("mcap.reader")
    with log.path.open("rb") as stream:
        messages = reader.make_reader(stream, decoder_factories=[decoder.DecoderFactory()])
        decoded = [message for *_, message in messages.iter_decoded_messages(topics=["/tick"])]
    assert len(decoded) == len(log.ticks)
    for name in TICK_DTYPE.names:
        theirs = np.array([getattr(message, name) for message in decoded]).astype(TICK_DTYPE[name])
        np.testing.assert_array_equal(theirs, log.ticks[name], err_msg=name)
