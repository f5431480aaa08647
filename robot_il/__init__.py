"""Record, train, prove and run balancing policies on a wheel-legged robot at 200 Hz."""

__version__ = "0.1.0"
