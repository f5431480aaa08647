"""Shared by all tests: one thread a process, so that two workers share two cores without fighting."""

from __future__ import annotations

import os
import tempfile

os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="robot-il-tests-")
"""No test meets the robots of whoever runs it, nor leaves any behind in their home."""
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
