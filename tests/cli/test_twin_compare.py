from __future__ import annotations

import json
from pathlib import Path

import pytest

from robot_il.cli.main import build_parser, main

from .excited import excited_log


@pytest.fixture(scope="module")
def like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return excited_log(tmp_path_factory.mktemp("compare") / "like.mcap", 6.0)


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return excited_log(tmp_path_factory.mktemp("compare") / "weak.mcap", 6.0, motor_strength_scale=0.8)


def test_a_robot_like_its_twin_passes_the_gate(like: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "errors.json"
    words = ["--limit", "pitch=0.02@0.25", "--limit", "velocity=0.05@0.1", "--json", str(out)]
    assert main(["twin", "compare", str(like), *words]) == 0
    said = capsys.readouterr().out
    assert "all 2 limits hold" in said
    values = json.loads(out.read_text(encoding="utf-8"))
    place = values["horizons_s"].index(0.25)
    errors = {name: values["rms"][name]["pitch"][place] for name in ("twin", "linear", "persistence")}
    assert errors["twin"] < 0.5 * errors["linear"]
    assert errors["twin"] < 0.5 * errors["persistence"]
    assert values["broken"] == []


def test_a_robot_unlike_its_twin_is_stopped_at_the_gate(weak: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "compare", str(weak), "--limit", "pitch=0.02@0.25"]) == 1
    assert "LIMIT EXCEEDED: pitch" in capsys.readouterr().out


def test_a_horizon_of_one_s_own_is_added_to_the_table(like: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "compare", str(like), "--limit", "position=0.5@0.15"]) == 0
    assert "  0.15 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    "limit",
    ["pitch", "pitch=0.1", "height=0.1@0.25", "pitch=-1@0.25", "pitch=nan@0.25", "pitch=0.1@0", "pitch=0.1@60"],
)
def test_a_limit_that_means_nothing_is_refused(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "compare", "any.mcap", "--limit", limit]) == 1
    assert "--limit" in capsys.readouterr().err


def test_the_twin_itself_still_starts_without_another_word() -> None:
    from robot_il.cli import twin, twin_compare

    parser = build_parser()
    plain = parser.parse_args(["twin", "--link", "/tmp/robot", "--seed", "3"])
    assert plain.run is twin.run
    assert (plain.link, plain.seed) == (Path("/tmp/robot"), 3)
    assert parser.parse_args(["twin", "compare", "a.mcap"]).run is twin_compare.run
