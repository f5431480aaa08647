"""What a step is worth: how little it cost by the weights of the robot's own LQR."""

from __future__ import annotations

from robot_il.control.lqr import STATE, TOLERATED, TOLERATED_TORQUE_NM
from robot_il.robot import Robot
from robot_il.tasks import Task
from sim.twin import Truth

TOLERATED_YAW_RATE_RAD_S = 0.5
"""Turning that is off by this costs as much as each of the LQR's tolerated deviations."""


class Reward:
    """The reward of one transition, from 0 to 1.

        r = 1 / (1 + J),   J = sum_i ((s_i - target_i) / tolerated_i)^2 + (torque / tolerated_torque)^2

    over the task's signals s_i as they truly are after the step, and the torque that was sent; a step that ends in a
    fall is worth 0. J is the stage cost of the robot's LQR with weights by Bryson's rule (Bryson and Ho, "Applied
    Optimal Control", 1975, section 5.2), so that near the target r is 1 - J to first order: what LQR minimises is what
    a learner maximises. Being bounded, with nothing to be lost by standing on, it never pays to fall early.

    Args:
        robot: its LQR's weights count.
        task: its targets count.
        heading: turning counts though the task does not observe it: where no heading hold keeps it.
    """

    def __init__(self, robot: Robot, task: Task, heading: bool = False) -> None:
        tolerated, torque_nm = (TOLERATED, TOLERATED_TORQUE_NM) if robot.lqr is None else robot.lqr.tolerated
        scales = {name: tolerated[name] for name in task.observation if name in STATE}
        if heading or "yaw_rate" in task.observation:
            scales["yaw_rate"] = TOLERATED_YAW_RATE_RAD_S
        targets = {"velocity": task.target_velocity_m_s, "yaw_rate": task.target_yaw_rate_rad_s}
        self._terms = [(Truth._fields.index(name), targets.get(name, 0.0), 1.0 / scales[name]) for name in scales]
        self._per_nm = 1.0 / torque_nm

    def __call__(self, truth: Truth, torque_nm: float) -> float:
        """The reward of a step that did not end in a fall.

        Args:
            truth: after it.
            torque_nm: sum over both wheels of what was sent.
        """
        share = torque_nm * self._per_nm
        cost = share * share
        for index, target, per_unit in self._terms:
            share = (truth[index] - target) * per_unit
            cost += share * share
        return 1.0 / (1.0 + cost)
