"""Running C compilers: each build is made once, kept under the hash of all that went in, and never seen half done."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from robot_il.errors import ConfigError

WARNINGS = (
    *("-std=c99", "-O2", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-Wundef"),
    *("-Wstrict-prototypes", "-Wmissing-prototypes", "-ffp-contract=off"),
)
"""For every build of the firmware. Fused multiply-adds are off, so that every processor gives the same bits."""


def compiled(compiler: list[str], flags: list[str], inputs: list[Path], name: str) -> Path:
    """The product of a compiler run, made unless that very build exists.

    Args:
        compiler: a program and what it must be told to be a compiler.
        flags: to which the output and the C files are added.
        inputs: every file that the product depends on; those named ``*.c`` are compiled.
        name: of the product, with ``{key}`` where the hash goes.

    Raises:
        ConfigError: there is no such compiler, or it refuses the sources.
    """
    product = build_folder() / name.format(key=_key(compiler, flags, inputs))
    if not product.exists():
        with tempfile.TemporaryDirectory(dir=product.parent, prefix=".building-") as folder:
            unfinished = Path(folder) / product.name
            sources = [str(path) for path in inputs if path.suffix == ".c"]
            output_of([*compiler, *flags, "-o", str(unfinished), *sources])
            unfinished.replace(product)
    return product


def _key(compiler: list[str], flags: list[str], inputs: list[Path]) -> str:
    """Identity of a build: the compiler and its version, the flags, and every byte of the inputs."""
    digest = hashlib.sha256(shlex.join([*compiler, *flags]).encode())
    digest.update(output_of([*compiler, "--version"]))
    for path in inputs:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


def output_of(command: list[str]) -> bytes:
    """Standard output of a compiler run.

    Raises:
        ConfigError: there is no such compiler, or it fails.
    """
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise ConfigError(
            "a C compiler, which builds the firmware for the twin and the tests",
            f"no '{command[0]}' on the PATH",
            "install one, e.g. 'apt-get install gcc', or set CC",
        ) from error
    except subprocess.CalledProcessError as error:
        raise ConfigError(
            "a C compiler that accepts the firmware's C99 without a warning",
            f"exit code {error.returncode} of '{command[0]}': {error.stderr.decode(errors='replace').strip()[:400]}",
            "set CC to a gcc or clang of this machine",
        ) from error


def build_folder() -> Path:
    """``build/firmware`` in the repository, or the user's cache folder where the repository is missing or read-only."""
    root = Path(__file__).parents[1]
    local = root / "build" / "firmware"
    if (root / "pyproject.toml").exists() and os.access(local.parent if local.parent.exists() else root, os.W_OK):
        folder = local
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "robot-il" / "firmware"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
