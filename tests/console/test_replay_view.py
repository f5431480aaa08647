"""The Replay view on real recordings, whole and cut: the cursor, what it shows, and the recomputed torques."""

from __future__ import annotations

import shutil

import pytest
from nicegui import events, ui

from robot_il.console.backroom import backroom_of
from tests.console.conftest import Console, Visitor, until
from tests.console.recordings import at, episode, flight, flown, session, standard

pytestmark = pytest.mark.asyncio


def one(visitor: Visitor, marker: str):
    (element,) = visitor.user.find(marker=marker).elements
    return element


async def opened(console: Console, recording: str, ticks: float) -> Visitor:
    visitor = await console.visit()
    visitor.user.find("Replay").click()
    await until(lambda: recording in (one(visitor, "recording").options or {}), "the recording")
    one(visitor, "recording").value = recording
    await until(
        lambda: one(visitor, "cursor").props["max"] == ticks, f"{ticks} ticks, not {one(visitor, 'cursor').props}"
    )
    await until(lambda: "of" in visitor.text("time"), "the first tick")
    return visitor


def table(visitor: Visitor) -> str:
    return one(visitor, "values").content


def press_key(visitor: Visitor, name: str, shift: bool = False) -> None:
    """A key as the browser sends it, to every keyboard of the page."""
    modifiers = events.KeyboardModifiers(alt=False, ctrl=False, meta=False, shift=shift)
    action = events.KeyboardAction(keydown=True, keyup=False, repeat=False)
    with visitor.user:
        keyboards = [element for element in visitor.user._client.elements.values() if isinstance(element, ui.keyboard)]
        for keyboard in keyboards:
            key = events.KeyboardKey(name=name, code=name, location=0)
            arguments = events.KeyEventArguments(
                sender=keyboard, client=keyboard.client, action=action, modifiers=modifiers, key=key
            )
            for handler in keyboard._key_handlers:
                events.handle_event(handler, arguments)


async def test_a_newcomer_is_told_what_is_shown_here(console: Console) -> None:
    visitor = await console.visit()
    visitor.user.find("Replay").click()
    await visitor.user.should_see("Choose a recording above", retries=20)
    assert not visitor.enabled("recompute")


async def test_a_recording_opens_at_its_first_tick_with_all_its_signals(console: Console) -> None:
    standard(console.folders.sessions)
    ticks = flown("lqr", "operator", "lqr")
    visitor = await opened(console, "20260101-120000.mcap", len(ticks) - 1)
    assert visitor.text("time") == f"0.000 of {(len(ticks) - 1) * 0.005:.3f} s"
    assert f"<td>pitch</td><td>{ticks['pitch'][0]:.4f}</td><td>rad</td>" in table(visitor)
    assert "lean of the body against gravity" in table(visitor)


async def test_steps_lead_tick_by_tick_and_stop_at_the_ends(console: Console) -> None:
    standard(console.folders.sessions)
    ticks = flown("lqr", "operator", "lqr")
    visitor = await opened(console, "20260101-120000.mcap", len(ticks) - 1)
    visitor.press("back")
    assert one(visitor, "cursor").value == 0
    for _ in range(3):
        visitor.press("on")
    assert one(visitor, "cursor").value == 3
    assert f"<td>{ticks['pitch'][3]:.4f}</td>" in table(visitor)
    assert visitor.text("time").startswith("0.015 of")


async def test_the_slider_shows_the_tick_where_it_is(console: Console) -> None:
    standard(console.folders.sessions)
    ticks = flown("lqr", "operator", "lqr")
    visitor = await opened(console, "20260101-120000.mcap", len(ticks) - 1)
    one(visitor, "cursor").value = 1000
    assert visitor.text("time").startswith("5.000 of")
    assert f"<td>pitch</td><td>{ticks['pitch'][1000]:.4f}</td>" in table(visitor)


async def test_arrow_keys_step_and_only_where_the_replay_is_looked_at(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await opened(console, "20260101-120000.mcap", len(flown("lqr", "operator", "lqr")) - 1)
    press_key(visitor, "ArrowRight")
    press_key(visitor, "ArrowRight", shift=True)
    assert one(visitor, "cursor").value == 21
    press_key(visitor, "ArrowLeft")
    assert one(visitor, "cursor").value == 20
    visitor.user.find("Episodes").click()
    press_key(visitor, "ArrowRight")
    visitor.user.find("Replay").click()
    assert one(visitor, "cursor").value == 20


async def test_playing_moves_the_cursor_and_pausing_holds_it(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await opened(console, "20260101-120000.mcap", len(flown("lqr", "operator", "lqr")) - 1)
    visitor.press("speed-4")
    visitor.press("play")
    await until(lambda: one(visitor, "cursor").value > 100, "the cursor to move")
    visitor.press("play")
    held = one(visitor, "cursor").value
    visitor.press("on")
    assert one(visitor, "cursor").value == held + 1


async def test_events_and_take_overs_are_marked_and_lead_there(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await opened(console, "20260101-120000.mcap", len(flown("lqr", "operator", "lqr")) - 1)
    strip = one(visitor, "strip").content
    assert 'title="take_over: by pad"' in strip
    assert 'title="give_back"' in strip
    assert "episode" not in strip
    visitor.user.find("1.00 s · take over: by pad").click()
    assert one(visitor, "cursor").value == 200


async def test_the_strip_says_who_was_in_charge(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await opened(console, "20260101-120000.mcap", len(flown("lqr", "operator", "lqr")) - 1)
    strip = one(visitor, "strip").content
    assert 'title="controller or policy"' in strip
    assert 'title="person"' in strip


async def test_one_episode_is_shown_alone(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await opened(console, "20260101-120000.mcap", len(flown("lqr", "operator", "lqr")) - 1)
    choices = one(visitor, "replay-episode").options
    assert choices["e1"] == "1: 2.8 s, good"
    one(visitor, "replay-episode").value = "e2"
    await until(lambda: one(visitor, "cursor").props["max"] == 559, "the ticks of the episode")
    assert visitor.text("time") == "0.000 of 2.795 s"


async def test_an_episode_is_opened_from_the_list_of_episodes(console: Console) -> None:
    standard(console.folders.sessions)
    visitor = await console.visit()
    visitor.user.find("Episodes").click()
    await until(lambda: visitor.user._gather_elements(marker="episode-e2"), "the list")
    with visitor.user.scope(marker="episode-e2"):
        visitor.user.find(marker="replay").click()
    await until(lambda: one(visitor, "cursor").props["max"] == 559, "the ticks of the episode")
    assert one(visitor, "recording").value == "20260101-120000.mcap"
    assert one(visitor, "replay-episode").value == "e2"


async def test_a_cut_recording_plays_as_far_as_it_goes_and_says_so(console: Console) -> None:
    path = standard(console.folders.sessions)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    visitor = await console.visit()
    visitor.user.find("Replay").click()
    await until(lambda: one(visitor, "recording").options, "the recording")
    one(visitor, "recording").value = path.name
    await visitor.user.should_see("This recording is cut", retries=50)
    last = one(visitor, "cursor").props["max"]
    assert 100 < last < len(flown("lqr", "operator", "lqr")) - 1
    one(visitor, "cursor").value = last
    assert visitor.text("time").startswith(f"{last * 0.005:.3f} of")


async def test_a_damaged_recording_plays_without_what_is_lost_and_says_so(console: Console) -> None:
    path = standard(console.folders.sessions)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    visitor = await console.visit()
    visitor.user.find("Replay").click()
    await until(lambda: one(visitor, "recording").options, "the recording")
    one(visitor, "recording").value = path.name
    await visitor.user.should_see("This recording is damaged", retries=50)
    assert one(visitor, "cursor").props["max"] > 100


async def test_what_is_no_recording_is_said_in_its_own_words(console: Console) -> None:
    (console.folders.sessions / "20260101-120000.mcap").write_bytes(b"no log")
    visitor = await console.visit()
    visitor.user.find("Replay").click()
    await until(lambda: one(visitor, "recording").options, "the file")
    one(visitor, "recording").value = "20260101-120000.mcap"
    await visitor.user.should_see("This recording cannot be read", retries=50)


async def test_a_closer_look_at_the_traces_follows_the_cursor(console: Console) -> None:
    session(console.folders.sessions / "20260101-120000.mcap", flown("lqr"), episode("e1", 0.5, 1.0))
    visitor = await opened(console, "20260101-120000.mcap", len(flown("lqr")) - 1)
    visitor.press("zoom-1s")
    one(visitor, "cursor").value = 100
    assert one(visitor, "cursor-line").style["left"] == "50.000%"
    one(visitor, "cursor").value = 450
    assert one(visitor, "cursor-line").style["left"] == "25.000%"


async def test_torques_are_recomputed_as_a_job_that_shows_its_verdict(console: Console) -> None:
    shutil.copy(flight("lqr"), console.folders.sessions / "20260101-120000.mcap")
    visitor = await console.visit()
    visitor.user.find("Replay").click()
    await until(lambda: one(visitor, "recording").options, "the recording")
    one(visitor, "recording").value = "20260101-120000.mcap"
    await until(lambda: visitor.enabled("recompute"), "the button")
    visitor.press("recompute")
    jobs = backroom_of(console.station, console.folders).jobs
    await until(lambda: jobs.all and not jobs.all[0].running, "the job")
    assert jobs.all[0].state == "done"
    await visitor.user.should_see("all torques are bit-equal", retries=30)


async def test_the_recording_that_is_being_made_is_not_offered(console: Console) -> None:
    visitor = await console.connected()
    visitor.user.find("Replay").click()
    standard(console.folders.sessions)
    await until(lambda: one(visitor, "recording").options, "the finished recording")
    assert list(one(visitor, "recording").options) == ["20260101-120000.mcap"]


async def test_the_time_of_an_event_is_that_of_the_clock_of_the_ticks(console: Console) -> None:
    ticks = flown("lqr")
    session(console.folders.sessions / "20260101-120000.mcap", ticks, [(at(1.5), "marked", {})])
    visitor = await opened(console, "20260101-120000.mcap", len(ticks) - 1)
    visitor.user.find("1.50 s · marked").click()
    assert one(visitor, "cursor").value == 300
