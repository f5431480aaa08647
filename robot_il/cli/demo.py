"""``./run demo``: the whole line on the twin. Every stage is the command a person would type, and is printed."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

METHODS = ("linear", "bc", "dmil", "d2mil")
PUSHES = tuple((3 + 4 * number, 2.5 if number % 2 else -2.0) for number in range(15))
"""(time since release in s, impulse in N s): somebody nudges the robot, or nobody would learn to catch it."""


def main() -> int:
    """Runs every stage; returns the exit code of the first that failed, else 0."""
    parser = argparse.ArgumentParser(prog="run demo", description="Runs the whole line on the twin.")
    parser.add_argument("--out", type=Path, default=Path("data") / time.strftime("demo-%Y%m%d-%H%M%S"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=50, help="episodes of the evaluation (default 50)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the deployed run (default 30)")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        with _twin(out, arguments.seed) as port:
            _record(out, port, arguments.seed)
            _train(out, arguments.seed)
            scores = _evaluate(out, arguments.episodes)
            best = _choose(scores)
            policy, log = out / f"{best}.onnx", out / "deployed.mcap"
            _stage(
                "deploy the best over the serial port",
                ["run", policy, "--device", port, "--seconds", arguments.seconds, "--out", log],
            )
            _stage("recompute the deployed run's torques from its log", ["replay", log])
        _report(out)
    except subprocess.CalledProcessError as error:
        print(
            f"demo: that stage failed with exit code {error.returncode}; what there is lies in {out}", file=sys.stderr
        )
        return error.returncode
    print(f"\ndemo finished in {time.monotonic() - started:.0f} s; open {(out / 'report.html').resolve()}")
    return 0


def _command(arguments: Sequence[object]) -> list[str]:
    words = [str(argument) for argument in arguments]
    print(f"$ robot-il {shlex.join(words)}", flush=True)
    return [sys.executable, "-m", "robot_il.cli.main", *words]


def _stage(title: str, arguments: Sequence[object]) -> None:
    print(f"\n--- {title}", flush=True)
    subprocess.run(_command(arguments), check=True)


@contextlib.contextmanager
def _twin(out: Path, seed: int) -> Iterator[Path]:
    """Starts the twin behind its serial port; yields the port."""
    print("--- start the twin", flush=True)
    port = out / "robot"
    pushes = [word for time_s, impulse in PUSHES for word in ("--push", f"{time_s}:{impulse}")]
    command = _command(
        [
            "twin",
            "--link",
            port,
            "--seed",
            seed,
            "--log",
            out / "twin.jsonl",
            "--set",
            "initial_pitch_rad=0.08",
            *pushes,
        ]
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as twin:
        assert twin.stdout is not None
        for line in twin.stdout:
            print(line, end="", flush=True)
            if line.startswith("twin ready"):
                break
        else:
            raise subprocess.CalledProcessError(twin.wait(), command)
        try:
            yield port
        finally:
            twin.send_signal(signal.SIGINT)
            print("\n--- the twin's own account")
            print(twin.stdout.read(), end="", flush=True)


def _record(out: Path, port: Path, seed: int) -> None:
    _stage(
        "record the expert (LQR)",
        ["record", "--device", port, "--controller", "lqr", "--task", "stand", "--label", "expert"]
        + ["--seconds", 0.75, "--out", out / "lqr.mcap"],
    )
    _stage(
        "record the operator (synthetic)",
        ["record", "--device", port, "--controller", "operator", "--task", "stand", "--label", "suboptimal"]
        + ["--seed", seed, "--seconds", 60, "--out", out / "operator.mcap"],
    )
    _stage("look at the recording", ["log", "check", out / "operator.mcap"])
    _stage(
        "build the dataset: 140 LQR and 10,000 operator transitions",
        ["dataset", "build", "--expert", out / "lqr.mcap", "--suboptimal", out / "operator.mcap"]
        + ["--expert-transitions", 140, "--suboptimal-transitions", 10_000, "--seed", seed, "--out", out / "dataset"],
    )


def _train(out: Path, seed: int) -> None:
    for method in METHODS:
        settings = [] if method == "d2mil" else ["--set", "data=all"]  # d2mil alone tells the two apart
        _stage(
            f"train {method}",
            ["train", method, "--data", out / "dataset", "--out", out / f"run-{method}", "--seed", seed, *settings],
        )
        _stage(f"export {method}", ["export", out / f"run-{method}", "--out", out / f"{method}.onnx"])


def _evaluate(out: Path, episodes: int) -> list[dict]:
    _stage(
        "score all of them in the lock-step twin",
        ["evaluate", *(out / f"{method}.onnx" for method in METHODS), "--episodes", episodes]
        + ["--json", out / "evaluation.json"],
    )
    return json.loads((out / "evaluation.json").read_text())["policies"]


def _choose(scores: list[dict]) -> str:
    """The trained policy that survived most draws; among equals the one that leaned least."""
    ranked = sorted(
        (row for row in scores if row["name"] in METHODS), key=lambda row: (-row["survived"], row["tilt_rms_rad"])
    )
    best = ranked[0]
    print(
        f"\nchosen: {best['name']}, which survived {best['survived']} of {best['episodes']} draws "
        f"with a median tilt of {best['tilt_rms_rad']:.4f} rad"
    )
    return best["name"]


def _report(out: Path) -> None:
    _stage(
        "write the report",
        ["report", "--demonstrations", out / "lqr.mcap", out / "operator.mcap"]
        + ["--runs", *(out / f"run-{method}" for method in METHODS)]
        + ["--evaluation", out / "evaluation.json", "--deployed", out / "deployed.mcap", "--out", out / "report.html"],
    )


if __name__ == "__main__":
    sys.exit(main())
