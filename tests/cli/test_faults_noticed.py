"""A promise that is broken on purpose is noticed: the matrix is worth what it would catch."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources

import pytest

from firmware_bridge.compiling import WARNINGS, compiled
from firmware_bridge.hostlib import Firmware, opened
from robot_il.cli.faults_verdict import judge
from robot_il.cli.main import main
from robot_il.control.controllers import Controller
from robot_il.control.device import State
from sim import faults
from sim.fault_host import Killed, PolicyFault
from sim.fault_scene import Fault, Host, Scene
from sim.faults import FAULTS, Case

from .flights import flown, plan, unpromised

WATCHDOG = "faults |= RIL_FAULT_COMMAND_TIMEOUT;"


@pytest.fixture(scope="module")
def without_watchdog(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Firmware]:
    """Makes the firmware whose command watchdog does nothing."""
    folder = tmp_path_factory.mktemp("firmware")
    with resources.as_file(resources.files("firmware_bridge") / "firmware") as sources:
        for path in sources.glob("*.[ch]"):
            text = path.read_text()
            if path.name == "safety.c":
                assert WATCHDOG in text
                text = text.replace(WATCHDOG, "faults |= 0u;")
            (folder / path.name).write_text(text)
    inputs = sorted(folder.glob("*.[ch]"))
    library = opened(compiled(["cc"], [*WARNINGS, "-fPIC", "-shared"], inputs, "libril-unwatched-{key}.so"))
    return functools.partial(Firmware, library=library)


@pytest.mark.parametrize("name", ["host-killed", "host-frozen", "host-replaying", "cut-to-mcu"])
def test_a_firmware_without_its_command_watchdog_breaks_the_promise(name, without_watchdog, tmp_path) -> None:
    _, verdict = flown(FAULTS[name], tmp_path, without_watchdog)
    assert verdict.driven_ms > 500
    assert any("without a fresh command" in words for words in verdict.broken)


@dataclass(frozen=True)
class DrivesIgnoreTheStop(Killed):
    """The host is killed, and the drives go on with the last torque that was not zero."""

    def begin(self, scene: Scene) -> None:
        super().begin(scene)
        last = [(0.5, 0.5)]

        def keep(left: float, right: float) -> tuple[float, float]:
            if left or right:
                last[0] = (left, right)
            return last[0]

        scene.twin.drives.distort = keep


def test_drives_that_ignore_the_stop_break_the_promise_although_the_mcu_says_that_it_stopped(tmp_path) -> None:
    _, verdict = flown(unpromised(DrivesIgnoreTheStop()), tmp_path)
    assert verdict.outcome == "MCU stop"
    assert verdict.robot == "came down, wheels not off"
    assert any("without a fresh command" in words for words in verdict.broken)
    assert any("when it was down" in words for words in verdict.broken)


@dataclass(frozen=True)
class PolicyExits(PolicyFault):
    """A policy that takes the whole process with it."""

    def failing(self, inner: Controller, host: Host) -> Callable[[State, float], float]:
        def leave(state: State, last: float) -> float:
            raise SystemExit(3)

        return leave


def test_a_host_that_crashes_is_held_against_it(tmp_path) -> None:
    _, verdict = flown(unpromised(PolicyExits()), tmp_path)
    assert "SystemExit: 3" in verdict.crashes
    assert any(words.startswith("the host crashed") for words in verdict.broken)


@dataclass(frozen=True)
class Nothing(Fault):
    """Nothing goes wrong."""

    def begin(self, scene: Scene) -> None:
        """Not at all."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory):
    """A flight in which nothing goes wrong: (plan, sight)."""
    case = Case("nothing", "nothing", Nothing(), ("rides through",))
    folder = tmp_path_factory.mktemp("calm")
    return plan(case, folder), flown(case, folder)[0]


def test_a_flight_in_which_nothing_goes_wrong_keeps_every_promise(calm) -> None:
    verdict = judge(*calm)
    assert (verdict.outcome, verdict.robot, verdict.broken) == ("rides through", "stayed up", ())
    assert (verdict.guard, verdict.mcu, verdict.reaction_ms, verdict.crashes) == ((), (), None, "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"driven_ms": 102.0}, "driven for 102 ms without a fresh command"),
        ({"armed": False, "driven_down_ms": 102.0}, "wheels not off"),
        ({"largest_lean_rad": 0.51}, "came fell armed"),
        ({"host_crash": "a reason"}, "the host crashed: a reason"),
        ({"firmware_crash": "a fault"}, "the firmware crashed: a fault"),
        ({"begun_us": 0}, "never flew"),
    ],
)
def test_each_promise_is_judged_by_its_own_figure(calm, change, words) -> None:
    planned, sight = calm
    assert any(words in broken for broken in judge(planned, replace(sight, **change)).broken)


@pytest.mark.parametrize("change", [{"driven_ms": 101.0}, {"largest_lean_rad": 0.5}, {"driven_down_ms": 101.0}])
def test_figures_at_their_bounds_are_within_them(calm, change) -> None:
    planned, sight = calm
    assert judge(planned, replace(sight, **change)).broken == ()


@pytest.mark.parametrize(("ticks", "kept"), [(100, True), (101, False)])
def test_half_a_second_of_log_may_be_lost_and_no_more(calm, ticks, kept) -> None:
    planned, sight = calm
    lost = replace(sight, given_ticks=len(sight.log.ticks) + ticks)
    assert (judge(planned, lost).broken == ()) is kept


def test_an_outcome_that_was_not_promised_breaks_the_promise(calm) -> None:
    planned, sight = calm
    strict = replace(planned, case=replace(planned.case, expected=("MCU stop",)))
    assert judge(strict, sight).broken == ("came rides through, promised MCU stop",)


def test_the_command_exits_with_one_and_says_why(monkeypatch, capsys, tmp_path) -> None:
    wrong = replace(FAULTS["policy-nan"], expected=("MCU stop",))
    monkeypatch.setattr(faults, "CASES", (wrong,))
    out = tmp_path / "out"
    assert main(["hil", "--faults", "policy-nan", "--seeds", "1", "--seconds", "0.5", "--out", str(out)]) == 1
    assert "came fallback, promised MCU stop" in capsys.readouterr().out
    assert json.loads((out / "faults.json").read_text())["flights"][0]["broken"] == ["came fallback, promised MCU stop"]
