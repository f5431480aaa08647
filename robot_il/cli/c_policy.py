"""A policy in C, made of a run or a policy file, and proven before anybody gets it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from firmware_bridge.policy_library import NAMES, PolicyLibrary
from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.control.policy_metadata import TOLERANCE
from robot_il.errors import PolicyError
from robot_il.learning.export import PARITY_RANDOM, PARITY_RECORDED, export_policy, parity_of, sample_inputs
from robot_il.learning.export_c import CExport, export_c, weights_of


@dataclass(frozen=True)
class ProvenC:
    """A policy in C and what was proven of it on this machine.

    Attributes:
        export: what was written.
        policy: the policy file that it is, opened.
        inputs: observations on which evaluations were compared: the golden ones, random ones, edges of the normaliser.
        parity: largest difference from onnxruntime and from the plain arrays, as a share of the action's range.
    """

    export: CExport
    policy: OnnxPolicy
    inputs: np.ndarray
    parity: float


def write_proven_c(source: Path, folder: Path) -> ProvenC:
    """Writes ``policy.h`` and ``policy.c`` into ``folder`` once they compile, pass their self test and agree.

    Args:
        source: a policy file, or the folder of a complete run.
        folder: where the pair goes; replaces an earlier one.

    Raises:
        PolicyError: no policy, or its C fails its self test or differs by more than 1e-5 of the action's range.
        ConfigError: no run, or no C compiler.
    """
    with tempfile.TemporaryDirectory(prefix="robot-il-") as name:
        place = Path(name)
        if source.is_dir():
            export_policy(source, place / "policy.onnx")
            source = place / "policy.onnx"
        proven = _prove(source, place)
        folder.mkdir(parents=True, exist_ok=True)
        for file in NAMES:
            partial = folder / f".{file}.partial"  # the two folders may be on different disks
            shutil.copyfile(place / file, partial)
            partial.replace(folder / file)
    return replace(proven, export=replace(proven.export, folder=folder))


def _prove(policy_file: Path, folder: Path) -> ProvenC:
    export = export_c(policy_file, folder)
    policy = OnnxPolicy(policy_file)
    weights = weights_of(policy_file)
    library = PolicyLibrary(folder, weights.observation_size, weights.action_size)
    if not library.self_test():
        raise PolicyError("a self test that the policy passes in C", "a failure", "report this policy")
    inputs = sample_inputs(weights, policy.golden.observations, PARITY_RECORDED, PARITY_RANDOM)
    parity = max(
        parity_of(policy, library, inputs),
        float((np.abs(library(inputs) - weights(inputs)) / policy.metadata.action_range).max()),
    )
    if not parity <= TOLERANCE:
        raise PolicyError(f"C within {TOLERANCE:g} of the policy file", f"{parity:.3g}", "report this policy")
    return ProvenC(export, policy, inputs, parity)
