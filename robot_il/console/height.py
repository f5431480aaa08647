"""Raises and lowers the body: two buttons and the height, under the hand of the Drive view."""

from __future__ import annotations

import math
from functools import partial

from nicegui import ui

from robot_il.console.theme import figure
from robot_il.console.visit import Visit
from robot_il.control.posture import HEIGHT_STEPS_M

NO_LEGS = "This robot's legs do not move."


class HeightControl:
    """The control of one page, built into the parent in the making; asleep where the robot has but one height."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with ui.element("div").classes("row").style("align-items: center"):
            self._buttons = {
                name: ui.button(color=None, icon=icon, on_click=partial(self.step, HEIGHT_STEPS_M[name]))
                .props(f'unelevated dense aria-label="{name} the body"')
                .classes("btn")
                .mark(f"height-{name}")
                for name, icon in (("lower", "arrow_downward"), ("raise", "arrow_upward"))
            }
            self._now = ui.label().classes("hint").mark("height")
        self.update()

    @property
    def _legs_move(self) -> bool:
        low_m, high_m = self._visit.station.robot.heights_m
        return low_m < high_m

    def step(self, step_m: float) -> None:
        """As if a button were pressed: asks for so much more than was asked for last."""
        visit = self._visit
        height_m = visit.station.height_m + step_m
        if self._may() and math.isfinite(height_m):
            with visit.request():
                visit.station.ask_height(height_m)

    def _may(self) -> bool:
        return self._legs_move and self._visit.drives and self._visit.station.phase == "driving"

    def update(self) -> None:
        """Shows the height, and lets be pressed what can be."""
        station, may = self._visit.station, self._may()
        for button in self._buttons.values():
            button.set_enabled(may)
        tick = station.newest
        shown = "" if tick is None or station.phase == "absent" else f"body {figure(float(tick['height']), 3, 'm')} up"
        self._now.set_text(shown if self._legs_move else NO_LEGS)
