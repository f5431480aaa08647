"""The robot's twin: physics, sensors, actuators and the compiled firmware, in lock-step or behind a pseudo-terminal."""
