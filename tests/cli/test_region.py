"""The region's command, its trials in the twin, and its part in driving."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.drive import deployed_guard
from robot_il.cli.guarded import fly
from robot_il.cli.main import main
from robot_il.cli.region import require_caught
from robot_il.cli.region_trials import BLIND_TICKS, HELD_RAD, SHELLS, Trial, draw_start, heights_tried, run_trial
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import discretise, linear_dynamics, lqr_gain
from robot_il.control.region_file import load_region
from robot_il.control.schedule import as_told
from robot_il.errors import ConfigError
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import PROFILES, load_robot
from robot_il.spec import CONTROL_PERIOD_S
from robot_il.tasks import TASKS
from sim.conditions import sample_conditions

from ..control.test_guard import state

ROBOT = load_robot()
REGIONS = load_region(ROBOT).region
REGION = REGIONS.of_nominal


def margin(point: np.ndarray) -> float:
    pitch, rate, velocity = point
    return REGIONS.margin(state(pitch=pitch, pitch_rate=rate, velocity=velocity))


def test_the_command_shows_the_region_with_what_was_verified(capsys) -> None:
    assert main(["region"]) == 0
    shown = capsys.readouterr().out
    assert f"{REGION.at_rest_rad:.3f} rad" in shown
    assert "twin, inside (0 to 1 of the edge): caught" in shown
    assert "Wilson" in shown


def test_a_verification_in_the_twin_is_printed_and_changes_no_file(capsys) -> None:
    before = (PROFILES / "reference.region.json").read_bytes()
    assert main(["region", "--verify", "9", "--workers", "1", "--seed", "77"]) == 0
    assert "inside (0 to 1 of the edge): caught 9 of 9" in capsys.readouterr().out
    assert (PROFILES / "reference.region.json").read_bytes() == before


@pytest.mark.parametrize("number", ["0", "-3"])
def test_a_verification_without_starts_is_refused(number: str, capsys) -> None:
    assert main(["region", "--verify", number]) == 1
    assert "--verify of at least 1" in capsys.readouterr().err


def test_a_region_that_fails_its_verification_is_not_kept() -> None:
    require_caught({"trials": 100, "caught": 99})
    with pytest.raises(ConfigError, match=r"98 of 100.*safety-factor"):
        require_caught({"trials": 100, "caught": 98})


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    for name in ("reference.toml", "reference.urdf", "reference.region.json"):
        shutil.copy(PROFILES / name, tmp_path / name)
    return tmp_path / "reference.toml"


@pytest.mark.parametrize("command", ["record", "region"])
@pytest.mark.parametrize("fault", ["missing", "stale"])
def test_without_a_region_of_this_robot_nothing_is_driven(profile: Path, command: str, fault: str, capsys) -> None:
    if fault == "missing":
        profile.with_suffix(".region.json").unlink()
    else:
        profile.write_text(profile.read_text().replace("{ value = 0.9,", "{ value = 0.8,"))
    words = ["--robot", str(profile)]
    if command == "record":
        driver = ["--device", str(profile.parent / "no-port"), "--controller", "lqr", "--label", "expert"]
        words += [*driver, "--seconds", "1", "--out", str(profile.parent / "log.mcap")]
    assert main([command, *words]) == 1
    message = capsys.readouterr().err
    assert "robot-il region" in message
    assert ("no such file" if fault == "missing" else "profile_sha256") in message
    assert not (profile.parent / "log.mcap").exists()


def test_a_deployed_runs_log_rebuilds_its_guard_and_replays_to_the_bit(tmp_path: Path, capsys) -> None:
    task = TASKS["stand"]
    law = LinearController(0.7 * lqr_gain(ROBOT, task), task)
    conditions = dataclasses.replace(sample_conditions(task, 2, ROBOT), pushes=((0.5, 7.0), (2.5, -4.5)))
    guard = deployed_guard(law, "reference")
    config = {"fallback": guard.fallback.identity, "limits": dataclasses.asdict(guard.limits)}
    assert guard.region is not None
    session = Session("stand", "unlabeled", law.identity, config={**config, "region": guard.region.to_json()})
    log = tmp_path / "deployed.mcap"
    with Recorder(log, session, lossless=True) as recorder:
        outcome = fly(ROBOT, conditions, 2, 4.0, lambda twin, link: guard, recorder)
    assert outcome.upright
    assert outcome.rescued
    assert outcome.controlled
    assert main(["replay", str(log)]) == 0
    assert "bit-equal" in capsys.readouterr().out


@pytest.mark.parametrize("shell", list(SHELLS))
def test_starts_fill_their_shell_evenly_and_the_same_seed_draws_the_same(shell: str) -> None:
    low, high = SHELLS[shell]
    drawn = [draw_start(ROBOT, REGIONS, (low, high), seed)[1] for seed in range(300)]
    radii = 1.0 - np.array([margin(point) for point in drawn])
    assert (radii >= low).all()
    assert (radii <= high).all()
    share_of_volume = (radii**3 - low**3) / (high**3 - low**3)
    assert np.mean(share_of_volume) == pytest.approx(0.5, abs=0.06)
    assert draw_start(ROBOT, REGIONS, (low, high), 5)[0] == draw_start(ROBOT, REGIONS, (low, high), 5)[0]


@pytest.mark.parametrize("shell", list(SHELLS))
@pytest.mark.parametrize("height_m", heights_tried(ROBOT)[:4])
def test_starts_at_every_height_lie_in_their_shell_of_what_counts_there(shell: str, height_m: float) -> None:
    low, high = SHELLS[shell]
    for seed in range(60):
        pitch, rate, velocity = draw_start(ROBOT, REGIONS, (low, high), seed, height_m=height_m)[1]
        there = state(pitch=pitch, pitch_rate=rate, velocity=velocity, height=as_told(height_m))
        assert low - 1e-9 <= 1.0 - REGIONS.margin(there) <= high + 1e-9


def test_the_trials_take_turns_at_the_heights_and_half_way_between_them() -> None:
    heights, knots = heights_tried(ROBOT), ROBOT.postures.knots_m
    assert heights[::2] == list(knots)
    assert all(low < middle < high for low, middle, high in zip(knots, heights[1::2], knots[1:], strict=False))
    assert heights_tried(load_robot("two_wheeled")) == [0.0]


def test_a_trial_is_flown_at_its_height() -> None:
    outcomes = [run_trial(Trial("reference", REGIONS, "inside", 8, height)) for height in ROBOT.heights_m]
    assert all(outcome.upright for outcome in outcomes)
    assert outcomes[0] != outcomes[1]


def test_the_hand_lets_go_where_the_robot_falls_through_the_drawn_state() -> None:
    conditions, drawn = draw_start(ROBOT, REGIONS, (0.0, 1.0), 3)
    A, B = linear_dynamics(ROBOT.pendulum)
    transition, _ = discretise(A, B, BLIND_TICKS * CONTROL_PERIOD_S)
    start = [conditions.initial_pitch_rad, conditions.initial_pitch_rate_rad_s, 0.0, conditions.initial_velocity_m_s]
    assert (transition @ start)[[0, 1, 3]] == pytest.approx(drawn)


def test_no_start_needs_a_lean_at_which_the_mcu_would_not_arm() -> None:
    pitches = [draw_start(ROBOT, REGIONS, (1.0, 1.5), seed)[0].initial_pitch_rad for seed in range(200)]
    assert max(map(abs, pitches)) <= HELD_RAD


def test_a_trial_repeats_and_far_outside_the_fallback_loses_the_robot(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial("reference", REGIONS, "inside", 8, ROBOT.height_m)
    assert run_trial(trial) == run_trial(trial)
    monkeypatch.setitem(SHELLS, "far", (2.2, 2.6))
    outcomes = [run_trial(Trial("reference", REGIONS, "far", seed, ROBOT.height_m)) for seed in range(4)]
    assert not all(outcome.upright for outcome in outcomes)
    assert min(outcome.worst_margin for outcome in outcomes) == -1.0
