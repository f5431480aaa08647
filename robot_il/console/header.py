"""The header: which robot, in what phase, over which link, and the emergency stop; the same on every tab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from nicegui import ui

from robot_il.console.stick import LookButton
from robot_il.console.theme import figure, phase_look, set_tone
from robot_il.console.visit import Visit
from robot_il.spec import LIMITS

if TYPE_CHECKING:
    from robot_il.console.model import Station

SLOW_ROUND_TRIP_S = 0.005
LATE_P99_US = 2000.0
"""From here on the figure is shown as a warning: two fifths of a period at 200 Hz."""
JUDGED_S = 10
_NS = 1_000_000_000


def lateness_p99_us(station: Station) -> float:
    """99th percentile of the loop's lateness over the last seconds in us; NaN where nothing was measured."""
    if station.newest is None:
        return float("nan")
    now_ns = int(station.newest["host_receive_ns"])
    late = station.between(now_ns - JUDGED_S * _NS, now_ns)["lateness_us"]
    return float(np.percentile(late, 99)) if len(late) else float("nan")


def battery_tone(station: Station, volts: float) -> str:
    """``alarm`` where the MCU is about to stop, ``warn`` in the lowest fifth above that, else nothing."""
    low = LIMITS.battery_low_v
    if volts < low + 0.2:
        return "alarm"
    return "warn" if volts < low + 0.2 * (station.robot.battery.open_circuit_v - low) else ""


def clock_text(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def open_seconds(station: Station) -> float:
    """How long the open episode has lasted, on the loop's clock."""
    if station.open_episode is None or station.newest is None:
        return 0.0
    return max(0.0, (int(station.newest["host_receive_ns"]) - station.open_episode.start_ns) / 1e9)


class Header:
    """The header of one page, built into the parent in the making."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with ui.element("header").classes("ril-header"):
            with ui.element("div").classes("ril-who"):
                self._phase = ui.label().classes("ril-phase").mark("phase")
                with ui.element("div").style("min-width: 0"):
                    ui.label(visit.station.robot.name).classes("ril-robot").mark("robot")
                    self._detail = ui.label().classes("hint ellipsis").mark("detail")
            with ui.element("div").classes("ril-stats"):
                self._link = _stat("round trip")
                self._errors = _stat("link errors")
                self._late = _stat("late, p99")
                self._battery = _stat("battery")
                self._record = _stat("log")
            with ui.element("div").classes("ril-actions"):
                LookButton()
                estop = ui.button("E-STOP", color=None, on_click=visit.station.estop)
                estop.props("unelevated no-caps data-estop").classes("ril-estop").mark("estop")
                estop.tooltip("emergency stop: also the space bar, from anywhere")
        self.update()

    def update(self) -> None:
        """Shows what is now."""
        station = self._visit.station
        look = phase_look(station.phase)
        self._phase.set_text(look.word)
        set_tone(self._phase, look.tone)
        self._detail.set_text(station.detail)
        trip_s = (station.identity or {}).get("round_trip_s") if station.connected else None
        _show(self._link, figure(None if trip_s is None else trip_s * 1e3, 1, "ms"), _warn(trip_s, SLOW_ROUND_TRIP_S))
        tick = None if station.phase == "absent" else station.newest
        errors = None if tick is None else float(tick["link_errors"])
        _show(self._errors, figure(errors, 0), _warn(errors, 0.0))
        late_us = lateness_p99_us(station) if tick is not None else None
        _show(self._late, figure(late_us, 0, "us"), _warn(late_us, LATE_P99_US))
        volts = None if tick is None else float(tick["battery"])
        _show(self._battery, figure(volts, 1, "V"), "" if volts is None else battery_tone(station, volts))
        _show(self._record, *_recording(station))


def _warn(value: float | None, most: float) -> str:
    return "warn" if value is not None and value > most else ""


def _recording(station: Station) -> tuple[str, str]:
    """Words and tone for the recorder."""
    if station.log_failure:
        return "FAILED", "alarm"
    if station.log is None or not station.connected:
        return "none", ""
    if station.open_episode is not None:
        return f"REC {clock_text(open_seconds(station))}", "alarm"
    return "running", "live"


def _stat(name: str) -> ui.label:
    with ui.element("div").classes("ril-stat"):
        ui.label(name).classes("k")
        return ui.label("–").classes("v").mark(f"stat {name}")


def _show(label: ui.label, text: str, tone: str = "") -> None:
    label.set_text(text)
    set_tone(label, tone)
