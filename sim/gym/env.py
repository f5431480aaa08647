"""The twin as one environment of Gymnasium: the device's own spec, SI units, 200 steps a second."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from robot_il.control.controllers import observer
from robot_il.control.shaping import limits_for
from robot_il.errors import ConfigError
from robot_il.robot import load_robot
from robot_il.spec import CONTROL_PERIOD_S, CONTROL_RATE_HZ, LIMITS, SIGNALS
from robot_il.tasks import find_task
from sim.conditions import Conditions, nominal, sample_conditions
from sim.curriculum import check_difficulty, eased
from sim.engine import DEFAULT_ENGINE, check_engine
from sim.gym.reward import Reward
from sim.randomisation import WIDTHS
from sim.ride import TRAINING_DRAWS, Ride

if TYPE_CHECKING:
    from sim.render import Scene

ACTIONS = ("torque", "share", "wheels")
OPTIONS = ("conditions", "difficulty", "draw")
LONGEST_S = 3600.0


class TwinEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """A robot's twin that does one task, with the firmware between the policy and the wheels.

    Observation: the task's signals as the MCU's estimator reports them, float32, SI units, in the order of the spec.
    Action: torque, through COMMANDs, the host's limits, the heading hold, and the MCU's limits. A step is one control
    period of 5 ms. It terminates with a fall by the task's definition, or when the MCU stops by itself; it is truncated
    when the time is over. ``info`` has ``truth``, what the robot really does; after a reset also ``conditions`` and
    ``seed``, that of the draw, and at the end ``end``, in words.

    The draw of an episode, its conditions and its noise, is the seed given to ``reset``; without one, a random number
    that no evaluation draws. Everything is a function of the draws and the actions, bit for bit.

    Args:
        task: name of a task, as for ``tasks.find_task``.
        robot: name or path of the robot profile.
        engine: of the physics, one of ``sim.engine.ENGINES``.
        seconds: after which an episode is truncated.
        randomise: how far an episode's robot is from its profile, one of ``randomisation.WIDTHS``; None for the robot
            on paper, upright and undisturbed.
        action: ``torque``, the sum over both wheels in N m; ``share``, the same as a share of the largest, from -1 to
            1, for learners that want it so; ``wheels``, one torque for the left and one for the right, in N m, and no
            heading hold.
        difficulty: of the draws, for a curriculum, see ``sim.curriculum``; 1 draws them as an evaluation does.
        render_mode: ``rgb_array``, or None.
        width: of a frame, in pixels.
        height: of a frame, in pixels.

    Attributes:
        ride: the episode that goes on; None before the first reset and after ``close``.

    Raises:
        ConfigError: an argument that cannot be used.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": CONTROL_RATE_HZ}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(
        self,
        task: str = "stand",
        robot: str = "reference",
        engine: str = DEFAULT_ENGINE,
        seconds: float = 10.0,
        randomise: str | None = WIDTHS[0],
        action: str = "torque",
        difficulty: float = 1.0,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 360,
    ) -> None:
        _check_among("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        _check_among("action", action, ACTIONS)
        _check_among("randomise", randomise, (None, *WIDTHS))
        check_engine(engine)
        if not CONTROL_PERIOD_S <= seconds <= LONGEST_S:
            raise ConfigError(
                f"seconds from {CONTROL_PERIOD_S:g} to {LONGEST_S:g}", f"{seconds}", "choose another length"
            )
        self.render_mode = render_mode
        self.task, self.robot = find_task(task), load_robot(robot)
        self.ride: Ride | None = None
        self._engine, self._randomise, self._size = engine, randomise, (width, height)
        self._difficulty = check_difficulty(difficulty)
        self._scene: Scene | None = None
        self._conditions: Conditions | None = None
        self._wheels = action == "wheels"
        limit = LIMITS.wheel_torque_nm if self._wheels else limits_for(self.robot).torque_nm
        self._unit_nm = limit if action == "share" else 1.0
        self._steps = round(seconds * CONTROL_RATE_HZ)
        self._reward = Reward(self.robot, self.task, heading=self._wheels)
        self._observe = observer(self.task)
        signals = [SIGNALS[name] for name in self.task.observation]
        low, high = (np.array([getattr(signal, end) for signal in signals], np.float32) for end in ("low", "high"))
        self.observation_space = Box(low, high, dtype=np.float32)
        self.action_space = Box(-limit / self._unit_nm, limit / self._unit_nm, (1 + self._wheels,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins an episode: a new robot in a hand, armed, that waits for its first torque.

        Args:
            seed: of all that follows, and the draw of this episode.
            options: ``draw``, the draw of this episode alone; ``difficulty``, the same of it; ``conditions``, a
                ``Conditions`` in place of the drawn ones, or a mapping of those of its figures that are to differ.

        Returns:
            the first observation, and ``info``.

        Raises:
            ConfigError: an option that there is not, or conditions that mean nothing.
        """
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            _check_among("option", name, OPTIONS)
        draw = options.get("draw", seed)
        if draw is None:
            draw = TRAINING_DRAWS + int(self.np_random.integers(TRAINING_DRAWS))
        if not isinstance(draw, (int, np.integer)) or draw < 0:
            raise ConfigError("a draw that is a whole number from 0", repr(draw), "choose another")
        difficulty = check_difficulty(options.get("difficulty", self._difficulty))
        conditions = self._drawn(int(draw), difficulty, options.get("conditions"))
        self._forget(conditions)
        self.ride = Ride(self.robot, self.task, conditions, int(draw), self._engine)
        return self._observation(self.ride), {"truth": self.ride.truth, "conditions": conditions, "seed": int(draw)}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Answers the last STATE with a torque and waits for the next one.

        Args:
            action: (1,) total torque or (2,) of the left and the right wheel; cut to what the host lets through.

        Returns:
            observation, reward (see ``Reward``), whether it fell, whether the time is over, ``info``.

        Raises:
            ConfigError: an action that is not finite, or an episode that is over or never began.
        """
        ride = self.ride
        if ride is None or ride.end:
            raise ConfigError("a step of an episode that goes on", "one that is over or never began", "call reset")
        first, last = float(action[0]), float(action[-1])
        if not math.isfinite(first + last):
            raise ConfigError("a finite action", f"{action}", "look at the policy: it diverged")
        if self._wheels:
            ride.drive_wheels(first, last)
        else:
            ride.drive(first * self._unit_nm)
        info: dict[str, Any] = {"truth": ride.truth}
        truncated = ride.ticks >= self._steps
        if ride.end or truncated:
            info["end"] = ride.end or "survived"
        if ride.end:
            # whatever became of the robot, the last observation is one of the space
            last_seen = self._observation(ride).clip(self.observation_space.low, self.observation_space.high)
            return last_seen, 0.0, True, truncated, info
        return self._observation(ride), self._reward(ride.truth, ride.torque_nm), False, truncated, info

    def render(self) -> np.ndarray | None:
        """The robot as it truly is now: (height, width, 3) uint8; None without a render mode.

        Raises:
            ConfigError: nothing was reset yet, or a size that no picture has.
        """
        if self.render_mode is None:
            return None
        if self.ride is None or self._conditions is None:
            raise ConfigError("an episode to look at", "none", "call reset before render")
        from sim.ground import Ground  # not needed where nobody looks
        from sim.render import Scene
        from sim.render_pose import pose_of

        if self._scene is None:
            ground = Ground.of(self.robot, self._conditions)
            self._scene = Scene(self.robot, *self._size, ground, smooth=False)
        return self._scene.frame(pose_of(self.ride.twin, self.robot))

    def close(self) -> None:
        """Gives the physics engine back; ``reset`` begins anew."""
        self._forget(None)

    def _forget(self, following: Conditions | None) -> None:
        """Ends the episode; the scene stays where the next one is on the same ground."""
        if self.ride is not None:
            self.ride.close()
            self.ride = None
        if self._scene is not None and (following is None or _ground(following) != _ground(self._conditions)):
            self._scene.close()
            self._scene = None
        self._conditions = following

    def _observation(self, ride: Ride) -> np.ndarray:
        return np.array(self._observe(ride.state), np.float32)

    def _drawn(self, draw: int, difficulty: float, asked: Conditions | Mapping[str, Any] | None) -> Conditions:
        if isinstance(asked, Conditions):
            return asked
        if self._randomise is None:
            drawn = nominal(self.task)
        else:
            drawn = eased(sample_conditions(self.task, draw, self.robot, self._randomise), difficulty, self.robot)
        for name in asked or {}:
            _check_among("condition", name, tuple(field.name for field in fields(Conditions)))
        return replace(drawn, **(asked or {}))


def _check_among(what: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{what} among {', '.join(map(str, known))}", repr(value), "choose one of them")


def _ground(conditions: Conditions | None) -> tuple[float, ...] | None:
    """What of the conditions is seen of the ground."""
    if conditions is None:
        return None
    seen = ("slope_rad", "bump_height_m", "bump_place_m", "bump_length_m")
    return tuple(getattr(conditions, name) for name in seen)
