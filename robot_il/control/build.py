"""What decides which torque comes out for a STATE: the identity of this build, as far as it can move a bit."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from functools import cache
from pathlib import Path

_SHARED = ("spec.py", "tasks.py")
"""Beside the control side, and part of what it computes."""
_PACKAGES = ("numpy", "scipy", "onnxruntime")
"""Compute in the control path."""


@cache
def build_identity() -> str:
    """SHA-256, 64 hex digits, of the control side's sources, the spec, and what executes them.

    Two runs of one identity give the same torques for the same STATEs to the bit, which ``robot-il replay`` demands.
    Processor and library versions belong to it: onnxruntime picks its kernels by them.
    """
    executing = platform.python_version(), platform.machine(), _processor(), *map(_version, _PACKAGES)
    return identity_of(Path(__file__).parent, executing)


def identity_of(folder: Path, executing: tuple[str, ...]) -> str:
    """SHA-256 of the sources in a folder, of spec and tasks beside it, and of the names of what executes them."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.py"), *(folder.parent / name for name in _SHARED)]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for part in executing:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """The processor's model and instruction sets, as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    named = [line for line in lines if line.split(":")[0].strip() in ("model name", "flags", "CPU part", "Features")]
    return "\n".join(sorted(set(named)))
