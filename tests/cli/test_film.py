"""Films of recordings and of episodes in the twin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robot_il.cli.main import main
from robot_il.errors import ConfigError
from robot_il.recording.reader import read_log
from sim.film import check_film, write_film
from tests.firmware_bridge.policies import lqr_policy_file

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden" / "log.mcap"
SMALL = ("--size", "96x72")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a second and a half of the twin."""
    folder = tmp_path_factory.mktemp("logs")
    arguments = ["--controller", "lqr", "--label", "expert", "--episodes", "1", "--seconds", "1.5", "--workers", "1"]
    assert main(["collect", *arguments, "--out", str(folder / "lqr")]) == 0
    return next((folder / "lqr").glob("*.mcap"))


def film(out: Path, *arguments: object) -> int:
    return main(["film", *map(str, arguments), "--out", str(out), *SMALL])


def mp4(path: Path) -> tuple[int, np.ndarray]:
    """Frames a second of a film, and its frames (N, H, W, 3), as a decoder sees them."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="the extra [gym] is not installed").get_ffmpeg_exe()
    said = subprocess.run([ffmpeg, "-i", path], capture_output=True, text=True, check=False).stderr
    found = re.search(r"yuv420p.*, ([0-9]+)x([0-9]+).*?, ([0-9]+) fps", said)
    width, height, fps = map(int, found.groups())
    decoded = [ffmpeg, "-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(decoded, capture_output=True, check=True).stdout
    return fps, np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def frames_of(count, height=48, width=64):
    for number in range(count):
        yield np.full((height, width, 3), 20 * number, np.uint8)


def test_a_film_of_a_recording_shows_it_from_its_first_tick_to_its_last(log, tmp_path, capsys):
    out = tmp_path / "log.mp4"
    assert film(out, log) == 0
    fps, frames = mp4(out)
    ticks = read_log(log).ticks
    assert fps == 50
    assert frames.shape[1:] == (72, 96, 3)
    assert len(frames) == -(-len(ticks) // 4)
    assert f"{len(frames)} frames" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["log.mp4"]


def test_a_part_of_a_recording_begins_and_ends_where_it_was_asked_to(log, tmp_path):
    seconds = len(read_log(log).ticks) / 200
    assert film(tmp_path / "part.gif", log, "--start", 0.5 * seconds, "--seconds", 0.2, "--fps", 10) == 0
    with Image.open(tmp_path / "part.gif") as part:
        assert (part.n_frames, part.size) == (2, (96, 72))
        assert part.info["duration"] == 100


def test_an_episode_of_the_twin_is_the_same_film_every_time_and_another_for_another_draw(tmp_path):
    for name, draw in (("a", 1), ("b", 1), ("c", 2)):
        arguments = ("--controller", "lqr", "--draw", draw, "--seconds", 0.4, "--fps", 10)
        assert film(tmp_path / f"{name}.gif", *arguments) == 0
    content = {name: (tmp_path / f"{name}.gif").read_bytes() for name in "abc"}
    assert content["a"] == content["b"] != content["c"]


def test_a_policy_that_falls_is_seen_to_lie_down(tmp_path):
    policy = lqr_policy_file(tmp_path / "policy.onnx", strength=-1.0)
    assert film(tmp_path / "fall.gif", "--policy", policy, "--fps", 10, "--seconds", 10) == 0
    with Image.open(tmp_path / "fall.gif") as fall:
        # it falls within a second, and one second more is shown
        assert 10 < fall.n_frames < 25


def test_the_robot_of_a_recording_is_drawn_unless_another_is_named(log, tmp_path):
    for name, arguments in (("own", ()), ("named", ("--robot", "reference")), ("other", ("--robot", "two_wheeled"))):
        assert film(tmp_path / f"{name}.gif", log, "--seconds", 0.1, "--fps", 10, *arguments) == 0
    content = {name: (tmp_path / f"{name}.gif").read_bytes() for name in ("own", "named", "other")}
    assert content["own"] == content["named"] != content["other"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "a LOG, --policy FILE or --controller lqr"),
        ((GOLDEN, "--controller", "lqr"), "2 of them"),
        (("gone.mcap",), "gone.mcap"),
        ((GOLDEN, "--start", 1000), "correct --start"),
        ((GOLDEN, "--start", -1), "correct --start"),
        ((GOLDEN, "--seconds", 0), "correct --seconds"),
        ((GOLDEN, "--seconds", 1e9), "correct --seconds"),
        ((GOLDEN, "--fps", 0), "frames a second"),
        ((GOLDEN, "--fps", 1000), "frames a second"),
        ((GOLDEN, "--robot", "nobody"), "nobody"),
        (("--controller", "lqr", "--task", "dance"), "dance"),
        (("--policy", GOLDEN), "policy"),
    ],
)
def test_what_cannot_be_filmed_is_refused_by_name_and_leaves_nothing(tmp_path, capsys, arguments, named):
    assert film(tmp_path / "film.mp4", *arguments) == 1
    assert named in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", ["10x10", "640", "640x", "9999x9999", "axb"])
def test_a_size_that_no_picture_has_is_refused(tmp_path, capsys, size):
    assert main(["film", str(GOLDEN), "--out", str(tmp_path / "film.gif"), "--size", size]) == 1
    assert "expected a" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["film.avi", "film", "nowhere/film.mp4"])
def test_another_kind_of_film_or_a_folder_that_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"\.mp4 or \.gif"):
        check_film(tmp_path / name, None)


@pytest.mark.parametrize(("name", "fps"), [("a.gif", 30), ("a.gif", 100), ("a.mp4", 201), ("a.mp4", 0)])
def test_a_rate_that_its_kind_does_not_have_is_refused(tmp_path, name, fps):
    with pytest.raises(ConfigError, match=r"second|GIF"):
        check_film(tmp_path / name, fps)


@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
def test_a_film_that_breaks_off_leaves_the_earlier_one_in_its_place(tmp_path, name):
    (tmp_path / name).write_bytes(b"earlier")

    def broken():
        yield from frames_of(3)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_film(tmp_path / name, broken(), 10)
    assert (tmp_path / name).read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
def test_a_film_without_a_frame_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="at least one frame"):
        write_film(tmp_path / name, iter(()), 10)
    assert list(tmp_path.iterdir()) == []


def test_frames_come_out_as_they_went_in_odd_edges_cut(tmp_path):
    assert write_film(tmp_path / "film.mp4", frames_of(10, 49, 65), 25) == 10
    fps, frames = mp4(tmp_path / "film.mp4")
    assert (fps, frames.shape[1:]) == (25, (48, 64, 3))
    assert frames.mean(axis=(1, 2, 3)) == pytest.approx(20.0 * np.arange(10), abs=4.0)
    assert write_film(tmp_path / "film.gif", frames_of(10), 25) == 10
    with Image.open(tmp_path / "film.gif") as gif:
        shades = []
        for number in range(gif.n_frames):
            gif.seek(number)
            shades.append(np.asarray(gif.convert("RGB")).mean())
    assert shades == pytest.approx(20.0 * np.arange(10), abs=4.0)


def test_without_the_encoder_an_mp4_is_refused_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[gym\]', or make a GIF"):
        write_film(tmp_path / "film.mp4", frames_of(2), 10)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_gives_up_is_quoted(tmp_path):
    (tmp_path / ".film.partial.mp4").symlink_to(tmp_path / "nowhere" / "film.mp4")
    with pytest.raises(ConfigError, match=r"an encoder that takes the film; came .*No such file or directory"):
        write_film(tmp_path / "film.mp4", frames_of(30, 480, 640), 10)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_of_values_that_mean_nothing_is_filmed_all_the_same(tmp_path):
    assert film(tmp_path / "golden.gif", GOLDEN, "--fps", 50) == 0
