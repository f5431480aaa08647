"""Where training computes: the device, and random numbers that are drawn where they are needed.

Networks, batches and optimiser states live on one device; datasets, policies and files stay on the CPU. A generator on
a GPU draws other numbers than one on the CPU, so that a run repeats bit for bit on its own kind of device only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import torch
from torch import Tensor

from robot_il.errors import ConfigError

CPU = torch.device("cpu")
DEVICES = ("auto", "cpu", "cuda")
"""What a person may ask for; ``auto`` is a GPU where torch has one."""


def choose_device(asked: str) -> torch.device:
    """The device to train on.

    Raises:
        ConfigError: an unknown one, or a GPU where torch has none.
    """
    if asked not in DEVICES:
        raise ConfigError(f"a device out of {', '.join(DEVICES)}", repr(asked), "correct --device")
    present = torch.cuda.is_available()
    if asked == "cuda" and not present:
        came = f"torch {torch.__version__}, " + ("which finds none" if torch.version.cuda else "built without CUDA")
        remedy = "train with --device cpu, or install a driver and a torch that fit the GPU"
        raise ConfigError("a GPU that torch can use", came, remedy)
    if not present or asked == "cpu":
        return CPU
    # Before the first product there: with it cuBLAS sums in the same order every time, on any number of streams.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda")


def seeded_generator(device: torch.device, seed: int) -> torch.Generator:
    """A generator on the GPU for a GPU, where a captured graph can advance it, and on the CPU for everything else."""
    return torch.Generator(device if device.type == "cuda" else CPU).manual_seed(seed)


def restore_generator(generator: torch.Generator, state: Tensor) -> None:
    """Sets a generator to a stored state; one of another kind of device seeds it instead, always alike."""
    stored = state.cpu()
    if stored.shape == generator.get_state().shape:
        generator.set_state(stored)
        return
    digest = hashlib.sha256(stored.numpy().tobytes()).digest()
    generator.manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def random_rows(below: int, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """``count`` whole numbers in 0 to ``below`` - 1, uniformly and with replacement, on ``device``."""
    return torch.randint(below, (count,), generator=generator, device=generator.device).to(device)


def random_normal(shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Standard normal numbers on ``device``."""
    return torch.randn(shape, generator=generator, device=generator.device).to(device)


def random_uniform(shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Uniform numbers in [0, 1) on ``device``."""
    return torch.rand(shape, generator=generator, device=generator.device).to(device)
