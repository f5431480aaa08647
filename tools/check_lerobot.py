"""Exchanges datasets with the real LeRobot, in an environment of its own, and compares every number.

    .venv/bin/python tools/check_lerobot.py DATASET --environment DIR

DIR is made where it is not there, with LeRobot from PyPI: several GB. DATASET is a dataset folder; it is exported to a
temporary folder and loaded by LeRobot; then LeRobot writes a dataset of its own, which is imported. Ends with exit
code 1 where either side reads anything else than what the other wrote.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from robot_il.learning.dataset import Dataset

LEROBOT = "lerobot==0.4.4"
"""The newest for Python 3.11; it writes and reads version 3.0 of the format."""

LOADER = """
import sys
import numpy as np
import torch
from lerobot.datasets.lerobot_dataset import CODEBASE_VERSION, LeRobotDataset

root, out = sys.argv[1:]
data = LeRobotDataset("local/check", root=root)
period = 1 / data.fps
ahead = LeRobotDataset("local/check", root=root, delta_timestamps={"action": [0.0, period, 2 * period]})
loader = torch.utils.data.DataLoader(data, batch_size=4096)
names = ("observation.state", "action", "next.observation.state", "next.terminal", "next.timeout", "timestamp",
         "episode_index", "frame_index", "index", "label", "quality", "held_out", "step", "time_us", "task")
columns = {}
for batch in loader:
    for name in names:
        if name in batch:
            columns.setdefault(name, []).append(np.asarray(batch[name]))
columns = {name: np.concatenate(parts) for name, parts in columns.items()}
chunk = np.stack([ahead[index]["action"].numpy() for index in range(len(ahead))])
pad = np.stack([ahead[index]["action_is_pad"].numpy() for index in range(len(ahead))])
np.savez(out, version=CODEBASE_VERSION, fps=data.fps, episodes=data.num_episodes, chunk=chunk, pad=pad,
         mean=data.meta.stats["action"]["mean"], state_names=data.meta.names["observation.state"], **columns)
"""

WRITER = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

root, out = sys.argv[1:]
features = {"observation.state": {"dtype": "float32", "shape": (3,), "names": ["a", "b", "c"]},
            "action": {"dtype": "float32", "shape": (2,), "names": ["left", "right"]}}
data = LeRobotDataset.create("local/written", fps=50, features=features, root=root, use_videos=False)
random = np.random.default_rng(0)
states = random.normal(size=(6, 40, 3)).astype(np.float32)
actions = random.uniform(-1, 1, (6, 40, 2)).astype(np.float32)
for episode in range(6):
    for row in range(40):
        data.add_frame({"observation.state": states[episode, row], "action": actions[episode, row], "task": "push"})
    data.save_episode()
data.finalize()
np.savez(out, states=states, actions=actions)
"""


def main() -> int:
    """Exports, loads, compares, and the other way round; prints one line a check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="a dataset folder")
    parser.add_argument("--environment", type=Path, required=True, help="virtual environment with LeRobot")
    parser.add_argument("--prelude", type=Path, help="Python to run before LeRobot is imported")
    args = parser.parse_args()

    from robot_il.learning.dataset import load_dataset
    from robot_il.learning.importers import Split
    from robot_il.learning.interop.formats import export_dataset, import_dataset
    from robot_il.learning.progress import terminal_progress

    python = environment(args.environment)
    dataset = load_dataset(args.dataset)
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "export", Path(folder) / "read.npz"
        with terminal_progress() as progress:
            export_dataset(dataset, "lerobot", root, progress)
        prelude = args.prelude.read_text() if args.prelude else ""
        offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(Path(folder) / "cache")}
        subprocess.run([python, "-c", prelude + LOADER, str(root), str(out)], check=True, env=offline)
        with np.load(out) as archive:
            read = dict(archive)
        written, out = Path(folder) / "written", Path(folder) / "written.npz"
        subprocess.run([python, "-c", prelude + WRITER, str(written), str(out)], check=True, env=offline)
        with np.load(out) as archive:
            wrote = dict(archive)
        with terminal_progress() as progress:
            imported = import_dataset(written, "lerobot", Split(), progress)
    print(f"LeRobot, format {read['version']}: {len(dataset)} frames, {read['episodes']} episodes, {read['fps']} fps")
    failures = [name for name, right in checks(dataset, read).items() if not report(name, right)]
    print(f"a dataset that LeRobot wrote: {len(imported)} transitions imported")
    failures += [name for name, right in checks_of_import(imported, wrote).items() if not report(name, right)]
    return 1 if failures else 0


def environment(folder: Path) -> Path:
    """The environment's Python; makes it and installs LeRobot where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} with {LEROBOT}; this takes several GB", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", LEROBOT], check=True)
    return python


def checks(dataset: Dataset, read: dict[str, np.ndarray]) -> dict[str, bool]:
    """Whether each thing that LeRobot read is what the dataset holds."""
    from robot_il.spec import LABELS

    rows = len(dataset)
    episode, actions = dataset.episode, dataset.actions.reshape(rows, -1)
    first = np.searchsorted(episode, episode)
    result = {
        name: read[theirs].reshape(np.shape(ours)).tobytes() == np.ascontiguousarray(ours).tobytes()
        for name, theirs, ours in (
            ("observations", "observation.state", dataset.observations),
            ("actions", "action", dataset.actions),
            ("next observations", "next.observation.state", dataset.next_observations),
            ("falls", "next.terminal", dataset.terminals),
            ("time-outs", "next.timeout", dataset.timeouts),
            ("held-out rows", "held_out", dataset.held_out),
            ("steps", "step", dataset.step.astype(np.int64)),
            ("episodes", "episode_index", episode.astype(np.int64)),
        )
    }
    result["labels"] = (read["label"] == np.array(LABELS)[dataset.label]).all()
    result["task"] = (read["task"] == (dataset.info.task or "imported")).all()
    result["names"] = read["state_names"].tolist() == [part.name for part in dataset.info.observation]
    result["statistics"] = np.allclose(read["mean"], dataset.actions.astype(float).mean(axis=0), rtol=1e-6, atol=1e-9)
    if dataset.time_us is not None:
        result["exact times"] = (read["time_us"] == dataset.time_us).all()
        seconds = (dataset.time_us - dataset.time_us[first]) * 1e-6
        result["time stamps"] = np.allclose(read["timestamp"], seconds, rtol=1e-6)
    last = np.searchsorted(episode, episode, side="right") - 1
    ahead = np.arange(rows)[:, None] + np.arange(3)
    result["chunks of actions"] = np.array_equal(
        read["chunk"].reshape(rows, 3, -1), actions[np.minimum(ahead, last[:, None])]
    )
    result["padding of chunks"] = np.array_equal(read["pad"], ahead > last[:, None])
    return {name: bool(right) for name, right in result.items()}


def checks_of_import(imported: Dataset, wrote: dict[str, np.ndarray]) -> dict[str, bool]:
    """Whether what was imported is what LeRobot was given, but for the last frame of each episode."""
    states, actions = wrote["states"], wrote["actions"]
    names = [part.name for part in (*imported.info.observation, *imported.info.action)]
    return {
        "observations": np.array_equal(imported.observations, states[:, :-1].reshape(-1, 3)),
        "next observations": np.array_equal(imported.next_observations, states[:, 1:].reshape(-1, 3)),
        "actions": np.array_equal(imported.actions, actions[:, :-1].reshape(-1, 2)),
        "episodes": [record.rows for record in imported.info.episodes] == [39] * 6,
        "names": names == ["a", "b", "c", "left", "right"],
        "period": imported.info.period_s == 0.02,
    }


def report(name: str, right: bool) -> bool:
    """Prints one check and passes its result on."""
    print(f"  {'same' if right else 'DIFFERENT':<10}{name}")
    return right


if __name__ == "__main__":
    sys.exit(main())
