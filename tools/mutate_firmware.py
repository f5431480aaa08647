"""Breaks protocol and safety of the firmware in one place at a time and tells which breaks no test notices.

A mutant is one operator, constant, side or statement changed. It is killed when the tests that coverage is counted on
fail, crash or hang on it. Mutants that optimise to the same machine code as the original are no mutants.
Results go to build/mutants.jsonl as they come; a second run goes on where the first ended.

    python tools/mutate_firmware.py [--only safety.c] [--every 10]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.firmware_bridge import on_a_library  # noqa: E402, F401
from tests.firmware_bridge.coverage import FIRMWARE, PROTOCOL, SAFETY, TESTS  # noqa: E402

RESULTS = ROOT / "build" / "mutants.jsonl"
CPU_S = 20
SWAPS = (
    *((r"<=", "<"), (r"<=", ">"), (r">=", ">"), (r">=", "<"), (r"==", "!="), (r"!=", "==")),
    *((r"(?<![<-])<(?![<=])", "<="), (r"(?<![<-])<(?![<=])", ">"), (r"(?<![>-])>(?![>=])", ">=")),
    *((r"(?<![>-])>(?![>=])", "<"), (r"&&", "||"), (r"\|\|", "&&"), (r"!(?!=)", ""), (r"~", "")),
    *((r" \+ ", " - "), (r" - ", " + "), (r"\+\+", "--"), (r"\+=", "-="), (r"-=", "+="), (r"\|=", "&=")),
    *((r" & ", " | "), (r" \| ", " & "), (r"\^=", "|="), (r" \^ ", " | "), (r"<<", ">>"), (r">>", "<<")),
    *((r" % ", " / "), (r" \* ", " / "), (r" / ", " * "), (r"\btrue\b", "false"), (r"\bfalse\b", "true")),
    *((r"RIL_LEFT", "RIL_RIGHT"), (r"RIL_RIGHT", "RIL_LEFT"), (r"_left\b", "_right"), (r"_right\b", "_left")),
    *((r"\.low\b", ".high"), (r"\.high\b", ".low"), (r"(?<=[ (])-(?=\w)", "")),
)
NUMBER = re.compile(r"(?<![\w.])(0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:e-?\d+)?)(u|f|)(?![\w.])")
STATEMENT = re.compile(
    r"^\s+(?=\S)(?!return\b|uint|size_t|bool |float |unsigned |static |enum |struct )[^{}]*;(\s*/\*.*\*/)?$"
)


@dataclass(frozen=True)
class Mutant:
    """One change: ``line`` counts from 1, ``before`` and ``after`` are the whole line."""

    file: str
    line: int
    before: str
    after: str


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of a source, in order."""
    previous = ";"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        code = re.sub(r"/\*.*", "", line).rstrip()
        if not re.match(r"\s*(#include|#if|#else|#endif|#error|#ifndef|\*|/\*)", line) and not in_comment(line):
            seen = {line}
            for after in changes(line, code, previous):
                if after not in seen:
                    seen.add(after)
                    yield Mutant(path.name, number, line, after)
        previous = code.strip() or previous


def in_comment(line: str) -> bool:
    """A line inside a comment of several lines, or an empty one."""
    return line.startswith(" *") or not line.strip()


def changes(line: str, code: str, previous: str) -> Iterator[str]:
    """The line with one thing changed; ``code`` is the line without its comment, ``previous`` the code before it."""
    for pattern, replacement in SWAPS:
        for match in re.finditer(pattern, code):
            yield line[: match.start()] + replacement + line[match.end() :]
    for match in NUMBER.finditer(code):
        for value in other_numbers(match[1]):
            yield line[: match.start()] + value + match[2] + line[match.end() :]
    if STATEMENT.match(code) and previous[-1] in ";{}:":
        yield re.match(r"\s*", line)[0] + ";"


def other_numbers(text: str) -> list[str]:
    """What stands in for a constant."""
    if text.startswith("0x"):
        return [hex(int(text, 16) ^ 1)]
    if "." in text or "e" in text:
        return [f"{2.0 * float(text)!r}", f"{float(text) + 1.0!r}"]
    return [str(int(text) + 1), *([str(int(text) - 1)] if text != "0" else [])]


def judge(mutant: Mutant) -> str:
    """``killed``, ``survived``, ``same code`` or ``no C``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in FIRMWARE.glob("*.[ch]"):
            shutil.copy(path, folder)
        original = optimised(folder, mutant.file)
        lines = (folder / mutant.file).read_text().splitlines()
        assert lines[mutant.line - 1] == mutant.before, "the source changed; remove build/mutants.jsonl"
        lines[mutant.line - 1] = mutant.after
        (folder / mutant.file).write_text("\n".join(lines) + "\n")
        library = folder / "libril.so"
        command = ["gcc", "-std=c99", "-O0", "-w", "-fPIC", "-shared", "-o", str(library)]
        if subprocess.run([*command, *map(str, sorted(folder.glob("*.c")))], capture_output=True).returncode:
            return "no C"
        if original and optimised(folder, mutant.file) == original:
            return "same code"
        quick = ("coverage_codec", "golden") if mutant.file in PROTOCOL else ("commands", "watchdog")
        rest = tuple(name for name in TESTS if name not in quick)
        return "survived" if tests_pass(library, quick) and tests_pass(library, rest) else "killed"


def tests_pass(library: Path, names: tuple[str, ...]) -> bool:
    """Runs the tests in a fork, which inherits all that is imported; the limit on its time ends one that hangs."""
    child = os.fork()
    if child == 0:
        os.environ["RIL_LIBRARY"] = str(library)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        modules = [str(ROOT / f"tests/firmware_bridge/test_{name}.py") for name in names]
        os._exit(pytest.main(["-n", "0", "-x", "--assert=plain", "-k", "not up_to_date", *modules]))
    return os.waitpid(child, 0)[1] == 0


def check_baseline() -> None:
    """The tests must pass on the unchanged firmware, else every mutant would count as killed."""
    with tempfile.TemporaryDirectory() as name:
        library = Path(name) / "libril.so"
        command = ["gcc", "-std=c99", "-O0", "-w", "-fPIC", "-shared", "-o", str(library)]
        subprocess.run([*command, *map(str, sorted(FIRMWARE.glob("*.c")))], check=True)
        if not tests_pass(library, TESTS):
            sys.exit("expected tests that pass on the unchanged firmware; came a failure; run pytest first")


def optimised(folder: Path, name: str) -> bytes:
    """The machine code of a source; nothing for headers, which are part of several."""
    if name.endswith(".h"):
        return b""
    command = ["gcc", "-std=c99", "-O2", "-w", "-S", "-o", "-", str(folder / name)]
    return subprocess.run(command, capture_output=True).stdout


def main() -> None:
    """Judges what was not judged yet and prints the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", help="this source; repeatable")
    parser.add_argument("--every", type=int, default=1, help="judge only each n-th mutant")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    for name in TESTS:
        importlib.import_module(f"tests.firmware_bridge.test_{name}")
    check_baseline()
    RESULTS.parent.mkdir(exist_ok=True)
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    known = {Mutant(**entry["mutant"]): entry["verdict"] for entry in map(json.loads, lines)}
    chosen = arguments.only or (*SAFETY, *PROTOCOL)
    mutants = [mutant for name in chosen for mutant in mutants_of(FIRMWARE / name)][:: arguments.every]
    with RESULTS.open("a") as results:
        for count, mutant in enumerate(mutants, 1):
            if mutant not in known:
                known[mutant] = judge(mutant)
                results.write(json.dumps({"mutant": asdict(mutant), "verdict": known[mutant]}) + "\n")
                results.flush()
                print(f"{count}/{len(mutants)} {mutant.file}:{mutant.line} {known[mutant]}", flush=True)
    verdicts = [known[mutant] for mutant in mutants]
    print(", ".join(f"{verdict} {verdicts.count(verdict)}" for verdict in sorted(set(verdicts))))
    for mutant in mutants:
        if known[mutant] == "survived":
            print(f"{mutant.file}:{mutant.line}\n  - {mutant.before.strip()}\n  + {mutant.after.strip()}")


if __name__ == "__main__":
    main()
