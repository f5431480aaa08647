"""A demonstrator that looks ahead: nonlinear model-predictive control of the pendulum, for what no linear law catches.

At every STATE it predicts the robot to the moment at which its answer will act, and plans from there the torques that
cost least over the horizon, with the LQR's own costs and its cost to go at the end. Near upright that plan is the
LQR's, less the delay; far from it the plan knows that torque is limited, that wheels have a top speed, and that gravity
pulls with the sine of the lean. The first torque of the plan is the answer, and the next plan begins with what is left
of this one (a real-time iteration: Diehl, Bock and Schlöder, SIAM J. Control Optim. 43(5), 2005).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import astuple, replace
from typing import Any

import numpy as np

from robot_il.control import mpc_solver
from robot_il.control.device import State
from robot_il.control.guard import GuardLimits
from robot_il.control.lqr import STATE, TOLERATED, TOLERATED_TORQUE_NM, lqr_gain, solve_lqr
from robot_il.control.mpc_solver import Plan, Problem, Solver
from robot_il.control.pendulum import NonlinearPendulum
from robot_il.control.region_catch import loop_delay_s
from robot_il.control.schedule import Schedule, scheduled
from robot_il.robot import Pendulum, Robot
from robot_il.spec import CONTROL_PERIOD_S, LIMITS
from robot_il.tasks import Task

NAME = "mpc"
STEPS_S = (*(0.005,) * 6, *(0.01,) * 7, *(0.02,) * 10, *(0.04,) * 10)
"""Of a plan: 0.7 s, six times the e-folding time of either shipped robot's fall; fine where the torque will be used."""
FIRST_ITERATIONS = 30
"""Of the first plan after a reset, which begins with the LQR's."""
ITERATIONS = 2
"""Of every other one, which begins with the plan before."""
ROOM = 0.55
"""Share of the lean that the task calls a fall which a plan may use without a price: the robot is never quite the one
of the plan, and leans farther than planned."""
WALL = 1e4
"""Price of what is beyond, in 1/rad^2 a period: a tenth of a radian costs a hundred times what the LQR tolerates."""
HEIGHT_STEP_M = 0.002
"""Two heights nearer than this are planned for with one pendulum."""
_NUMBERS = ("R", "torque_nm", "stall_nm", "fall_nm_s", "top_rad_s", "pitch_rad", "wall")
_FIGURES = len(Pendulum.__dataclass_fields__)
_SLEW_NM = GuardLimits().torque_slew_nm_s * CONTROL_PERIOD_S


class PredictiveController:
    """Plans anew at every STATE; deterministic, and a function of the STATEs since its reset alone.

    Args:
        settings: see ``settings_for``; the log keeps them, so that a replay plans the same.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.identity = {"name": NAME, **settings}
        self.intent = math.nan
        self._settings = settings
        self._table = Schedule.from_json(settings["over_height"])
        self._solvers: dict[int, tuple[Solver, np.ndarray]] = {}
        self._iterations = int(settings["iterations"])
        self._delay_s = float(settings["delay_s"])
        self._periods = max(1, math.ceil(self._delay_s / CONTROL_PERIOD_S))
        self._steps_s = np.array(settings["steps_s"], dtype=float)
        self._times_s = np.concatenate(([0.0], np.cumsum(self._steps_s)))
        self._later = _one_period_on(self._steps_s)
        self.reset()

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any]) -> PredictiveController:
        """The controller that a log names.

        Raises:
            KeyError, TypeError, ValueError: the log says too little of it.
        """
        return cls({name: value for name, value in identity.items() if name != "name"})

    def reset(self) -> None:
        """Forgets the plan and the torques it asked for."""
        self._plan: Plan | None = None
        self._asked = deque([0.0] * self._periods, maxlen=self._periods)

    def torque(self, state: State) -> float:
        """Total wheel torque in N m."""
        solver, gain = self._solver(state.height)
        start = self._predict(solver.problem.pendulum, state)
        plan = solver.follow_law(start, gain)
        iterations = FIRST_ITERATIONS
        if self._plan is not None:
            plan = min(self._left_over(solver, gain, start, self._plan), plan, key=lambda each: each.cost)
            iterations = self._iterations
        self._plan = solver.improve(plan, iterations)
        last = self._asked[-1]
        answer = min(max(float(self._plan.torques[0]), last - _SLEW_NM), last + _SLEW_NM)
        self._asked.append(answer)
        return answer

    def _solver(self, height_m: float) -> tuple[Solver, np.ndarray]:
        """The solver for the height that the legs hold, and the LQR's gain (4,) there."""
        lowest, nominal, highest = (self._table.heights_m[index] for index in (0, self._table.nominal, -1))
        if math.isnan(height_m):
            height_m = nominal
        place = round((min(max(height_m, lowest), highest) - nominal) / HEIGHT_STEP_M)
        if place not in self._solvers:
            row = self._table.at(nominal + place * HEIGHT_STEP_M if place else nominal)
            self._solvers[place] = self._made(row), np.array(row[_FIGURES : _FIGURES + 4])
        return self._solvers[place]

    def _made(self, row: list[float]) -> Solver:
        settings = self._settings
        return Solver(
            Problem(
                pendulum=NonlinearPendulum(Pendulum(*row[:_FIGURES]), **settings["drives"]),
                steps_s=self._steps_s,
                period_s=CONTROL_PERIOD_S,
                Q=np.array(settings["Q"], dtype=float),
                P=np.array(row[_FIGURES + 4 :]).reshape(4, 4),
                target=np.array(settings["target"], dtype=float),
                **{name: float(settings[name]) for name in _NUMBERS},
            )
        )

    def _predict(self, pendulum: NonlinearPendulum, state: State) -> mpc_solver.State:
        """Where the robot will be when the answer to this STATE acts, under the torques that act until then."""
        at = (state.pitch, state.pitch_rate, state.position, state.velocity)
        left_s = self._delay_s
        for age in range(self._periods, 0, -1):
            step_s = left_s - (age - 1) * CONTROL_PERIOD_S
            at = pendulum.advance(at, self._asked[-age], step_s)
            left_s -= step_s
        return at

    def _left_over(self, solver: Solver, gain: np.ndarray, start: mpc_solver.State, plan: Plan) -> Plan:
        """The plan before, one period on, with the LQR's feedback to where it meant to be."""
        times = self._times_s[:-1] + CONTROL_PERIOD_S
        states = np.stack([np.interp(times, self._times_s, column) for column in plan.states.T], axis=1)
        return solver.track(start, self._later @ plan.torques, states, gain)


def predictive(robot: Robot, task: Task) -> PredictiveController:
    """The controller of a robot and a task.

    Raises:
        ConfigError: a task whose signals do not determine the balance.
    """
    return PredictiveController(settings_for(robot, task))


def settings_for(robot: Robot, task: Task) -> dict[str, Any]:
    """What a ``PredictiveController`` of this robot and task has to know, as JSON values.

    Raises:
        ConfigError: a task whose signals do not determine the balance.
    """
    observed = [name for name in STATE if name in task.observation]
    tolerated, torque_nm = (TOLERATED, TOLERATED_TORQUE_NM) if robot.lqr is None else robot.lqr.tolerated
    drive, battery = robot.drive, robot.battery
    volt_nm = 2.0 * drive.torque_constant_nm_a / drive.winding_resistance_ohm
    return {
        "task": task.name,
        "over_height": scheduled(robot, lambda height_m: _row(robot, task, height_m)).to_json(),
        "drives": {
            "strength_1": drive.strength_1,
            "viscous_nm_s": 2.0 * drive.viscous_friction_nm_s,
            "coulomb_nm": 2.0 * drive.coulomb_friction_nm,
        },
        "steps_s": list(STEPS_S),
        "iterations": ITERATIONS,
        "delay_s": loop_delay_s(robot) + drive.time_constant_s,
        "Q": np.diag([1.0 / tolerated[name] ** 2 if name in observed else 0.0 for name in STATE]).tolist(),
        "R": 1.0 / torque_nm**2,
        "target": [task.target_velocity_m_s if name == "velocity" else 0.0 for name in STATE],
        "torque_nm": 2.0 * min(drive.torque_limit_nm, LIMITS.wheel_torque_nm),
        "stall_nm": volt_nm * (battery.open_circuit_v - battery.resistance_ohm * battery.idle_current_a),
        "fall_nm_s": volt_nm * drive.torque_constant_nm_a,
        "top_rad_s": LIMITS.wheel_speed_rad_s,
        "pitch_rad": ROOM * task.fall_tilt_rad,
        "wall": WALL,
    }


def _row(robot: Robot, task: Task, height_m: float) -> list[float]:
    """The pendulum's figures at a height, then the LQR's gain (4,) and its cost to go (4, 4) over ``STATE``."""
    chosen = [STATE.index(name) for name in STATE if name in task.observation]
    ordered = replace(task, observation=tuple(STATE[index] for index in chosen))
    gain, cost = np.zeros(4), np.zeros((4, 4))
    gain[chosen] = lqr_gain(robot, ordered, height_m)
    cost[np.ix_(chosen, chosen)] = solve_lqr(robot, ordered, height_m)[1]
    return [*astuple(robot.pendulum_at(height_m)), *gain.tolist(), *cost.ravel().tolist()]


def _one_period_on(steps_s: np.ndarray) -> np.ndarray:
    """(N, N): what a piecewise constant torque, one period on, is over each step on average; its last value stays."""
    ends = np.cumsum(steps_s)
    starts, last = ends - steps_s, ends.copy()
    last[-1] = math.inf
    overlap = np.minimum(last, (ends + CONTROL_PERIOD_S)[:, None]) - np.maximum(
        starts, (starts + CONTROL_PERIOD_S)[:, None]
    )
    return np.maximum(overlap, 0.0) / steps_s[:, None]
