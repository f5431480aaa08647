import base64
import io
import json
import re
from html.parser import HTMLParser

import matplotlib.image
import numpy as np
import pytest

from robot_il.errors import ConfigError, LogError
from robot_il.learning import figures, figures_training
from robot_il.learning.report import write_report
from tests.learning.recordings import driven_ticks, record


@pytest.fixture(scope="module")
def tmp_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def logs(tmp_folder):
    lqr = record(tmp_folder / "lqr.mcap", driven_ticks(300), "expert")
    hand = record(tmp_folder / "hand.mcap", driven_ticks(500, seed=1), "suboptimal", synthetic=True)
    return [lqr, hand]


@pytest.fixture
def run_folder(tmp_path):
    return made_run(tmp_path / "run-bc")


def made_run(folder):
    folder.mkdir()
    (folder / "config.json").write_text('{"method": "bc"}')
    records = []
    for step in range(0, 1000, 100):
        records.append({"step": step, "split": "train", "seconds": 1.0, "loss_policy": 2 - step / 1000})
        records.append({"step": step, "split": "held_out", "seconds": 1.0, "nll": abs(step - 500) / 1000, "mse": None})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    summary = {
        "method": "bc",
        "chosen_step": 500,
        "steps": 1000,
        "stop_reason": "no better for 500 steps",
        "held_out": {"nll": 0.123},
        "baseline": {"nll": 0.456},
        "seconds": 12.3,
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture(scope="module")
def evaluation(tmp_folder):
    policy = {
        "name": "bc <best>",
        "survived": 90,
        "episodes": 100,
        "survival": 0.9,
        "survival_interval": [0.825, 0.945],
        "time_to_fall_s": None,
        "drift_m": 0.25,
        "tilt_rms_rad": 0.0123,
        "effort_nm": 1.5,
    }
    document = {"task": "stand", "episodes": 100, "seconds": 20.0, "seed": 0, "policies": [policy]}
    path = tmp_folder / "evaluation.json"
    path.write_text(json.dumps(document))
    return path


class Page(HTMLParser):
    """What is in a page: its tags with attributes, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def whole(tmp_folder, logs, evaluation):
    """The text of a page with everything in it."""
    out = tmp_folder / "report.html"
    write_report(
        out, demonstrations=logs, runs=[made_run(tmp_folder / "run-bc")], evaluation=evaluation, deployed=logs[0]
    )
    assert not list(tmp_folder.glob("*.part"))
    return out.read_text()


def test_the_page_has_all_sections_and_is_well_formed(whole):
    page = Page(whole)
    assert page.open == []
    for words in ("Demonstrations", "Training", "Evaluation in the twin", "Deployed run", "no better for 500 steps"):
        assert words in page.words, words
    for words in ("lqr, synthetic", "0.123", "0.456", "bc <best>", "90 of 100", "82 to 94 %", "0.0123"):
        assert words in page.words, words
    assert sum(tag == "img" for tag, _ in page.tags) == 6


def test_the_page_asks_nothing_of_any_network_and_runs_nothing(whole):
    page = Page(whole)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "a"}
    sources = [
        attributes[name] for _, attributes in page.tags for name in ("src", "srcset", "href") if name in attributes
    ]
    assert len(sources) == 12
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|url\(", whole)


def test_every_plot_comes_in_a_light_and_a_dark_version_of_one_size(whole):
    page = Page(whole)
    light = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    dark = [attributes["srcset"] for tag, attributes in page.tags if tag == "source"]
    for pair in zip(light, dark, strict=True):
        first, second = map(_pixels, pair)
        assert first.shape == second.shape
        assert first[0, 0, :3].mean() > 0.9
        assert second[0, 0, :3].mean() < 0.2


def _pixels(url: str) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(url.split(",")[1])))


@pytest.mark.parametrize("part", ["demonstrations", "runs", "evaluation", "deployed"])
def test_each_part_alone_makes_a_page(tmp_path, logs, run_folder, evaluation, part):
    given = {"demonstrations": logs, "runs": [run_folder], "evaluation": evaluation, "deployed": logs[0]}[part]
    write_report(tmp_path / "report.html", **{part: given})
    assert Page((tmp_path / "report.html").read_text()).open == []


def test_nothing_to_report_on_and_broken_inputs_are_one_line_errors(tmp_path, run_folder, logs):
    out = tmp_path / "report.html"
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "empty.json").write_text('{"policies": []}')
    cases = [
        ({}, ConfigError),
        ({"runs": [tmp_path / "none"]}, ConfigError),
        ({"evaluation": tmp_path / "none.json"}, ConfigError),
        ({"evaluation": tmp_path / "list.json"}, ConfigError),
        ({"evaluation": tmp_path / "empty.json"}, ConfigError),
        ({"deployed": tmp_path / "none.mcap"}, LogError),
        ({"demonstrations": [run_folder / "config.json"]}, LogError),
    ]
    for given, kind in cases:
        with pytest.raises(kind) as caught:
            write_report(out, **given)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError):
        write_report(tmp_path / "no" / "report.html", demonstrations=logs)
    assert not out.exists()


def test_a_run_without_an_end_is_shown_as_not_finished(tmp_path, run_folder):
    (run_folder / "summary.json").unlink()
    with (run_folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1000, "sp')
    write_report(tmp_path / "report.html", runs=[run_folder])
    assert "not finished" in Page((tmp_path / "report.html").read_text()).words


def test_a_recording_that_is_not_fit_is_marked(tmp_path):
    ticks = driven_ticks(100)
    ticks["pitch"][3] = np.nan
    bad = record(tmp_path / "bad.mcap", ticks)
    write_report(tmp_path / "report.html", demonstrations=[bad], deployed=bad)
    page = Page((tmp_path / "report.html").read_text())
    assert ("td", {"class": "text bad"}) in page.tags
    assert "pitch finite" in page.words


@pytest.mark.parametrize("count", [0, 1])
def test_a_recording_of_hardly_any_ticks_makes_a_page(tmp_path, count):
    path = record(tmp_path / "short.mcap", driven_ticks(count))
    write_report(tmp_path / "report.html", demonstrations=[path], deployed=path)
    assert Page((tmp_path / "report.html").read_text()).open == []


def test_a_long_line_keeps_its_peaks():
    from matplotlib.figure import Figure

    values = np.zeros(100_001, np.float32)
    values[12_345], values[-1] = 5, -3
    axes = Figure().subplots()
    figures.line(axes, np.arange(100_001.0), values)
    (line,) = axes.lines
    assert len(line.get_xdata()) <= figures.MAX_POINTS
    assert (line.get_ydata().max(), line.get_ydata().min()) == (5, -3)


def test_series_leave_out_what_is_missing_and_not_a_quantity():
    metrics = [
        {"step": 0, "split": "train", "seconds": 1, "loss_a": 1.0},
        {"step": 0, "split": "held_out", "nll": 3.0},
        {"step": 5, "split": "train", "seconds": 1, "loss_a": None},
        {"step": 9, "split": "train", "seconds": 1, "loss_a": 0.5},
    ]
    assert figures_training.series(metrics, "train") == {"loss_a": ([0, 9], [1.0, 0.5])}


def test_runs_of_one_method_are_put_on_the_steps_of_all_of_them():
    def run(steps, offset):
        metrics = [{"step": step, "split": "held_out", "nll": step + offset} for step in steps]
        return {"name": "bc", "metrics": metrics, "summary": {"method": "bc"}}

    steps, values = figures_training.curves([run([0, 50, 100], 0.0), run([0, 50], 1.0)], "held_out")["nll"]
    np.testing.assert_array_equal(steps, [0, 50, 100])
    np.testing.assert_array_equal(values, [[0, 50, 100], [1, 51, np.nan]])


def test_several_runs_of_a_method_share_a_panel_with_a_band(tmp_path):
    from robot_il.learning.report_training import read_run

    runs = [read_run(made_run(tmp_path / name)) for name in ("bc-0", "bc-1")]
    alone, together = figures_training.learning_curves(runs[:1]), figures_training.learning_curves(runs)
    assert [len(figure.axes) for figure in (alone, together)] == [2, 2]
    assert [len(figure.axes[0].collections) for figure in (alone, together)] == [0, 1]
    assert together.axes[0].get_title(loc="left") == "bc, 2 runs"


def test_only_mean_outputs_of_discriminators_are_drawn_as_such():
    record = {"step": 1, "split": "train", "d_expert": 0.6, "d_r_rollout": 0.4, "weight_expert": 8.0, "discount": 0.9}
    run = {"name": "dmil", "metrics": [record], "summary": {"method": "dmil"}}
    assert set(figures_training.verdicts([run])["dmil"]) == {"d_expert", "d_r_rollout"}
    assert figures_training.verdicts([{**run, "metrics": []}]) == {}
