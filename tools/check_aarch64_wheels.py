"""Checks that the bare install resolves to wheels on linux aarch64, the robot's controller, without compiling anything.

./run python tools/check_aarch64_wheels.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
GLIBC_MINORS = range(17, 37)
"""manylinux tags of glibc 2.17 to 2.36, which Debian 12 carries."""


def main() -> int:
    """Resolves the dependencies with pip for aarch64; exit code 0 where every one has a wheel."""
    dependencies = tomllib.loads(PROJECT.read_text())["project"]["dependencies"]
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in GLIBC_MINORS] + ["manylinux2014_aarch64"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", folder]
        command += ["--python-version", "3.11", "--implementation", "cp"]
        command += [argument for platform in platforms for argument in ("--platform", platform)]
        result = subprocess.run([*command, *dependencies], capture_output=True, text=True, check=False)
        if result.returncode:
            print(result.stderr, file=sys.stderr)
            print("expected wheels for linux aarch64; pip found none for the above", file=sys.stderr)
            return 1
        for wheel in sorted(Path(folder).iterdir()):
            print(wheel.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
