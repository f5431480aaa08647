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
from collections.abc import Iterator
from pathlib import Path

METHODS = ("linear", "bc", "dmil", "d2mil")
ATTEMPTS = 3
"""Of a stage in wall-clock time: on a busy machine the guard may cut one short."""
PUSHES = " ".join(f"--push {3 + 4 * number}:{2.5 if number % 2 else -2.0}" for number in range(15))
"""TIME:IMPULSE since release in s and N s: somebody nudges the robot, or nobody would learn to catch it."""


def main() -> int:
    """Runs every stage; returns the exit code of the first that failed, else 0."""
    parser = argparse.ArgumentParser(prog="run demo", description="Runs the whole line on the twin.")
    parser.add_argument("--out", type=Path, default=Path("data") / time.strftime("demo-%Y%m%d-%H%M%S"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=50, help="episodes of the evaluation (default 50)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the deployed run (default 30)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        Demo(arguments).run()
    except subprocess.CalledProcessError as error:
        came = f"that stage failed with exit code {error.returncode}"
        print(f"demo: {came}; what there is lies in {arguments.out}", file=sys.stderr)
        return error.returncode
    report = (arguments.out / "report.html").resolve()
    print(f"\ndemo finished in {time.monotonic() - started:.0f} s; open {report}")
    return 0


class Demo:
    """The stages, in order; ``{names}`` in a command stand for the paths and settings of this demo."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._out: Path = arguments.out
        self._values = {
            "out": arguments.out,
            "port": arguments.out / "robot",
            "seed": arguments.seed,
            "episodes": arguments.episodes,
            "seconds": arguments.seconds,
        }

    def run(self) -> None:
        """Runs every stage.

        Raises:
            CalledProcessError: a stage failed.
        """
        with self._twin():
            self._record()
            self._train()
            self._values["best"] = self._evaluate()
            self._driven(
                "deploy the best over the serial port", "deployed", "run {out}/{best}.onnx --seconds {seconds}"
            )
            self._stage("recompute the deployed run's torques from its log", "replay {out}/deployed.mcap")
        runs = " ".join(f"{{out}}/run-{method}" for method in METHODS)
        self._stage(
            "write the report",
            f"report --demonstrations {{out}}/lqr.mcap {{out}}/operator.mcap --runs {runs} "
            "--evaluation {out}/evaluation.json --deployed {out}/deployed.mcap --out {out}/report.html",
        )

    def _command(self, command: str) -> list[str]:
        # split before the names are filled in, so that a path may hold spaces
        words = [word.format(**self._values) for word in command.split()]
        print(f"$ robot-il {shlex.join(words)}", flush=True)
        return [sys.executable, "-m", "robot_il.cli.main", *words]

    def _stage(self, title: str, command: str) -> None:
        print(f"\n--- {title}", flush=True)
        subprocess.run(self._command(command), check=True)

    def _driven(self, title: str, name: str, command: str) -> None:
        """A stage that drives in wall-clock time and logs; tried again where it was cut short."""
        command += f" --device {{port}} --out {{out}}/{name}.mcap"
        for attempt in range(1, ATTEMPTS):
            with contextlib.suppress(subprocess.CalledProcessError):
                return self._stage(title, command)
            log = self._out / f"{name}.mcap"
            if log.exists():
                log.rename(log.with_stem(f"{name}-attempt-{attempt}"))
            print("that run was cut short, for the reasons it gave; trying again", flush=True)
        return self._stage(title, command)

    @contextlib.contextmanager
    def _twin(self) -> Iterator[None]:
        """Keeps a twin running behind its serial port."""
        print("--- start the twin", flush=True)
        command = self._command(
            f"twin --link {{port}} --seed {{seed}} --log {{out}}/twin.jsonl --set initial_pitch_rad=0.08 {PUSHES}"
        )
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as twin:
            assert twin.stdout is not None
            first = twin.stdout.readline()
            print(first, end="", flush=True)
            if not first.startswith("twin ready"):
                raise subprocess.CalledProcessError(twin.wait(), command)
            try:
                yield
            finally:
                twin.send_signal(signal.SIGINT)
                print("\n--- the twin's own account")
                print(twin.stdout.read(), end="", flush=True)

    def _record(self) -> None:
        expert = "record --controller lqr --task stand --label expert --seconds 0.75"
        self._driven("record the expert (LQR)", "lqr", expert)
        operator = "record --controller operator --task stand --label suboptimal --seed {seed} --seconds 60"
        self._driven("record the operator (synthetic)", "operator", operator)
        self._stage("look at the recording", "log check {out}/operator.mcap")
        self._stage(
            "build the dataset: 140 LQR and 10,000 operator transitions",
            "dataset build --expert {out}/lqr.mcap --expert-transitions 140 --suboptimal {out}/operator.mcap "
            "--suboptimal-transitions 10000 --seed {seed} --out {out}/dataset",
        )

    def _train(self) -> None:
        for method in METHODS:
            data = "" if method == "d2mil" else " --set data=all"  # d2mil alone tells the two kinds apart
            command = f"train {method} --data {{out}}/dataset --out {{out}}/run-{method} --seed {{seed}}"
            self._stage(f"train {method}", command + data)
            self._stage(f"export {method}", f"export {{out}}/run-{method} --out {{out}}/{method}.onnx")

    def _evaluate(self) -> str:
        """Scores the policies; returns the one that survived most draws, among equals the one that leaned least."""
        policies = " ".join(f"{{out}}/{method}.onnx" for method in METHODS)
        command = f"evaluate {policies} --episodes {{episodes}} --json {{out}}/evaluation.json"
        self._stage("score all of them in the lock-step twin", command)
        scores = json.loads((self._out / "evaluation.json").read_text())["policies"]
        trained = [row for row in scores if row["name"] in METHODS]
        best = min(trained, key=lambda row: (-row["survived"], row["tilt_rms_rad"]))
        print(
            f"\nchosen: {best['name']}, which survived {best['survived']} of {best['episodes']} draws "
            f"with a median tilt of {best['tilt_rms_rad']:.4f} rad"
        )
        return str(best["name"])


if __name__ == "__main__":
    sys.exit(main())
