"""The Drive view: arm on the left, the robot and the hand in the middle, the traces on the right."""

from __future__ import annotations

import math

from nicegui import ui

from robot_il.console.arm_panel import ArmPanel
from robot_il.console.header import battery_tone
from robot_il.console.height import HeightControl
from robot_il.console.record_bar import RecordBar
from robot_il.console.robot_3d import Robot3D
from robot_il.console.stick import HandSource, Stick
from robot_il.console.theme import figure, set_tone
from robot_il.console.traces import WINDOWS_S, Traces
from robot_il.console.visit import Visit
from robot_il.control.posture import HEIGHT_STEPS_M
from robot_il.spec import LIMITS

LIVE_PERIOD_S = 0.05
STEADY_PERIOD_S = 0.2
"""Of what nobody reads faster: buttons, words, lists."""


class DriveView:
    """The view of one page, built into the parent in the making."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with ui.element("div").classes("ril-drive"):
            self._arm = ArmPanel(visit)
            with ui.element("div").classes("panel ril-robot-view"):
                with ui.element("div").classes("gauges"):
                    self._tilt = Gauge("tilt", "rad")
                    self._velocity = Gauge("velocity", "m/s")
                    self._battery = Gauge("battery", "V")
                with ui.element("div").classes("stage") as stage:
                    self._robot = Robot3D(visit.station.robot)
                with ui.element("div").classes("hand"):
                    Stick()
                    with ui.element("div").classes("hand-notes"):
                        HandSource()
                        self._permission = ui.label().classes("hint").mark("permission")
                        ui.label("Arrows or WASD; a pad in this browser; or this stick.").classes("hint")
                        self._height = HeightControl(visit)
            self._record = RecordBar(visit, stage)
            with ui.element("div").classes("panel ril-traces"):
                with ui.element("div").classes("bar"):
                    ui.label("Live").classes("head")
                    window = {seconds: f"{seconds} s" for seconds in WINDOWS_S}
                    chosen = ui.toggle(window, value=WINDOWS_S[0])
                self._traces = Traces(visit.feed, visit.station.robot)
                chosen.on_value_change(lambda event: self._traces.show(event.value))
        self._timers = (ui.timer(LIVE_PERIOD_S, self._update_live), ui.timer(STEADY_PERIOD_S, self._update_steady))

    def press(self, action: str) -> None:
        """Does what a button of the driver's pad stands for."""
        if action == "stop":
            self._arm.stop()
        elif action in HEIGHT_STEPS_M:
            self._height.step(HEIGHT_STEPS_M[action])
        else:
            self._record.press(action)

    def set_active(self, active: bool) -> None:
        """Rests while another tab is shown: then nothing of this one is in the page."""
        for timer in self._timers:
            timer.active = active

    def _update_live(self) -> None:
        """The figures, the robot and the traces; nothing while nothing new came."""
        station = self._visit.station
        tick = station.newest
        if station.phase == "absent" or tick is None:
            for gauge in (self._tilt, self._velocity, self._battery):
                gauge.show(None)
            return
        pitch, volts = float(tick["pitch"]), float(tick["battery"])
        lean = abs(pitch) / LIMITS.tilt_rad
        tone = "alarm" if lean > 0.7 else "warn" if lean > 0.4 else ""
        self._tilt.show(pitch, f"{figure(math.degrees(pitch), 1)}°", tone)
        self._velocity.show(float(tick["velocity"]), f"at {figure(float(tick['position']), 2, 'm')}")
        floor, full = LIMITS.battery_low_v, station.robot.battery.open_circuit_v
        share = min(1.0, max(0.0, (volts - floor) / (full - floor)))
        self._battery.show(volts, f"{100 * share:.0f} % above stop", battery_tone(station, volts), digits=1)
        self._robot.update(tick)
        self._traces.update_traces()

    def _update_steady(self) -> None:
        self._arm.update()
        self._record.update()
        self._height.update()
        visit = self._visit
        if visit.drives:
            self._permission.set_text("You drive." if visit.station.phase == "driving" else "You have the wheel.")
        else:
            self._permission.set_text("Take the wheel to drive." if not visit.wheel.driver_name else "Only watching.")


class Gauge:
    """One big figure with its name, its unit and a line below."""

    def __init__(self, name: str, unit: str) -> None:
        with ui.element("div").classes("gauge"):
            ui.label(name).classes("k")
            with ui.element("div").style("display: flex; align-items: baseline"):
                self._value = ui.label("–").classes("v").mark(f"gauge {name}")
                ui.label(unit).classes("u")
            self._below = ui.label().classes("s")

    def show(self, value: float | None, below: str = "", tone: str = "", digits: int = 2) -> None:
        """Shows a figure; a dash for None."""
        self._value.set_text(figure(value, digits))
        self._below.set_text(below or "\u00a0")
        set_tone(self._value, tone)
