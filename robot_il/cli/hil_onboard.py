"""A policy compiled into the firmware's image flies the twin by itself, while the host only keeps it alive."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_bridge.emulator import INSTRUCTIONS_PER_MS
from firmware_bridge.onboard import OnboardImage, OnboardLibrary, ticks_of_rate
from firmware_bridge.policy_core import PolicyOnCore
from firmware_bridge.policy_library import PolicyLibrary
from robot_il.cli.c_policy import ProvenC, write_proven_c
from robot_il.cli.hil_rig import Flight, fly
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.replay import BOUND_NM
from robot_il.control.sink import NullSink
from robot_il.errors import PolicyError
from robot_il.learning.export_c import MULTIPLY_ADDS_A_TICK
from robot_il.robot import load_robot
from robot_il.spec import TICK_DTYPE
from robot_il.tasks import TASKS, Task, find_task, is_task
from sim.conditions import Conditions, nominal, sample_conditions

RATES_HZ = (200, 1000)
MEASURED = 100
"""Calls of the policy on the core, of each flight, in which instructions are counted."""


@dataclass(frozen=True)
class CoreCalls:
    """The policy on the Cortex-M, on the STATEs of a flight.

    Attributes:
        calls: how many.
        instructions: least, median and most of one call.
        image_equals_library: whether the core gave the bits of the library on this machine on each.
        bound_nm: largest difference of the core from onnxruntime, in N m.
    """

    calls: int
    instructions: tuple[int, float, int]
    image_equals_library: bool
    bound_nm: float


class Kept(NullSink):
    """Keeps the ticks in memory."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def tick(self, row: bytes) -> None:
        """Keeps the row."""
        self._rows.append(row)

    @property
    def ticks(self) -> np.ndarray:
        """(T,) of ``TICK_DTYPE``."""
        return np.frombuffer(b"".join(self._rows), TICK_DTYPE)


def fly_on_board(
    folder: Path, rollout: Rollout, rate_hz: int, conditions: Conditions, seed: int
) -> tuple[Flight, Flight, np.ndarray]:
    """Flies the image with the policy in it, then the library with the same, while the host asks for no torque.

    The host's COMMANDs carry the heading's difference only: what balances is the policy on the MCU.

    Args:
        folder: of the policy in C.
        rollout: robot, task and length.
        rate_hz: of the policy.
        conditions: of the twin.
        seed: of the twin's noise.

    Returns:
        both flights, and the ticks of the first.

    Raises:
        PolicyError: a rate at which the policy cannot run, or its self test on the core fails.
    """
    every_ticks = ticks_of_rate(rate_hz)
    idle = LinearController(np.zeros(len(rollout.task.observation)), rollout.task, "keep-alive")
    kept = Kept()
    makers = [
        functools.partial(kind, policy=folder, every_ticks=every_ticks) for kind in (OnboardImage, OnboardLibrary)
    ]
    image = fly(rollout, makers[0], idle, idle, conditions, seed, kept)
    library = fly(rollout, makers[1], idle, idle, conditions, seed)
    return image, library, kept.ticks


def measure(proven: ProvenC, task: Task, ticks: np.ndarray) -> CoreCalls:
    """Calls the policy on the core for evenly picked ticks of a flight, beside this machine's C and onnxruntime."""
    picked = ticks[np.unique(np.linspace(0, len(ticks) - 1, MEASURED).astype(int))]
    observations = np.stack([picked[name] for name in task.observation], axis=1)
    core = PolicyOnCore(proven.export.folder, len(task.observation), 1, counting=True)
    on_core = core(observations)
    on_host = PolicyLibrary(proven.export.folder, len(task.observation), 1)(observations)
    reference = np.stack([proven.policy.act(row) for row in observations])
    return CoreCalls(
        calls=len(observations),
        instructions=(min(core.instructions), float(np.median(core.instructions)), max(core.instructions)),
        image_equals_library=on_core.tobytes() == on_host.tobytes(),
        bound_nm=float(np.abs(on_core.astype(np.float64) - reference).max()),
    )


def demonstrate(source: Path, robot: str, seconds: float, seed: int | None) -> int:
    """Makes, proves, flies and measures a policy on board, and prints it; 0 where all that was flown stayed upright.

    Args:
        source: a policy file, or the folder of a run.
        robot: name or path of the robot profile.
        seconds: length of each flight.
        seed: of the draw of start, pushes and robot; None for the nominal one.

    Raises:
        PolicyError: not a policy for this robot, or it differs between host and image by more than the bound.
    """
    with tempfile.TemporaryDirectory(prefix="robot-il-") as name:
        proven = write_proven_c(source, Path(name) / "c")
        task = _task(proven)
        conditions = nominal(task) if seed is None else sample_conditions(task, seed, load_robot(robot))
        print(f"policy {proven.export.sha256[:12]} for {task.name}: {proven.export.multiply_adds} multiply-adds a call")
        print(
            f"C against onnxruntime: {proven.parity:.2g} of the action's range on {len(proven.inputs)} inputs",
            flush=True,
        )
        upright = True
        for rate_hz in RATES_HZ:
            upright &= _fly_and_tell(proven, Rollout(robot, task, seconds), rate_hz, conditions, seed or 0)
        return 0 if upright else 1


def _task(proven: ProvenC) -> Task:
    metadata = proven.export.metadata
    if not is_task(metadata.task):
        raise PolicyError(
            f"a policy for a task of {', '.join(TASKS)}", metadata.task or "one for imported data", "train one"
        )
    metadata.check_fits(find_task(metadata.task))
    return find_task(metadata.task)


def _fly_and_tell(proven: ProvenC, rollout: Rollout, rate_hz: int, conditions: Conditions, seed: int) -> bool:
    ticks_needed = -(-proven.export.multiply_adds // MULTIPLY_ADDS_A_TICK)
    if ticks_needed > ticks_of_rate(rate_hz):
        print(f"{rate_hz} Hz: not flown; it takes {ticks_needed} ms on this core")
        return True
    image, library, ticks = fly_on_board(proven.export.folder, rollout, rate_hz, conditions, seed)
    episode, calls = image.episode, measure(proven, rollout.task, ticks)
    print(
        f"{rate_hz} Hz: self test passed on the core; {episode.end} after {episode.seconds:.2f} s, tilt "
        f"{episode.tilt_rms_rad:.4f} rad rms, drift {episode.drift_m:.3f} m at most"
    )
    least, median, most = calls.instructions
    share = most / (INSTRUCTIONS_PER_MS * 1000 / rate_hz)
    print(
        f"  {least} / {median:.0f} / {most} instructions per inference (least, median, most of {calls.calls}): "
        f"{100 * share:.0f} % of the core"
    )
    print(f"  {image.states} STATEs, sha256 {image.sha256}")
    same = image.sha256 == library.sha256 and calls.image_equals_library
    print(f"  image and host library are {'the same, bit for bit' if same else 'NOT the same'}")
    print(f"  image against onnxruntime: {calls.bound_nm:.2g} N m (at most {BOUND_NM:.2g})")
    if not same or calls.bound_nm > BOUND_NM:
        raise PolicyError("the host's torques on the Cortex-M, within the bound", "others", "report this policy")
    return episode.survived
