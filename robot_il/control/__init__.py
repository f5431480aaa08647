"""The 200 Hz side: device interface, clock, controllers, supervisor and loop. Imports neither torch nor pybullet."""
