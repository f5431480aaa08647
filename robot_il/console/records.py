"""The three views of what was recorded: Episodes, Learn and Replay, each in its tab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nicegui import background_tasks, events, ui

from robot_il.console.episodes_view import EpisodesView
from robot_il.console.learn_view import LearnView
from robot_il.console.parts import dress_records
from robot_il.console.replay_view import ReplayView

if TYPE_CHECKING:
    from robot_il.console.folders import Folders
    from robot_il.console.model import Station


def build_records(station: Station, folders: Folders, tabs: ui.tabs) -> None:
    """Builds the panels of the three tabs in the tab panels in the making.

    Args:
        station: the running session.
        folders: of the recordings, data sets, runs and policies.
        tabs: with tabs of these names.
    """
    dress_records()

    def shown(name: str) -> Callable[[], bool]:
        return lambda: tabs.value == name

    def show_replay(path: Path, episode: str) -> None:
        tabs.set_value("Replay")
        background_tasks.create(replay.show(path, episode))

    with ui.tab_panel("Episodes"):
        episodes = EpisodesView(station, folders, show_replay, shown("Episodes"))
    with ui.tab_panel("Learn"):
        learn = LearnView(station, folders, shown("Learn"))
    with ui.tab_panel("Replay"):
        replay = ReplayView(station, folders, shown("Replay"))
    refreshing = {"Episodes": episodes.refresh, "Learn": learn.refresh, "Replay": replay.refresh}

    async def turn(event: events.ValueChangeEventArguments) -> None:
        """Nobody waits for the next look of a view's own timer."""
        if event.value in refreshing:
            await refreshing[event.value]()

    tabs.on_value_change(turn)
