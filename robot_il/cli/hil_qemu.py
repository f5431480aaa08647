"""The firmware's image in QEMU, in wall-clock time: a twin in a process of its own, the host at a serial port."""

from __future__ import annotations

import contextlib
import multiprocessing
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, cast

from robot_il.errors import ConfigError, LinkError
from robot_il.spec import CONTROL_RATE_HZ, Mode
from robot_il.tasks import Task

if TYPE_CHECKING:
    from firmware_bridge.microcontroller import Microcontroller
    from sim.conditions import Conditions

START_S = 30.0
"""For QEMU, the image and the twin to be ready."""


def demonstrate(robot: str, task: Task, seconds: float, conditions: Conditions, seed: int) -> int:
    """Flies the LQR over a pseudo-terminal and prints what came; 0 where the robot stayed upright for the whole time.

    What comes depends on how busy the machine is: it shows that the image, its serial line and its clock work outside
    of the lock-step, and proves nothing about timing.

    Args:
        robot: name or path of the robot profile.
        task: what is to be done.
        seconds: length of the flight.
        conditions: of the twin.
        seed: of the twin's noise.

    Raises:
        LinkError: no QEMU here, no image can be built, or the twin or QEMU ended.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    twin = context.Process(target=_serve, args=(theirs, robot, conditions, seed), daemon=True)
    twin.start()
    theirs.close()
    try:
        port = _answer(ours)["port"]
        print(f"image in QEMU behind {port}", flush=True)
        flown_to_its_end = _drive(port, robot, task, seconds)
        ours.send("stop")
        told = _answer(ours)
    finally:
        ours.close()
        twin.join(START_S)
        twin.kill()
    fate = "upright to the end" if told["upright"] else "fell"
    print(f"{fate}; {told['mcu_s']:.2f} s of the MCU's time, {told['late']} of its milliseconds made up for")
    return 0 if told["upright"] and flown_to_its_end else 1


def _answer(ours: Connection) -> dict[str, Any]:
    """What the twin's process says.

    Raises:
        LinkError: it failed, for the reason that it gives.
    """
    try:
        answer = ours.recv() if ours.poll(START_S) else {"error": ("an answer of the twin", "none", "start it again")}
    except EOFError:
        answer = {"error": ("an answer of the twin", "the end of its process", "start it again")}
    if "error" in answer:
        raise LinkError(*answer["error"])
    return answer


def _drive(port: str, robot: str, task: Task, seconds: float) -> bool:
    """Drives as ``robot-il run`` does; whether it went on for its whole time, to a safe stop."""
    from firmware_bridge.link import SerialLink
    from firmware_bridge.serial_device import SerialDevice
    from robot_il.control.controllers import LinearController
    from robot_il.control.guard import Guard, limits_for
    from robot_il.control.loop import ControlLoop
    from robot_il.control.lqr import lqr_gain
    from robot_il.control.posture import course_of
    from robot_il.control.supervisor import SupervisorState
    from robot_il.robot import load_robot

    profile = load_robot(robot)
    law = LinearController(lqr_gain(profile, task), task)
    link = SerialLink(port)
    device = SerialDevice(link)
    with contextlib.closing(device):
        identity = device.open()
        print(f"firmware {identity.firmware_version}, round trip {identity.round_trip_s * 1e3:.2f} ms")
        loop = ControlLoop(device, link.clock, Guard(law, law, limits_for(profile)), course=course_of(task, profile))
        loop.observe(CONTROL_RATE_HZ // 10)
        ticks = max(1, round(seconds * CONTROL_RATE_HZ))
        report = loop.run(ticks)
        print(
            f"drove {report.controlled + report.rescued} ticks ({report.rescued} by the fallback), ended "
            f"{report.outcome.name.lower()}: {', '.join(report.reasons) or 'as asked'}; "
            f"{device.statistics.missing_states} STATEs missing, {device.statistics.undecodable} undecodable"
        )
    return report.outcome is SupervisorState.DISARMED and report.controlled + report.rescued >= ticks


def _serve(theirs: Connection, robot: str, conditions: Conditions, seed: int) -> None:
    """The twin's process: steps as the firmware in QEMU says, and passes the host's bytes through."""
    from firmware_bridge.hostlib import Board
    from firmware_bridge.qemu import QemuFirmware
    from robot_il.robot import load_robot
    from sim.pseudo_terminal import PseudoTerminal
    from sim.twin import Twin

    made: list[QemuFirmware] = []

    def firmware(board: Board) -> Microcontroller:
        made.append(QemuFirmware(board))
        return cast("Microcontroller", made[0])  # all of it that a twin uses

    try:
        twin = Twin(load_robot(robot), conditions, seed, firmware=firmware)
        terminal = PseudoTerminal()
        theirs.send({"port": terminal.port})
        upright = True
        while not theirs.poll():
            data = terminal.read()
            if data:
                twin.receive(data)
            twin.step()
            terminal.write(twin.transmit())
            upright = upright and not (twin.fallen and twin.mode == Mode.ARMED)
        theirs.send({"upright": upright, "mcu_s": made[0].time_us * 1e-6, "late": made[0].late})
    except (ConfigError, LinkError) as error:
        theirs.send({"error": (error.expected, error.came, error.remedy)})
    finally:
        for emulator in made:
            emulator.close()
