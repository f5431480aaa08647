"""The set-up script says what is missing before it does anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("bash", "env", "readlink", "dirname", "sed", "cat", "cksum")


def checkout(folder: Path, *programs: str) -> tuple[Path, dict[str, str]]:
    """A bare copy of the script, and an environment whose PATH holds only these programs."""
    programs_folder = folder / "bin"
    programs_folder.mkdir()
    for program in (*TOOLS, *programs):
        found = shutil.which(program)
        assert found is not None
        (programs_folder / program).symlink_to(Path(found).resolve())
    clone = folder / "clone"
    clone.mkdir()
    for name in ("run", "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)
    return clone, {"PATH": str(programs_folder), "HOME": str(folder)}


def run(clone: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([clone / "run", *arguments], env=environment, capture_output=True, text=True, check=False)


def test_a_missing_compiler_is_named(tmp_path: Path) -> None:
    result = run(*checkout(tmp_path), "true")
    assert result.returncode == 1
    assert "C compiler" in result.stderr
    assert "apt-get install gcc" in result.stderr
    assert not (tmp_path / "clone" / ".venv").exists()


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    result = run(*checkout(tmp_path, "cc"), "true")
    assert result.returncode == 1
    assert "Python 3.11" in result.stderr
    assert not (tmp_path / "clone" / ".venv").exists()


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_without_a_job_it_says_what_it_can_do(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*checkout(tmp_path), *arguments)
    assert result.returncode == 0
    assert "./run demo" in result.stdout
    assert "./run test" in result.stdout
