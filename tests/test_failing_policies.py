"""A policy that fails is caught; and would not be, did nobody catch it."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.guarded import fly
from robot_il.control.fallback import lqr_fallback
from robot_il.control.guard import Guard, GuardLimits

TOOLS = Path(__file__).parents[1] / "tools"
SEEDS = range(500, 505)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("failing_policies", TOOLS / "failing_policies.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def trial(tool, kind: str, seed: int):
    return tool.Trial(kind, seed, "reference", "stand", None, True)


@pytest.mark.parametrize("kind", ["nan", "raises", "runaway", "constant", "stuck", "late", "delayed"])
def test_every_kind_of_failure_is_caught(tool, kind: str) -> None:
    outcomes = [tool.run_trial(trial(tool, kind, seed)) for seed in SEEDS]
    assert [outcome.end for outcome in outcomes] == ["upright"] * len(SEEDS)
    assert any(outcome.rescued for outcome in outcomes)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("nan", "controller failed"),
        ("raises", "controller failed"),
        ("runaway", "region left"),
        ("constant", "region left"),
        ("late", "controller late"),
        ("delayed", "region left"),
    ],
)
def test_a_failure_is_named_for_what_it_is(tool, kind: str, reason: str) -> None:
    assert reason in tool.run_trial(trial(tool, kind, 500)).reasons


@pytest.mark.parametrize("kind", ["runaway", "constant", "stuck", "late", "delayed"])
def test_the_same_failure_throws_the_robot_over_where_nobody_catches_it(tool, kind: str) -> None:
    ends = []
    for seed in SEEDS:
        one = trial(tool, kind, seed)
        robot, _, region = tool._prepared(one.robot_name, one.task_name)
        unguarded = GuardLimits(switch_tilt_rad=math.inf, max_rescues=10_000, regain_s=0.0)

        def crew(twin, link, one=one, robot=robot, region=region, limits=unguarded):
            random = np.random.default_rng(one.seed)
            fails = tool.KINDS[one.kind](link, random)
            policy = tool.FailingPolicy(tool.sound_policy(one, random), fails, 0.5, twin)
            return Guard(policy, lqr_fallback(robot), limits, region=region)

        ends.append(fly(robot, tool.start(one, region, one.seed), one.seed, tool.SECONDS, crew).end)
    assert set(ends) != {"upright"}


def test_a_late_policy_lets_the_world_go_on_before_it_answers(tool) -> None:
    class Link:
        passed_ms = 0

        def pass_time(self, ms: int) -> None:
            self.passed_ms += ms

    link = Link()
    assert tool.late(link)(1.5) == 1.5
    assert link.passed_ms == 50


def test_a_delayed_policy_answers_what_was_right_fifty_milliseconds_ago(tool) -> None:
    answer = tool.delayed()
    assert [answer(float(tick)) for tick in range(30)][10:] == [float(tick) for tick in range(20)]


def test_the_table_counts_and_the_page_keeps_what_is_not_the_table(tool, tmp_path: Path, monkeypatch) -> None:
    caught = tool.run_trial(trial(tool, "nan", 500))
    lost = dataclasses.replace(caught, end="tilt exceeded")
    text = tool.table(["nan"], {"nan": [caught, caught, lost, caught]})
    assert "| nan | 3 of 4 | 30.1 to 95.4 % |" in text
    page = tmp_path / "safety.md"
    page.write_text(f"before\n{tool.MARKERS[0]}\nold\n{tool.MARKERS[1]}\nafter\n")
    monkeypatch.setattr(tool, "PAGE", page)
    tool.write_docs(text)
    assert page.read_text() == f"before\n{tool.MARKERS[0]}\n{text}\n{tool.MARKERS[1]}\nafter\n"


def test_kept_outcomes_are_used_again_for_the_same_trials_only(tool, tmp_path: Path) -> None:
    jobs = [trial(tool, "nan", 500)]
    first = tool.kept_or_flown(jobs, 1, tmp_path)
    file = tmp_path / "nan.json"
    file.write_text(file.read_text().replace('"upright"', '"kept"'))
    assert [outcome.end for outcome in tool.kept_or_flown(jobs, 1, tmp_path)] == ["kept"]
    assert [outcome.end for outcome in tool.kept_or_flown([trial(tool, "nan", 501)], 1, tmp_path)] == ["upright"]
    assert first[0].upright
