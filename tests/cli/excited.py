"""Recordings of an excited twin."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from robot_il.cli.collecting import record_episode
from robot_il.cli.rollout import Rollout
from robot_il.control.controllers import LinearController
from robot_il.control.lqr import lqr_gain
from robot_il.tasks import TASKS
from sim.conditions import nominal
from sim.excitation import Excitation, ExcitedController


def excited_log(path: Path, seconds: float, **conditions: float) -> Path:
    task = TASKS["stand"]
    rollout = Rollout("reference", task, seconds)
    law = LinearController(lqr_gain(rollout.robot, task), task)
    excited = ExcitedController(law, Excitation(amplitude_nm=2.0))
    record_episode(rollout, excited, "unlabeled", dataclasses.replace(nominal(task), **conditions), 1, path)
    return path
