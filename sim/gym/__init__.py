"""The twin as Gymnasium environments: importing this package registers one for each task.

``gymnasium.make("robot_il/Stand-v0")`` works once it was imported, and ``gymnasium.make("sim.gym:robot_il/Stand-v0")``
imports it by itself. Physics and firmware are loaded only when an environment is made.
"""

from sim.gym.registration import NAMESPACE, env_id, register_envs

__all__ = ["NAMESPACE", "env_id", "register_envs"]

register_envs()
