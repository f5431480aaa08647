"""The Learn view: from labelled episodes to a policy that can be driven, with the real commands."""

from __future__ import annotations

import json
import sys

import pytest
from nicegui import ui

from robot_il.console.backroom import backroom_of
from robot_il.console.jobs import Jobs
from tests.console.conftest import Console, Visitor, until
from tests.console.recordings import standard

pytestmark = pytest.mark.asyncio


async def opened(console: Console, visitor: Visitor | None = None) -> Visitor:
    visitor = visitor or await console.visit()
    visitor.user.find("Learn").click()
    return visitor


def sees(visitor: Visitor, marker: str) -> bool:
    return bool(visitor.user._gather_elements(marker=marker))


def one(visitor: Visitor, marker: str):
    (element,) = visitor.user.find(marker=marker).elements
    return element


async def ended(console: Console, kind: str) -> None:
    jobs = backroom_of(console.station, console.folders).jobs
    await until(lambda: jobs.all and jobs.all[0].kind == kind and not jobs.all[0].running, f"the job {kind}")
    assert jobs.all[0].state == "done", list(jobs.all[0].lines)


async def test_labelled_episodes_of_all_recordings_are_chosen_at_first(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await opened(console)
    await until(lambda: visitor.text("chosen") == "1 episodes of 1 recordings, 3 s", "the count")
    one(visitor, "use-unlabeled").value = True
    assert visitor.text("chosen") == "3 episodes of 1 recordings, 8 s"
    one(visitor, "log-20260101-120000.mcap").value = False
    assert visitor.text("chosen") == "0 episodes of 0 recordings, 0 s"


async def test_from_labelled_episodes_to_a_policy_in_drive_without_touching_a_file(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await opened(console)
    await until(lambda: visitor.text("chosen").startswith("1 episodes"), "the count")
    one(visitor, "dataset-name").value = "mine"
    visitor.press("build")
    await ended(console, "build")
    info = json.loads((console.folders.datasets / "mine" / "dataset.json").read_text())
    assert {episode["label"] for episode in info["episodes"]} == {"expert"}
    await until(lambda: one(visitor, "learn-dataset").value == "mine", "the data set to be chosen")
    await until(lambda: one(visitor, "learn-method").value == "linear", "the methods")
    assert one(visitor, "run-name").value == "mine-linear"
    visitor.press("train")
    await ended(console, "train")
    await until(lambda: one(visitor, "policy-name").value == "mine-linear", "the run to be chosen")
    visitor.press("export")
    await ended(console, "export")
    await until(lambda: one(visitor, "learn-policy").value == "mine-linear", "the policy to be chosen")
    one(visitor, "learn-episodes").value = 1
    visitor.press("evaluate")
    await ended(console, "evaluate")
    await visitor.user.should_see("1/1", retries=20)
    assert (console.folders.policies / "mine-linear.scores.json").is_file()
    assert [path.name for path in console.folders.policy_files()] == ["mine-linear.onnx"]


async def test_a_name_that_could_be_a_path_starts_nothing_and_says_why(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await opened(console)
    await until(lambda: visitor.text("chosen").startswith("1 episodes"), "the count")
    one(visitor, "dataset-name").value = "../../mine"
    visitor.press("build")
    await until(lambda: any("64 letters" in message for message in visitor.user.notify.messages), "the refusal")
    assert not backroom_of(console.station, console.folders).jobs.all


async def test_nothing_starts_while_the_robot_is_driven(console: Console) -> None:
    visitor = await opened(console, await console.driving())
    await until(lambda: not visitor.enabled("build"), "the buttons to be off")
    assert visitor.text("busy") == "the robot is being driven"
    assert not any(visitor.enabled(marker) for marker in ("train", "export", "evaluate"))


async def test_the_recording_that_runs_cannot_be_chosen(console: Console) -> None:
    visitor = await opened(console, await console.connected())
    await until(lambda: console.station.newest is not None, "a tick")
    console.station.save_last(0.1)
    await until(lambda: console.station.book.episodes, "an episode")
    log = console.station.log
    assert log is not None
    await until(lambda: sees(visitor, f"log-{log.name}"), "the recording")
    assert not visitor.enabled(f"log-{log.name}")
    await visitor.user.should_see("disconnect to use it")


async def test_a_running_job_shows_what_it_says_and_can_be_cancelled(console: Console) -> None:
    visitor = await opened(console)
    room = backroom_of(console.station, console.folders)
    script = "import time; print('step 30 of at most 120', flush=True); time.sleep(60)"
    room.jobs._program = (sys.executable, "-c")
    job = await room.jobs.start("train", "Train nothing", (script,))
    await until(lambda: sees(visitor, "job-output"), "the job")
    await until(lambda: "step 30" in visitor.text("job-output"), "its output")
    (bar,) = visitor.user.find(ui.linear_progress).elements
    assert bar.value == 0.25
    assert visitor.text("job-state") == "running"
    assert not visitor.enabled("build")
    with visitor.user.scope(marker="job-train"):
        visitor.user.find(marker="cancel").click()
    await until(lambda: visitor.text("job-state") == "cancelled", "its end")
    assert job.state == "cancelled"
    assert isinstance(room.jobs, Jobs)


async def test_jobs_are_the_same_on_every_page(console: Console) -> None:
    first, second = await opened(console), await opened(console)
    room = backroom_of(console.station, console.folders)
    room.jobs._program = (sys.executable, "-c")
    await room.jobs.start("build", "Build nothing", ("print('made')",))
    for visitor in (first, second):
        await until(lambda visitor=visitor: sees(visitor, "job-state"), "the job on each page")
        await until(lambda visitor=visitor: visitor.text("job-state") == "done", "its end")
