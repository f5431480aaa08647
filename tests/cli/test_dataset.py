import json

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.learning.dataset import load_dataset
from tests.learning.recordings import driven_ticks, record


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    record(folder / "lqr.mcap", driven_ticks(200, seed=1))
    record(folder / "operator.mcap", driven_ticks(300, seed=2), "suboptimal", synthetic=True)
    broken = driven_ticks(200, seed=3)
    broken["velocity"][120] = np.nan
    record(folder / "broken.mcap", broken)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(capsys, *words):
    """The one line that a refused command prints."""
    assert main([str(word) for word in words]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("robot-il: error: expected ")
    assert "; came " in lines[0]
    return lines[0]


def test_build_writes_a_dataset_and_prints_what_went_into_it(tmp_path, capsys, logs):
    out = tmp_path / "data"
    words = ["dataset", "build", "--expert", logs / "lqr.mcap", "--suboptimal", logs / "operator.mcap", "--out", out]
    assert not main([*map(str, words), "--expert-transitions", "140", "--seed", "3", "--action", "applied"])
    printed = capsys.readouterr().out
    dataset = load_dataset(out)
    assert dataset.info.seed == 3
    assert dataset.info.action_source == "applied"
    assert 130 < dataset.select("expert").size <= 140
    for expected in (dataset.info.hash[:12], "the first 140 of 199 transitions", "held out", "synthetic", str(out)):
        assert expected in printed
    assert not main(["dataset", "info", str(out)])
    assert dataset.info.hash[:12] in capsys.readouterr().out


def test_the_same_command_gives_the_same_bytes(tmp_path, capsys, logs):
    for name in ("a", "b"):
        main(["dataset", "build", "--expert", str(logs / "lqr.mcap"), "--out", str(tmp_path / name)])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    capsys.readouterr()


def test_a_nan_in_a_log_is_one_line_and_leaves_nothing(tmp_path, capsys, logs):
    out = tmp_path / "data"
    line = refused(capsys, "dataset", "build", "--expert", logs / "broken.mcap", "--out", out)
    assert "1 of 1 that fail: broken.mcap: velocity finite (not a number or infinite: 1, first at tick 120)" in line
    assert "--drop-failed" in line
    assert "--keep-failed" in line
    line = refused(capsys, "dataset", "build", "--expert", logs / "broken.mcap", "--out", out, "--keep-failed")
    assert "finite velocity in broken.mcap; came nan in row 120" in line
    assert names(tmp_path) == []


def test_a_folder_of_logs_is_built_with_their_own_labels_and_its_failures_dropped(tmp_path, capsys, logs):
    out = tmp_path / "data"
    assert "broken.mcap: velocity finite" in refused(capsys, "dataset", "build", logs, "--out", out)
    assert not main(["dataset", "build", str(logs), "--out", str(out), "--drop-failed", "--held-out-fraction", "0"])
    assert "left out: velocity finite" in capsys.readouterr().out
    dataset = load_dataset(out)
    assert (dataset.select("expert").size, dataset.select("suboptimal").size) == (199, 299)
    assert [entry["source"] for entry in dataset.info.meta["quality"]["dropped"]] == ["broken.mcap"]


def test_one_short_episode_is_one_line_and_leaves_nothing(tmp_path, capsys, logs):
    words = ["--expert", logs / "lqr.mcap", "--expert-transitions", "25", "--out", tmp_path / "data"]
    assert "at least two episodes" in refused(capsys, "dataset", "build", *words)
    assert names(tmp_path) == []


def test_a_foreign_log_or_none_is_one_line_and_leaves_nothing(tmp_path, capsys):
    (tmp_path / "foreign.mcap").write_bytes(b"nothing of ours")
    line = refused(capsys, "dataset", "build", "--expert", tmp_path / "foreign.mcap", "--out", tmp_path / "data")
    assert "foreign.mcap" in line
    refused(capsys, "dataset", "build", "--out", tmp_path / "data")
    assert names(tmp_path) == ["foreign.mcap"]


def test_an_existing_folder_is_refused_and_kept(tmp_path, capsys, logs):
    (tmp_path / "kept").write_text("mine")
    line = refused(capsys, "dataset", "build", "--expert", logs / "lqr.mcap", "--out", tmp_path)
    assert "there already" in line
    assert names(tmp_path) == ["kept"]


@pytest.fixture
def arrays(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "arrays.npz"
    np.savez(
        path,
        observations=random.normal(size=(60, 3)),
        actions=random.normal(size=(60, 1)),
        terminals=np.zeros(60, dtype=bool),
        timeouts=np.arange(60) % 10 == 9,
    )
    return path


def test_import_reads_arrays_and_labels_them(tmp_path, capsys, arrays):
    out = tmp_path / "data"
    words = ["dataset", "import", "--format", "npz", str(arrays), "--out", str(out), "--label", "suboptimal"]
    assert not main(words)
    assert load_dataset(out).select("suboptimal").size == 54
    assert "suboptimal" in capsys.readouterr().out


def write_csv(tmp_path, header="t,tilt,u"):
    rows = [f"{0.01 * index:.2f},{np.sin(index):.3f},{np.cos(index):.3f}" for index in range(80)]
    (tmp_path / "run.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "map.toml").write_text(
        'label = "undesirable"\ntime = {column = "t"}\n[[observation]]\ncolumn = "tilt"\n[[action]]\ncolumn = "u"\n'
    )
    return tmp_path / "run.csv", tmp_path / "map.toml"


def test_import_reads_csv_through_a_map(tmp_path, capsys):
    path, columns = write_csv(tmp_path)
    out = tmp_path / "data"
    assert not main(["dataset", "import", "--format", "csv", "--columns", str(columns), str(path), "--out", str(out)])
    dataset = load_dataset(out)
    assert json.loads((out / "dataset.json").read_text())["period_s"] == pytest.approx(0.01)
    assert dataset.select("undesirable").size == len(dataset)
    capsys.readouterr()


def test_wrong_columns_are_one_line_naming_those_found_and_leave_nothing(tmp_path, capsys):
    path, columns = write_csv(tmp_path, "time,lean,u")
    words = ["dataset", "import", "--format", "csv", "--columns", columns, path, "--out", tmp_path / "data"]
    assert "the columns time, lean, u" in refused(capsys, *words)
    assert names(tmp_path) == ["map.toml", "run.csv"]


def test_an_import_that_lacks_its_map_or_names_two_archives_is_refused(tmp_path, capsys, arrays):
    assert "a column map" in refused(capsys, "dataset", "import", "--format", "csv", arrays, "--out", tmp_path / "d")
    words = ["dataset", "import", "--format", "npz", arrays, arrays, "--out", tmp_path / "d"]
    assert "one npz archive; came 2 files" in refused(capsys, *words)


def test_info_of_something_else_is_refused(tmp_path, capsys):
    assert "a dataset folder" in refused(capsys, "dataset", "info", tmp_path)
