"""Every policy of an evaluation meets the same draws, however far the twins are from their profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from robot_il.cli.arguments import RANDOMISED
from robot_il.cli.candidates import Candidate, evaluate_candidates
from robot_il.cli.collecting import Collection, collect
from robot_il.cli.main import main
from robot_il.cli.rollout import Rollout
from robot_il.recording.reader import read_log
from robot_il.tasks import TASKS
from sim.randomisation import WIDTHS

STAND = TASKS["stand"]


def test_the_commands_know_the_twins_widths() -> None:
    assert RANDOMISED == WIDTHS


@pytest.mark.parametrize("width", WIDTHS)
def test_the_same_law_under_two_names_does_the_same_on_every_draw(width: str) -> None:
    rollout = Rollout("reference", STAND, 0.6, width=width)
    first, second = evaluate_candidates(rollout, [Candidate("lqr"), Candidate("again")], [3, 4, 5], workers=1)
    assert first == second
    assert len({episode.tilt_rms_rad for episode in first}) == 3


def test_each_width_is_another_robot_from_the_same_start() -> None:
    runs = {
        width: evaluate_candidates(Rollout("reference", STAND, 0.6, width=width), [Candidate("lqr")], [3], 1)[0][0]
        for width in ("usual", "plausible", "none")
    }
    assert len({episode.effort_nm for episode in runs.values()}) == 3


def test_a_collection_keeps_in_its_logs_what_was_drawn(tmp_path: Path) -> None:
    collection = Collection(Rollout("reference", STAND, 0.3, width="plausible"), "lqr", "expert", tmp_path)
    (collected,) = collect(collection, [7], 1)
    kept = read_log(collected.path).session.config["conditions"]
    drawn = collection.rollout.conditions(7)
    assert kept["figures"] == [[name, value] for name, value in drawn.figures]
    assert kept["mass_scale"] == drawn.mass_scale


def test_an_unknown_width_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "policy.onnx", "--randomise", "wild"])
    assert "plausible" in capsys.readouterr().err
