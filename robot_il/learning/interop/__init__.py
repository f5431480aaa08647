"""Datasets in the formats of others: CSV, npz, D4RL HDF5, Minari and LeRobot, out and in; see docs/interop.md."""
