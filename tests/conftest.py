"""Shared by all tests: one thread a process, so that two workers share two cores without fighting."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile

_HOME = os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="robot-il-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
"""No test meets the robots of whoever runs it, nor leaves any behind in their home."""
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what runs in its background so, and every command that the tests interrupt would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
