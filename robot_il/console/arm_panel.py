"""The left side of the Drive view: connect, choose how to drive, check, arm, stop; and why arming was refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nicegui import ui
from serial.tools import list_ports

from robot_il.console.theme import figure, set_tone
from robot_il.console.visit import Visit
from robot_il.control.teleop import ASSISTS, MODES
from robot_il.tasks import TASKS

if TYPE_CHECKING:
    from robot_il.console.folders import Folders

TWIN = "the twin"
PORTS_PERIOD_S = 3.0
SIGNS = "signs and axes"
"""Name of the check that only a nudge of the wheels can satisfy."""
EXPLANATIONS = {
    "direct": "The stick is wheel torque. Nothing balances for you: for people who know this robot.",
    "assisted": "An LQR balances. The stick moves the robot; hands off, it stays where it is.",
    "shared": "A policy drives. Move the stick and you drive; let go and the policy drives again.",
}
TASK_WORDS = {
    name: name.capitalize().replace("_", " ")
    + (f" {task.target_velocity_m_s:g} m/s" if task.target_velocity_m_s else "")
    for name, task in TASKS.items()
}
NO_POLICY = ""
"""Stands for the LQR in a policy's place."""

assert set(EXPLANATIONS) == set(MODES), "each mode needs its explanation"


def serial_ports() -> dict[str, str]:
    """Device to its description, for every serial port this machine has, and the twin."""
    ports = {port.device: f"{port.device}  {port.description or ''}".strip() for port in list_ports.comports()}
    return {TWIN: TWIN[0].upper() + TWIN[1:], **ports}


def policy_choices(folders: Folders) -> dict[str, str]:
    """Path to name of every exported policy, newest first, after the LQR that can stand in for one."""
    return {NO_POLICY: "LQR, no policy", **{str(path): path.stem for path in folders.policy_files()}}


class ArmPanel:
    """The panel of one page, built into the parent in the making."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._shown: Any = None
        with ui.element("div").classes("ril-arm"):
            self._build_connection()
            self._build_mode()
            self._build_actions()
            with ui.element("div").classes("panel pad checks stack"):
                self._checks_head = ui.label().classes("head").mark("checks-head")
                self._lines = ui.element("div").classes("lines")
        ui.timer(PORTS_PERIOD_S, self._look_for_ports)
        self.update()

    def _build_connection(self) -> None:
        with ui.element("div").classes("panel pad"), ui.element("div").classes("row"):
            self._device = (
                ui.select(serial_ports(), value=TWIN, label="Robot", with_input=True, new_value_mode="add-unique")
                .props("outlined dense options-dense=false hide-dropdown-icon=false")
                .classes("grow")
                .mark("device")
            )
            self._connect = _button("Connect", self._toggle_connection, "connect")

    def _build_mode(self) -> None:
        with ui.element("div").classes("panel pad stack"):
            self._mode = ui.toggle({name: name.capitalize() for name in MODES}, value="assisted").mark("mode")
            self._explanation = ui.label().classes("hint").style("min-height: 3.9em").mark("explanation")
            with ui.element("div").classes("row choices"):
                self._assist = ui.toggle({name: name.capitalize() for name in ASSISTS}, value=ASSISTS[0])
                self._assist.classes("grow").mark("assist")
                self._policy = ui.select(policy_choices(self._visit.folders), value=NO_POLICY, label="Policy")
                self._policy.props("outlined dense").classes("grow").mark("policy")
                self._task = ui.select(TASK_WORDS, value="stand", label="Task").props("outlined dense")
                self._task.classes("grow").mark("task")

    def _build_actions(self) -> None:
        with ui.element("div").style("display: grid; grid-template-columns: 1fr 1fr; gap: 8px"):
            self._check = _button("Check", self._on_check, "check")
            self._arm = _button("Arm", self._on_arm, "arm")
            self._stop = _button("Stop", self._on_stop, "stop")
            self._clear = _button("Clear", self._on_clear, "clear")

    async def _look_for_ports(self) -> None:
        ports = await asyncio.to_thread(serial_ports)
        chosen = self._device.value
        options = {**ports, **({chosen: chosen} if chosen and chosen not in ports else {})}
        if options != self._device.options:
            self._device.set_options(options, value=chosen)
        policies = policy_choices(self._visit.folders)
        if policies != self._policy.options:
            chosen = self._policy.value
            self._policy.set_options(policies, value=chosen if chosen in policies else NO_POLICY)

    async def _toggle_connection(self) -> None:
        visit = self._visit
        with visit.request():
            if visit.station.phase == "absent":
                # who connects the robot is about to drive it
                visit.wheel.take(visit.client)
                device = self._device.value
                await visit.station.connect(None if device in (None, "", TWIN) else str(device))
            elif visit.drives:
                await visit.station.disconnect()

    def _on_check(self) -> None:
        if self._visit.drives:
            with self._visit.request():
                self._visit.station.check(**self._choice())

    def _on_arm(self) -> None:
        if not self._visit.drives:
            return
        with self._visit.request():
            self._visit.station.arm(**self._choice())

    def _choice(self) -> dict[str, Any]:
        """How to drive, as chosen."""
        mode, policy = str(self._mode.value), self._policy.value
        return {
            "mode": mode,
            "policy": Path(str(policy)) if mode == "shared" and policy else None,
            "assist": str(self._assist.value),
            "task": str(self._task.value),
        }

    def _on_wiggle(self) -> None:
        if self._visit.drives:
            with self._visit.request():
                self._visit.station.wiggle()

    def stop(self) -> None:
        """As if Stop were pressed."""
        self._on_stop()

    def _on_stop(self) -> None:
        if self._visit.drives:
            with self._visit.request():
                self._visit.station.stop()

    def _on_clear(self) -> None:
        if self._visit.drives:
            with self._visit.request():
                self._visit.station.clear()

    def update(self) -> None:
        """Shows what is now, and lets be pressed what can be."""
        station, drives = self._visit.station, self._visit.drives
        phase = station.phase
        absent, idle = phase == "absent", phase == "idle"
        self._connect.set_text("Connect" if absent else "Disconnect")
        self._connect.set_enabled(
            (station.driver is None or drives) if absent else (drives and phase in ("idle", "fault"))
        )
        self._device.set_enabled(absent)
        mode = str(self._mode.value)
        self._explanation.set_text(EXPLANATIONS[mode])
        self._assist.set_visibility(mode == "assisted")
        self._policy.set_visibility(mode == "shared")
        self._task.set_visibility(mode != "shared" or not self._policy.value)  # a policy has its own
        for field in (self._mode, self._assist, self._policy, self._task):
            field.set_enabled(phase in ("absent", "idle", "fault"))
        self._check.set_enabled(idle and drives)
        self._arm.set_enabled(idle and drives)
        set_tone(self._arm, "live")
        self._stop.set_enabled(phase in ("driving", "checking") and drives)
        set_tone(self._stop, "warn")
        self._clear.set_enabled(phase == "fault" and drives)
        shown = (phase == "driving", station.run, station.report, station.refusal, station.checks, drives)
        if shown != self._shown:
            self._shown = _frozen(shown)
            self._show_checks()

    def _show_checks(self) -> None:
        station = self._visit.station
        failed = [check for check in station.checks if not check["passed"]]
        passed = [check for check in station.checks if check["passed"]]
        total = len(station.checks)
        self._checks_head.set_text(f"Checklist: {len(passed)} of {total} passed" if total else "Checklist")
        report = station.report if station.phase != "driving" else None
        self._lines.clear()
        with self._lines:
            if not total and station.refusal is None and report is None:
                words = "Check names what stands in the way; Arm checks, then lets the wheels turn."
                ui.label(words if self._visit.drives else "Take the wheel to check, arm and record.").classes("hint")
            if station.refusal is not None:
                _refusal(station.refusal)
            if report is not None:
                _report(report)
            for check in failed:
                self._show_failed(check)
            if station.refusal is None and report is None:
                _show_passed(passed)

    def _show_failed(self, check: dict[str, Any]) -> None:
        _line("alarm", "cancel", check["name"], check["found"], check["remedy"])
        if check["name"] == SIGNS and self._visit.drives:
            ui.label("Hold the robot, wheels off the ground: each is nudged in turn.").classes("hint")
            _button("Nudge the wheels", self._on_wiggle, "wiggle")


def _show_passed(passed: list[dict[str, Any]]) -> None:
    """In two columns: what passed needs no more than its name, and what was found where somebody asks."""
    with ui.element("div").classes("passed"):
        for check in passed:
            _line("live", "check_circle", check["name"], "", "").tooltip(f"{check['name']}: {check['found']}")


def _frozen(shown: tuple[Any, ...]) -> tuple[Any, ...]:
    """A copy that later changes of the station's own lists do not reach."""
    return tuple(list(value) if isinstance(value, list) else value for value in shown)


def _button(text: str, on_click: Any, mark: str) -> ui.button:
    return ui.button(text, color=None, on_click=on_click).props("unelevated no-caps no-wrap").classes("btn").mark(mark)


def _line(tone: str, icon: str, name: str, found: str, remedy: str) -> ui.element:
    with ui.element("div").classes("line").props(f"data-tone={tone}") as line:
        ui.icon(icon)
        with ui.element("div").classes("name"):
            ui.label(name).style("display: inline")
            if found:
                ui.label(found).classes("found").style("display: inline; margin-left: 6px")
        if remedy:
            ui.label(remedy).classes("remedy")
    return line


def _refusal(refusal: dict[str, Any]) -> None:
    do, expected, came, remedy = (refusal.get(key, "") for key in ("do", "expected", "came", "remedy"))
    _line("alarm", "block", f"Refused: {do}", f"expected {expected}; came {came}", remedy).mark("refusal")


def _report(report: dict[str, Any]) -> None:
    reasons = ", ".join(report.get("reasons") or ()) or "no reason"
    seconds = figure(report.get("seconds"), 1, "s")
    tone = "calm" if report.get("as_asked") else "alarm"
    _line(tone, "flag", f"Last run: {report.get('outcome', '')}".replace("_", " "), f"after {seconds}", reasons)
