"""A robot whose legs move while it balances: the law and the guard go with the height, and a log tells all of it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from firmware_bridge.serial_device import SerialDevice
from robot_il.cli.drive import deployed_guard
from robot_il.cli.main import main
from robot_il.control.controllers import Controller
from robot_il.control.loop import ControlLoop, LoopReport
from robot_il.control.lqr import lqr_law
from robot_il.control.posture import Course
from robot_il.control.region_file import load_region
from robot_il.control.takeover import VelocityDriver
from robot_il.recording.reader import read_log
from robot_il.recording.recorder import Recorder
from robot_il.recording.session import Session
from robot_il.robot import load_robot
from robot_il.spec import LIMITS
from robot_il.tasks import TASKS
from sim.conditions import sample_conditions
from sim.lockstep import LockstepLink
from sim.twin import Twin

ROBOT = load_robot()
STAND = TASKS["stand"]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "moving_heights.py"
    spec = importlib.util.spec_from_file_location("moving_heights", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def fly(tool: ModuleType, controller: Controller, seed: int, log: Path, push: float = 1.0) -> LoopReport:
    """Six seconds under the deployed guard, from the nominal height to the lowest, then to the highest, pushed."""
    drawn = sample_conditions(STAND, seed, ROBOT)
    pushes = tuple((0.5 * time_s, push * impulse) for time_s, impulse in drawn.pushes)
    guard = deployed_guard(controller, "reference")
    config = {"fallback": guard.fallback.identity, "limits": dataclasses.asdict(guard.limits)}
    assert guard.region is not None
    session = Session("stand", "unlabeled", controller.identity, config={**config, "region": guard.region.to_json()})
    with (
        contextlib.closing(Twin(ROBOT, dataclasses.replace(drawn, pushes=pushes, fall_distance_m=None), seed)) as twin,
        Recorder(log, session, lossless=True) as recorder,
    ):
        link = LockstepLink(twin)
        with contextlib.closing(SerialDevice(link)) as device:
            device.open()
            course = Course(0.0, *ROBOT.heights_m, tool.ThereAndBack(ROBOT))
            loop = ControlLoop(device, link.clock, guard, recorder, course=course)
            loop.observe(2)
            return loop.run(1200)


@pytest.mark.parametrize("seed", range(3))
def test_a_scheduled_lqr_holds_a_pushed_robot_through_the_whole_range_of_its_legs(
    tool: ModuleType, seed: int, tmp_path: Path
) -> None:
    report = fly(tool, lqr_law(ROBOT, STAND), seed, tmp_path / "moved.mcap")
    ticks = read_log(tmp_path / "moved.mcap").ticks
    heights = ticks["height"][ticks["source"] == 1].astype(float)
    assert (report.controlled, report.rescued) == (1200, 0)
    assert (heights.min(), heights.max()) == pytest.approx(ROBOT.heights_m, abs=1e-6)
    assert np.abs(np.diff(heights)).max() <= LIMITS.height_rate_m_s / 200 + 1e-6
    assert np.abs(ticks["pitch"]).max() < 0.2


def test_its_log_replays_bit_for_bit_and_names_law_and_regions_over_the_height(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "moved.mcap"
    report = fly(tool, lqr_law(ROBOT, STAND), 1, log, push=4.0)
    assert report.rescued
    session = read_log(log).session
    count = len(ROBOT.postures.knots_m)
    assert len(session.controller["over_height"]["rows"]) == count
    assert len(session.config["fallback"]["over_height"]["rows"]) == count
    assert len(session.config["region"]["regions"]) == count
    assert main(["replay", str(log)]) == 0
    assert "bit-equal" in capsys.readouterr().out


def test_the_margin_of_each_tick_is_that_of_its_height(tool: ModuleType, tmp_path: Path) -> None:
    fly(tool, lqr_law(ROBOT, STAND), 2, tmp_path / "moved.mcap")
    ticks = read_log(tmp_path / "moved.mcap").ticks
    regions = load_region(ROBOT).region
    assert [regions.margin(tick) for tick in map(_Seen, ticks[::7])] == pytest.approx(
        ticks["margin"][::7].tolist(), abs=1e-6
    )


class _Seen:
    """A tick of a log as the region looks at it."""

    def __init__(self, tick: np.void) -> None:
        self.pitch, self.pitch_rate, self.velocity, self.height = (
            float(tick[name]) for name in ("pitch", "pitch_rate", "velocity", "height")
        )


def test_a_person_drives_while_the_legs_move(tool: ModuleType, tmp_path: Path) -> None:
    driver = VelocityDriver(ROBOT)

    class Ahead:
        """Always asks for 0.3 m/s."""

        identity, intent = driver.identity, driver.intent
        reset = staticmethod(driver.reset)

        @staticmethod
        def torque(state) -> float:
            driver.ask(0.3)
            return driver.torque(state)

    report = fly(tool, Ahead(), 0, tmp_path / "moved.mcap", push=0.0)
    ticks = read_log(tmp_path / "moved.mcap").ticks
    settled = ticks[ticks["source"] == 1][600:]
    assert (report.controlled, report.rescued) == (1200, 0)
    assert np.ptp(settled["height"]) > 0.1
    assert settled["velocity"] == pytest.approx(np.full(len(settled), 0.3), abs=0.08)


def test_the_tool_compares_both_laws_on_the_same_draws(tool: ModuleType) -> None:
    flights = [tool.Flight("reference", name, 3, 1.0) for name in tool.LAWS]
    nominal, scheduled = map(tool.fly, flights)
    assert nominal.survived
    assert scheduled.survived
    assert nominal != scheduled
    assert tool.fly(flights[1]) == scheduled
    assert tool.conditions(ROBOT, flights[0]) == tool.conditions(ROBOT, flights[1])
    assert (scheduled.lowest_m, scheduled.highest_m) == pytest.approx(ROBOT.heights_m, abs=1e-6)


def test_a_difference_counts_only_what_both_survived(tool: ModuleType) -> None:
    def result(survived: bool, lean: float):
        return tool.Result(survived, lean, lean, lean, lean, 0.2, 0.38)

    nominal = [result(True, 1.0), result(True, 2.0), result(False, 99.0)]
    scheduled = [result(True, 1.5), result(True, 2.7), result(True, 0.0)]
    mean, low, high = tool.difference("lean_rms", nominal, scheduled)
    assert mean == pytest.approx(0.6)
    assert high - mean == pytest.approx(12.706 * 0.1, rel=1e-3)  # Student's t, one degree of freedom
    assert low == pytest.approx(2 * mean - high)
    assert "| 2 of 3 | 3 of 3 | 1 to 0," in tool.row(1.0, {"nominal": nominal, "scheduled": scheduled})
