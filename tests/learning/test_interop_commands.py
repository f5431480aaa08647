import subprocess
import sys

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.learning.dataset import load_dataset, save_dataset
from robot_il.learning.interop.formats import FORMATS
from tests.learning.interop_data import whole_dataset
from tests.learning.recordings import driven_ticks, record


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture
def folder(tmp_path):
    save_dataset(tmp_path / "d", whole_dataset())
    return tmp_path


@pytest.mark.parametrize("form", FORMATS)
def test_export_and_import_give_the_same_bytes_and_say_what_is_lost(folder, capsys, form):
    out = folder / f"{form}-v0"
    assert not run("dataset", "export", folder / "d", "--format", form, "--out", out)
    printed = capsys.readouterr().out
    assert load_dataset(folder / "d").info.hash[:12] in printed
    assert ("nothing is lost" in printed) == (form in ("csv", "npz"))
    assert ("rewards are NaN" in printed) == (form in ("d4rl", "minari"))
    assert not run("dataset", "import", "--format", form, out, "--out", folder / "again")
    for path in (folder / "d").iterdir():
        assert path.read_bytes() == (folder / "again" / path.name).read_bytes()


def test_a_label_overrides_those_of_an_export(folder):
    run("dataset", "export", folder / "d", "--format", "npz", "--out", folder / "e.npz")
    run("dataset", "import", "--format", "npz", folder / "e.npz", "--label", "suboptimal", "--out", folder / "again")
    again = load_dataset(folder / "again")
    assert {record.label for record in again.info.episodes} == {"suboptimal"}
    assert again.info.task == ""


def test_a_taken_name_is_refused_before_anything_is_read(folder, capsys):
    assert run("dataset", "export", folder / "none", "--format", "csv", "--out", folder / "d") == 1
    assert "which is there already" in capsys.readouterr().err


def test_two_folders_at_once_are_refused(folder, capsys):
    assert run("dataset", "import", "--format", "minari", "a", "b", "--out", folder / "x") == 1
    assert "one minari dataset; came 2 files" in capsys.readouterr().err


def test_logs_import_as_build_takes_them_with_the_robots_time(tmp_path):
    ticks = driven_ticks(300, seed=1)
    ticks["mcu_time_us"] += np.random.default_rng(0).integers(0, 50, 300).astype(np.uint64)
    record(tmp_path / "a.mcap", ticks)
    record(tmp_path / "b.mcap", driven_ticks(300, seed=2), "suboptimal")
    run("dataset", "import", "--format", "mcap", tmp_path / "a.mcap", tmp_path / "b.mcap", "--out", tmp_path / "i")
    run(
        "dataset",
        "build",
        "--expert",
        tmp_path / "a.mcap",
        "--suboptimal",
        tmp_path / "b.mcap",
        "--out",
        tmp_path / "b",
    )
    imported, built = load_dataset(tmp_path / "i"), load_dataset(tmp_path / "b")
    assert imported.info.hash == built.info.hash
    expert = built.select("expert")
    clock = (ticks["mcu_time_us"] - ticks["mcu_time_us"][0]).astype(np.int64)
    np.testing.assert_array_equal(built.time_us[expert], clock[built.step[expert]])


def test_logs_need_no_map(tmp_path, capsys):
    (tmp_path / "m.toml").write_text("[[observation]]\ncolumn = 0\n[[action]]\ncolumn = 1\n")
    words = ("dataset", "import", "--format", "mcap", "a.mcap", "--columns", tmp_path / "m.toml")
    assert run(*words, "--out", tmp_path / "x") == 1
    assert "no column map for logs" in capsys.readouterr().err


@pytest.mark.parametrize(("form", "part"), [("d4rl", "h5py"), ("minari", "h5py"), ("lerobot", "pyarrow")])
def test_a_bare_install_says_which_part_is_missing(folder, form, part):
    code = f"import sys; sys.modules['{part}'] = None; from robot_il.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ("dataset", "export", folder / "d", "--format", form, "--out", folder / "x-v0")
    result = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "expected the part [interop] of this package" in result.stderr
    assert not (folder / "x-v0").exists()


def test_csv_and_npz_need_neither_h5py_nor_pyarrow(folder):
    code = (
        "import sys; sys.modules.update({'h5py': None, 'pyarrow': None, 'torch': None}); "
        "from robot_il.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    for form in ("csv", "npz"):
        words = ("dataset", "export", folder / "d", "--format", form, "--out", folder / form)
        subprocess.run([sys.executable, "-c", code, *map(str, words)], check=True, capture_output=True)


def test_an_import_of_anothers_robot_is_accepted_by_train(tmp_path, capsys):
    pytest.importorskip("torch")
    from tests.learning.test_interop_minari import someone, walks

    someone(tmp_path / "their-v0", *walks())
    run("dataset", "import", "--format", "minari", tmp_path / "their-v0", "--out", tmp_path / "d")
    assert not run("train", "linear", "--data", tmp_path / "d", "--out", tmp_path / "run")
    assert (tmp_path / "run").is_dir()
    capsys.readouterr()
