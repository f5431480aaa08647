"""The LQR as C in the firmware's slot for a policy: a demonstrator that answers every sample, at 1 kHz.

What it reacts to is the MCU's own estimate at 1 kHz; what a log shows is every fifth of these, and the torque as the
mean over the period between. The logged torque is then no exact function of the logged state.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from firmware_bridge.compiling import build_folder
from firmware_bridge.hostlib import Board
from firmware_bridge.microcontroller import Microcontroller
from firmware_bridge.onboard import OnboardLibrary
from firmware_bridge.policy_library import NAMES, PolicyLibrary
from robot_il.control.controllers import LinearController, target
from robot_il.control.lqr import lqr_gain
from robot_il.errors import PolicyError
from robot_il.learning import c_text as c
from robot_il.recording.chain import ON_BOARD
from robot_il.robot import Robot
from robot_il.spec import SPEC_HASH, TORQUE_LIMIT_NM
from robot_il.tasks import Task

NAME = "lqr-onboard"
EVERY_TICKS = 1
"""Ticks of the firmware between two answers."""


def keep_alive(robot: Robot, task: Task) -> LinearController:
    """What the host sends meanwhile: no torque but the heading's difference, and by that the MCU knows it is there.

    Its identity says who drove, by which law, and which link of the action chain holds it.
    """
    idle = LinearController(np.zeros(len(task.observation)), task, NAME)
    idle.identity |= {"action": ON_BOARD, "on_board": _law(robot, task), "every_ticks": EVERY_TICKS}
    return idle


def firmware(robot: Robot, task: Task) -> Callable[[Board], Microcontroller]:
    """Makes an MCU that carries the LQR of a robot and a task and asks it on every tick.

    Raises:
        ConfigError: there is no C compiler.
        PolicyError: the C does not give the law's own torques.
    """
    return functools.partial(OnboardLibrary, policy=law_in_c(robot, task), every_ticks=EVERY_TICKS)


def law_in_c(robot: Robot, task: Task) -> Path:
    """The folder with the law as ``policy.h`` and ``policy.c``; made, and proven on this machine, on first use.

    Raises:
        ConfigError: there is no C compiler.
        PolicyError: the C does not give the law's own torques.
    """
    law = _law(robot, task)
    texts = dict(zip(NAMES, (_header(task), _source(task, law)), strict=True))
    key = hashlib.sha256("".join(texts.values()).encode()).hexdigest()[:20]
    folder = build_folder() / f"lqr-{key}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as name:
            whole = Path(name) / "law"
            whole.mkdir()
            for file, text in texts.items():
                (whole / file).write_text(text, encoding="ascii")
            if not PolicyLibrary(whole, len(task.observation), 1).self_test():
                raise PolicyError("C that gives the torques of the LQR", "others", "use another compiler: set CC")
            _publish(whole, folder)
    return folder


def _publish(whole: Path, folder: Path) -> None:
    """Gives a finished folder its name, unless another process was first with the very same."""
    try:
        whole.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _law(robot: Robot, task: Task) -> dict[str, Any]:
    """Gain, bias and limit of the law in single precision, as the C has them."""
    gain = lqr_gain(robot, task).astype(np.float32)
    return {
        "gain": [float(value) for value in gain],
        "bias": float(np.float32(gain @ target(task))),
        "limit_nm": float(np.float32(min(TORQUE_LIMIT_NM, 2.0 * robot.drive.torque_limit_nm))),
    }


def _torque(law: dict[str, Any], observation: np.ndarray) -> np.float32:
    """What the C computes, in its order and precision."""
    total = np.float32(law["bias"])
    for gain, value in zip(law["gain"], observation, strict=True):
        total = np.float32(total - np.float32(gain) * np.float32(value))
    limit = np.float32(law["limit_nm"])
    return np.float32(min(max(total, -limit), limit))


def _header(task: Task) -> str:
    return f"""/* An LQR for {task.name}, for the slot of the firmware. Made by robot-il collect. */
#ifndef RIL_POLICY_H
#define RIL_POLICY_H

#include <stdbool.h>

#define RIL_POLICY_OBSERVATIONS {len(task.observation)}
#define RIL_POLICY_PAIRS {_PAIRS}

void ril_policy_act(const float *observation, float *action);
bool ril_policy_check(int pair);
bool ril_policy_self_test(void);

#ifdef RIL_POLICY_IN_FIRMWARE
#include "onboard.h"

extern const struct ril_policy ril_policy_of_image;
#endif

#endif
"""


_PAIRS = 16


def _source(task: Task, law: dict[str, Any]) -> str:
    random = np.random.default_rng(0)
    observations = random.normal(size=(_PAIRS, len(task.observation))).astype(np.float32) * np.float32(0.1)
    torques = np.array([_torque(law, row) for row in observations], dtype=np.float32)
    rows = ",\n".join("    {" + ", ".join(map(c.number, row)) + "}" for row in observations)
    fields = ", ".join(f"state->{name}" for name in task.observation)
    return _SOURCE.format(
        gain=c.array("gain", np.array(law["gain"], dtype=np.float32), "RIL_POLICY_OBSERVATIONS"),
        observations=rows,
        torques=c.array("torques", torques, "RIL_POLICY_PAIRS"),
        bias=c.number(np.float32(law["bias"])),
        limit=c.number(np.float32(law["limit_nm"])),
        fields=fields,
        spec=SPEC_HASH[:16],
    )


_SOURCE = """#include "policy.h"

{gain}
static const float observations[RIL_POLICY_PAIRS][RIL_POLICY_OBSERVATIONS] = {{
{observations}
}};
{torques}

void ril_policy_act(const float *observation, float *action) {{
    float total = {bias};
    for (int i = 0; i < RIL_POLICY_OBSERVATIONS; i++) {{
        total -= gain[i] * observation[i];
    }}
    *action = total > {limit} ? {limit} : (total < -{limit} ? -{limit} : total);
}}

bool ril_policy_check(int pair) {{
    float action;
    ril_policy_act(observations[pair], &action);
    return action == torques[pair];
}}

bool ril_policy_self_test(void) {{
    for (int pair = 0; pair < RIL_POLICY_PAIRS; pair++) {{
        if (!ril_policy_check(pair)) {{
            return false;
        }}
    }}
    return true;
}}

#ifdef RIL_POLICY_IN_FIRMWARE
#if RIL_SPEC_HASH != UINT64_C(0x{spec})
#error "the law and the firmware are of different specs"
#endif

static float total_nm;

static void begin(const struct ril_state *state) {{
    const float observation[RIL_POLICY_OBSERVATIONS] = {{{fields}}};
    ril_policy_act(observation, &total_nm);
}}

static bool go_on(float *total) {{
    *total = total_nm;
    return true;
}}

const struct ril_policy ril_policy_of_image = {{begin, go_on}};
#endif
"""
