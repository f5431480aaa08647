"""The station process, as the console uses it: a real one, on a real twin behind its serial port.

One visit to the robot is flown once, with everything in it; the tests look at what it left in the log and in the model.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from robot_il.cli.main import main
from robot_il.cli.stations import Stations
from robot_il.console.folders import Folders
from robot_il.console.model import Station
from robot_il.control.operator import Hand
from robot_il.recording.episodes import book_of
from robot_il.recording.reader import read_log
from robot_il.spec import HandDevice, Mode

pytestmark = pytest.mark.timeout(180)


@dataclass
class Person:
    """Somebody at a stick, heard every 40 ms until they are silent."""

    station: Station
    forward: float = 0.0
    turn: float = 0.0
    silent: bool = False
    seq: int = 0

    async def sit(self) -> None:
        while True:
            if not self.silent:
                self.seq += 1
                held = bool(self.forward or self.turn)
                hand = Hand(self.seq, HandDevice.JOYSTICK, held, self.forward, self.turn, (self.forward, self.turn), 3)
                self.station.hand(hand)
            await asyncio.sleep(0.04)


@dataclass
class Visit:
    station: Station
    person: Person
    seen: dict = field(default_factory=dict)

    async def until(self, condition, what: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what}: {self.station.phase}, {self.station.refusal}"
            await asyncio.sleep(0.02)

    async def arm(self, mode: str) -> None:
        if self.station.phase == "fault":  # a busy machine stopped the robot
            self.station.clear()
            await self.until(lambda: self.station.phase == "idle", "cleared")
        self.station.arm(mode)
        await self.until(lambda: self.station.phase == "driving", f"armed in {mode}")
        await asyncio.sleep(0.5)

    async def come_to_rest(self) -> None:
        await self.until(lambda: self.station.phase in ("idle", "fault"), "at rest")

    async def fly(self) -> None:
        station, person = self.station, self.person
        await station.connect(None)
        await self.until(lambda: station.phase == "idle" and station.newest is not None, "connected")
        station.wiggle()
        station.estop()
        await self.until(lambda: station.refusal is not None and station.phase == "fault", "interrupted")
        self.seen["interrupted"] = station.refusal
        station.clear()
        station.wiggle()
        await self.until(lambda: bool(station.checks) and station.phase == "idle", "nudged")
        self.seen["nudged"], station.checks = station.checks, []
        await asyncio.sleep(2.5)  # the twin is picked up
        station.check()
        await self.until(lambda: bool(station.checks) and station.phase == "idle", "checked")
        self.seen["checked"] = list(station.checks)
        # nobody at the stick: arming is refused by the guard, as an operator is lost
        station.arm("assisted")
        await self.until(lambda: station.report is not None, "refused without a person")
        self.seen["alone"] = station.report
        sitting = asyncio.create_task(person.sit())
        await asyncio.sleep(0.2)
        station._request("dance")
        await self.until(lambda: station.refusal is not None, "an unknown request refused")
        self.seen["unknown"] = station.refusal
        await self.arm("assisted")
        station.start_episode()
        person.forward = 0.6
        await asyncio.sleep(2.0)
        self.seen["velocity"] = float(station.newest["velocity"])
        station.arm("direct")
        await self.until(lambda: station.refusal is not None, "armed twice")
        self.seen["twice"] = station.refusal
        person.forward, person.turn = 0.0, 0.5
        await asyncio.sleep(1.5)
        self.seen["yaw_rate"] = float(station.newest["yaw_rate"])
        person.turn = 0.0
        station.stop_episode()
        await self.until(lambda: station.newest_episode is not None, "an episode")
        station.episode_operation({"op": "label", "id": station.newest_episode.id, "label": "expert"})
        station.stop()
        await self.until(lambda: station.phase == "stopping", "stopping")
        await self.come_to_rest()
        self.seen["stopped"] = station.report
        await asyncio.sleep(2.5)  # the twin is picked up
        await self.arm("shared")
        person.forward = -0.5
        await asyncio.sleep(0.6)
        self.seen["taken"] = station.taken
        person.forward = 0.0
        await asyncio.sleep(1.0)
        self.seen["given_back"] = not station.taken
        station.save_last(1.0)
        person.forward = 0.5
        await asyncio.sleep(0.4)
        person.silent = True  # the tab is closed with the stick held
        await self.come_to_rest()
        self.seen["lost"] = station.report
        person.silent, person.forward = False, 0.0
        await asyncio.sleep(2.5)
        station.arm("assisted")
        station.estop()  # while the checklist runs
        await self.until(lambda: station.refusal is not None and station.phase == "fault", "not armed any more")
        self.seen["overtaken"] = station.refusal
        station.arm("assisted")
        await self.until(lambda: station.refusal is not None and station.phase == "fault", "refused while latched")
        self.seen["while latched"] = station.refusal
        station.clear()
        await self.until(lambda: station.phase == "idle", "cleared")
        await self.arm("assisted")
        station.estop()
        await self.until(lambda: station.phase == "fault", "latched")
        self.seen["latched"] = station.detail
        station.clear()
        await self.until(lambda: station.phase == "idle", "cleared")
        sitting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sitting
        await station.disconnect()


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    folders = Folders(tmp_path_factory.mktemp("console"))
    folders.make()

    async def fly() -> Visit:
        with Stations("reference", 200) as stations:
            station = Station(stations.start, folders, "reference")
            visit = Visit(station, Person(station))
            await visit.fly()
            return visit

    return asyncio.run(fly())


@pytest.fixture(scope="module")
def log(visit):
    return read_log(visit.station.log, allow_incomplete=False)


@pytest.fixture
def folders(tmp_path) -> Folders:
    folders = Folders(tmp_path)
    folders.make()
    return folders


def runs(log) -> list[np.ndarray]:
    """The ticks of each run."""
    started = [event["host_ns"] for event in log.events if event["name"] == "run_started"]
    return np.split(log.ticks, np.searchsorted(log.ticks["host_receive_ns"], started))[1:]


def test_the_checklist_passes_with_a_reason_for_each_line(visit):
    assert all(check["passed"] for check in visit.seen["checked"])
    assert {"MCU ready", "robot upright", "log running"} <= {check["name"] for check in visit.seen["checked"]}


def test_the_wheels_are_nudged_and_an_emergency_stop_interrupts_it_and_latches(visit):
    assert [(check["name"], check["passed"]) for check in visit.seen["nudged"]] == [
        ("left wheel", True),
        ("right wheel", True),
    ]
    assert (visit.seen["interrupted"]["do"], visit.seen["interrupted"]["came"]) == ("wiggle", "estop")


def test_nothing_is_armed_where_nobody_is_at_the_stick(visit, log):
    assert "operator lost" in visit.seen["alone"]["reasons"]
    assert not (runs(log)[0]["mode"] == Mode.ARMED).any()


def test_what_the_station_does_not_know_or_cannot_do_now_is_refused_by_name(visit):
    assert visit.seen["unknown"]["came"] == "'dance'"
    assert visit.seen["twice"]["expected"] == "a robot at rest for 'arm'"


def test_the_robot_goes_and_turns_as_the_stick_asks(visit):
    assert 0.15 < visit.seen["velocity"] < 0.45  # 0.3 m/s are asked for
    assert 0.4 < visit.seen["yaw_rate"] < 1.1  # 0.75 rad/s


def test_a_stop_brings_it_to_rest_as_asked(visit):
    assert (visit.seen["stopped"]["outcome"], visit.seen["stopped"]["as_asked"]) == ("disarmed", True)


def test_moving_the_stick_takes_over_and_leaving_it_gives_back(visit, log):
    assert visit.seen["taken"]
    assert visit.seen["given_back"]
    names = [event["name"] for event in log.events if event["name"] in ("take_over", "give_back")]
    assert names[:2] == ["take_over", "give_back"]
    shared = runs(log)[2]
    driven = shared[shared["source"] == 1]
    by_person = np.isfinite(driven["intent"])
    assert by_person.any()
    assert not by_person.all()


def test_a_held_stick_that_falls_silent_is_neutral_within_200_ms_and_the_run_ends_within_a_second(visit, log):
    shared = runs(log)[2]
    last_hand_ns = log.hands["host_ns"][np.searchsorted(log.hands["host_ns"], shared["host_receive_ns"][-1]) - 1]
    after = shared[shared["host_receive_ns"] > last_hand_ns]
    neutral = after[(after["stick_forward"] == 0) | (after["source"] != 1)]
    assert neutral["host_receive_ns"][0] - last_hand_ns <= 200_000_000
    assert {"operator silent", "operator lost"} <= set(visit.seen["lost"]["reasons"])


def test_an_emergency_stop_latches_until_it_is_cleared(visit, log):
    assert visit.seen["latched"].startswith("estopped")
    assert visit.station.phase == "absent"
    stopped = runs(log)[3]
    assert (stopped["mode"] == Mode.ESTOPPED).any()
    assert stopped["mode"][-1] == Mode.DISARMED


def test_an_emergency_stop_overtakes_the_arming_that_was_asked_for_before_it(visit, log):
    assert (visit.seen["overtaken"]["do"], visit.seen["overtaken"]["came"]) == ("arm", "estop")
    assert len(runs(log)) == 4


def test_arming_does_not_clear_a_latched_stop(visit):
    assert "MCU ready (ESTOPPED" in visit.seen["while latched"]["came"]


def test_episodes_and_labels_are_in_the_log_itself(visit, log):
    first, last = book_of(log).episodes
    assert (first.mode, first.label, last.mode, last.label) == ("assisted", "expert", "shared", "unlabeled")
    assert 3.0 < first.seconds < 5.0
    assert 0.5 < last.seconds < 1.2
    assert visit.station.book.to_json()["episodes"] == book_of(log).to_json()["episodes"]


def test_every_hand_is_logged_with_its_raw_axes(visit, log):
    assert (np.diff(log.hands["hand_seq"].astype(int)) == 1).all()
    assert len(log.hands) >= 0.95 * visit.person.seq
    assert (log.hands["axis_0"] == log.hands["forward"]).all()
    assert (log.hands["buttons"] == 3).all()


def test_no_tick_is_lost_between_runs_but_while_the_station_was_busy_connecting(log):
    assert log.ended["dropped"] == 0
    assert (np.diff(log.ticks["tick"].astype(int)) > 0).all()


def test_a_session_of_several_runs_replays_bit_for_bit(visit, capsys):
    assert main(["replay", str(visit.station.log)]) == 0
    printed = capsys.readouterr().out
    assert "driven by nobody, person, person, lqr and a person, person" in printed
    assert "all torques are bit-equal" in printed


def test_a_port_that_is_not_there_is_told_with_what_to_do(folders):
    async def try_it() -> Station:
        with Stations("reference", 200) as stations:
            station = Station(stations.start, folders, "reference")
            await station.connect("/dev/not-there")
            for _ in range(500):
                if station.refusal:
                    break
                await asyncio.sleep(0.02)
            await station.disconnect()
            return station

    station = asyncio.run(try_it())
    assert (station.phase, station.refusal["do"]) == ("absent", "connect")
    assert "/dev/not-there" in station.refusal["expected"] + station.refusal["came"]
    assert not list(folders.sessions.iterdir())


@contextlib.asynccontextmanager
async def sitting_before(folders: Folders) -> AsyncIterator[tuple[Stations, Visit, asyncio.Task]]:
    """A person at the stick of a twin that is connected and idle."""
    with Stations("reference", 200) as stations:
        station = Station(stations.start, folders, "reference")
        visit = Visit(station, Person(station))
        await station.connect(None)
        await visit.until(lambda: station.phase == "idle" and station.newest is not None, "connected")
        sitting = asyncio.create_task(visit.person.sit())
        await asyncio.sleep(0.2)
        yield stations, visit, sitting


def test_a_robot_whose_log_cannot_be_written_comes_to_rest_and_the_person_is_told(folders):
    async def lose_the_log() -> Station:
        async with sitting_before(folders) as (stations, visit, sitting):
            station = visit.station
            await visit.arm("assisted")
            os.kill(writer_of(stations._station.pid), signal.SIGKILL)
            await visit.until(lambda: bool(station.log_failure), "told")
            await visit.come_to_rest()
            station.arm("assisted")
            await visit.until(lambda: station.refusal is not None, "refused without a log")
            sitting.cancel()
            await station.disconnect()
            return station

    station = asyncio.run(lose_the_log())
    assert "side process ended" in station.log_failure
    assert (station.report["outcome"], station.report["reasons"]) == ("disarmed", ["stop requested"])
    assert "log running" in station.refusal["came"]
    left = next(folders.sessions.iterdir())
    assert left.suffix == ".recording"
    assert len(read_log(left).ticks) > 0


def writer_of(station: int) -> int:
    """Process of the log's writer, a child of the station."""
    children = Path(f"/proc/{station}/task/{station}/children").read_text().split()
    return next(int(pid) for pid in children if b"writer_process" in Path(f"/proc/{pid}/cmdline").read_bytes())


def test_a_station_whose_console_dies_brings_the_robot_to_rest_and_finishes_its_log(folders):
    async def die() -> None:
        async with sitting_before(folders) as (stations, visit, sitting):
            station = visit.station
            visit.person.forward = 0.5
            await visit.arm("assisted")
            sitting.cancel()
            station._link.close()  # as the kernel does for a console that was killed
            await asyncio.to_thread(stations._station.wait, 20)

    asyncio.run(die())
    log = read_log(next(folders.sessions.iterdir()), allow_incomplete=False)
    assert log.ticks["mode"][-1] == Mode.DISARMED
    ended = next(event["detail"] for event in log.events if event["name"] == "run_ended")
    assert ended["outcome"] == "disarmed"
    assert (log.ticks["mode"] == Mode.ARMED).any()
