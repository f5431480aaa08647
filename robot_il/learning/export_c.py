"""From a policy file to the same policy in C99: one header and one source without heap and without a math library.

The forward pass is ``policy_weights.PolicyWeights``: in float32, in a fixed order, with a tanh written out, so that
every processor and compiler gives the same bits where fused multiply-adds are off (``-ffp-contract=off``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from robot_il.control.onnx_policy import OnnxPolicy
from robot_il.control.policy_metadata import TOLERANCE, PolicyMetadata
from robot_il.errors import PolicyError
from robot_il.learning import c_text as c
from robot_il.learning.policy_weights import MAX_LAYERS, PolicyWeights
from robot_il.tasks import is_task

HEADER = "policy.h"
SOURCE = "policy.c"
MULTIPLY_ADDS_A_TICK = 15_000
"""What a Cortex-M4F of 168 MHz does in 1 ms beside everything else, with room: less than 90,000 of the 100,000
instructions that the emulator counts on (a test holds it)."""
ACTIVATION_COST = 10
"""Of one tanh, in multiply-adds; more than it takes."""


@dataclass(frozen=True)
class CExport:
    """What was written.

    Attributes:
        folder: where ``policy.h`` and ``policy.c`` are.
        sha256: of the policy file that they are.
        parameters: weights and biases in it.
        multiply_adds: of one call.
        metadata: what the policy file says about itself.
    """

    folder: Path
    sha256: str
    parameters: int
    multiply_adds: int
    metadata: PolicyMetadata


def export_c(policy_file: Path, folder: Path) -> CExport:
    """Writes ``policy.h`` and ``policy.c``, each under a temporary name first; equal files give equal bytes.

    Args:
        policy_file: what ``export_policy`` wrote; it proves itself before anything is read from it.
        folder: made where it is missing; an earlier pair is replaced.

    Raises:
        PolicyError: not such a file, or a graph that the exporter did not make.
    """
    policy = OnnxPolicy(policy_file)
    weights = weights_of(policy_file)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {SOURCE: _source(policy, weights), HEADER: _header(policy, weights)}
    for name, text in texts.items():
        temporary = folder / f"{name}.part"
        temporary.write_text(text, encoding="ascii")
        temporary.replace(folder / name)
    parameters = sum(weight.size + bias.size for weight, bias in weights.layers)
    return CExport(folder, policy.sha256, parameters, multiply_adds(weights), policy.metadata)


def multiply_adds(weights: PolicyWeights) -> int:
    """Of one call, activations at their price."""
    between = sum(bias.size for _, bias in weights.layers[:-1])
    return sum(weight.size for weight, _ in weights.layers) + ACTIVATION_COST * between


def weights_of(policy_file: Path) -> PolicyWeights:
    """The plain arrays in a policy file: ``policy_graph.build_model`` the other way round.

    Raises:
        PolicyError: a graph of other nodes.
    """
    graph = onnx.load_model_from_string(policy_file.read_bytes()).graph
    arrays = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    nodes = {node.name: node.op_type for node in graph.node}
    count = min(sum(name.startswith("layer") for name in nodes), MAX_LAYERS + 1)
    try:
        return PolicyWeights(
            observation_mean=arrays["observation_mean"],
            observation_scale=arrays["observation_scale"],
            observation_clip=float(arrays.get("clip_high", np.inf)),
            layers=tuple((arrays[f"weight{index}"], arrays[f"bias{index}"]) for index in range(count)),
            action_scale=arrays["action_scale"],
            action_offset=arrays["action_offset"],
            activation=nodes.get("hidden0", "Relu").lower(),
            squash=nodes["squashed"].lower(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError("the graph of robot-il export", f"{policy_file}: {error}", "export the run again") from error


def _about(policy: OnnxPolicy) -> list[str]:
    metadata = policy.metadata
    return [
        f"The policy of {metadata.method} for {metadata.task or 'foreign data'}, in C99. Made by robot-il export --c.",
        f"policy file {policy.sha256}",
        f"spec        {metadata.spec_hash or 'none'}",
        f"dataset     {metadata.dataset_hash}",
        f"trained by  {metadata.code_version}",
        f"period      {metadata.period_s:g} s",
        *(f"input {index}     {signal.name} [{signal.unit}]" for index, signal in enumerate(metadata.observation)),
        *(
            f"output {index}    {signal.name} [{signal.unit}], {signal.low} to {signal.high}"
            for index, signal in enumerate(metadata.action)
        ),
    ]


def _commented(lines: list[str]) -> str:
    return "/* " + "\n * ".join(map(c.comment, lines)) + "\n */\n"


def _header(policy: OnnxPolicy, weights: PolicyWeights) -> str:
    metadata = policy.metadata
    for_robot = is_task(metadata.task)
    constants = {
        "RIL_POLICY_OBSERVATIONS": str(weights.observation_size),
        "RIL_POLICY_ACTIONS": str(weights.action_size),
        "RIL_POLICY_PAIRS": str(len(policy.golden.observations)),
        "RIL_POLICY_MULTIPLY_ADDS": str(multiply_adds(weights)),
        "RIL_POLICY_TASK": c.quoted(metadata.task),
        "RIL_POLICY_SHA256": c.quoted(policy.sha256),
        "RIL_POLICY_SPEC": c.quoted(metadata.spec_hash),
        "RIL_POLICY_DATASET": c.quoted(metadata.dataset_hash),
        "RIL_POLICY_CODE": c.quoted(metadata.code_version),
        "RIL_POLICY_PERIOD_US": f"{round(metadata.period_s * 1e6)}u",
    }
    defines = "".join(f"#define {name} {value}\n" for name, value in constants.items())
    return (
        _commented(_about(policy))
        + "#ifndef RIL_POLICY_H\n#define RIL_POLICY_H\n\n#include <stdbool.h>\n#include <stdint.h>\n\n"
        + defines
        + "\nextern const char *const ril_policy_observation_names[RIL_POLICY_OBSERVATIONS];\n"
        "extern const char *const ril_policy_observation_units[RIL_POLICY_OBSERVATIONS];\n"
        "extern const char *const ril_policy_action_names[RIL_POLICY_ACTIONS];\n"
        "extern const char *const ril_policy_action_units[RIL_POLICY_ACTIONS];\n"
        "\n/* The actions for one raw observation, both in their units; NaN where an observation is not finite.\n"
        " * There is one policy at a time: the values between its layers lie in static memory. */\n"
        "void ril_policy_act(const float *observation, float *action);\n"
        "\n/* The same in parts: begin, go on until true, each time for so many multiply-adds, take the result. */\n"
        "void ril_policy_begin(const float *observation);\n"
        "bool ril_policy_go_on(int multiply_adds);\n"
        "void ril_policy_result(float *action);\n"
        "\n/* Whether the policy gives what the policy file's golden pair says, to 1e-5 of the action's range. */\n"
        "bool ril_policy_check(int pair);\n"
        "\n/* All pairs. */\n"
        "bool ril_policy_self_test(void);\n" + (_SLOT_HEADER if for_robot else "") + "\n#endif\n"
    )


_SLOT_HEADER = """
#ifdef RIL_POLICY_IN_FIRMWARE
#include "onboard.h"

/* For the slot of the firmware: the total wheel torque. */
extern const struct ril_policy ril_policy_of_image;
#endif
"""


def _source(policy: OnnxPolicy, weights: PolicyWeights) -> str:
    return "".join(
        [
            _commented(_about(policy)[:2]),
            '#include "policy.h"\n\n#include <math.h> /* the macros isfinite and NAN only */\n\n',
            _names(policy.metadata),
            _constants(policy, weights),
            c.DENSE,
            *_functions(weights),
            _act(weights),
            c.SELF_TEST,
            _slot(policy.metadata),
        ]
    )


def _names(metadata: PolicyMetadata) -> str:
    rows = []
    for kind, signals in (("observation", metadata.observation), ("action", metadata.action)):
        size = f"RIL_POLICY_{kind.upper()}S"
        rows.append(c.strings(f"ril_policy_{kind}_names", (signal.name for signal in signals), size))
        rows.append(c.strings(f"ril_policy_{kind}_units", (signal.unit for signal in signals), size))
    return "\n".join(rows) + "\n\n"


def _constants(policy: OnnxPolicy, weights: PolicyWeights) -> str:
    inputs, outputs = "RIL_POLICY_OBSERVATIONS", "RIL_POLICY_ACTIONS"
    rows = [
        c.array("mean", weights.observation_mean, inputs),
        c.array("scale", weights.observation_scale, inputs),
        c.array("action_scale", weights.action_scale, outputs),
        c.array("action_offset", weights.action_offset, outputs),
        c.array("tolerance", (TOLERANCE * policy.metadata.action_range).astype(np.float32), outputs),
    ]
    for index, (weight, bias) in enumerate(weights.layers):
        # one row an output, so that a sum runs through memory in order
        rows.append(c.array(f"weight{index}", weight.T, str(weight.size)))
        rows.append(c.array(f"bias{index}", bias, str(bias.size)))
    for name, values, size in (
        ("golden_observations", policy.golden.observations, inputs),
        ("golden_actions", policy.golden.actions, outputs),
    ):
        pairs = ",\n".join("    {" + ", ".join(map(c.number, row)) + "}" for row in values)
        rows.append(f"static const float {name}[RIL_POLICY_PAIRS][{size}] = {{\n{pairs}\n}};")
    return "\n".join(rows) + "\n"


def _functions(weights: PolicyWeights) -> list[str]:
    """The helper functions that this policy needs; one that nobody calls would be a warning."""
    hidden = weights.activation if len(weights.layers) > 1 else ""
    parts = []
    if "tanh" in (hidden, weights.squash):
        parts.append(c.TANH.replace("{bound}", f"{c.TANH_BOUND:g}"))
    if hidden:
        parts.append(c.RELU if hidden == "relu" else c.TANH_LAYER)
    if weights.squash == "clip" or np.isfinite(weights.observation_clip):
        parts.append(c.CLIP)
    return parts


def _act(weights: PolicyWeights) -> str:
    widest = max([weights.observation_size, *(bias.size for _, bias in weights.layers)])
    room = -(-widest // 4) * 4  # whole fours, for compilers that suspect the unrolled sum of reading past the end
    rows = "\n".join(
        f"    {{weight{index}, bias{index}, {weight.shape[0]}, {weight.shape[1]}}},"
        for index, (weight, _) in enumerate(weights.layers)
    )
    normalised = "(observation[i] - mean[i]) / scale[i]"
    if np.isfinite(weights.observation_clip):
        normalised = f"bounded({normalised}, {c.number(np.float32(weights.observation_clip))})"
    squashed = "hyperbolic_tangent(out[i])" if weights.squash == "tanh" else "bounded(out[i], 1.0f)"
    activated = f"activate(out, layer->outputs);\n            multiply_adds -= {ACTIVATION_COST} * layer->outputs;"
    return (
        "\nstatic const struct layer {\n    const float *weight, *bias;\n    int inputs, outputs;\n} layers[] = {\n"
        + f"{rows}\n}};\n#define LAYERS {len(weights.layers)}\n\nstatic float ping[{room}], pong[{room}];\n"
        + c.ACT.replace("NORMALISED", normalised)
        .replace("SQUASHED", squashed)
        .replace("ACTIVATED", activated if len(weights.layers) > 1 else "/* nothing between layers */")
    )


def _slot(metadata: PolicyMetadata) -> str:
    """What the firmware calls, for a policy of one of the robot's tasks; another spec does not compile."""
    if not is_task(metadata.task):
        return ""
    fields = ", ".join(f"state->{signal.name}" for signal in metadata.observation)
    return f"""
#ifdef RIL_POLICY_IN_FIRMWARE
#if RIL_SPEC_HASH != UINT64_C(0x{metadata.spec_hash[:16]})
#error "the policy and the firmware are of different specs"
#endif

static void begin(const struct ril_state *state) {{
    const float observation[RIL_POLICY_OBSERVATIONS] = {{{fields}}};
    ril_policy_begin(observation);
}}

static bool go_on(float *total) {{
    float action[RIL_POLICY_ACTIONS];
    if (!ril_policy_go_on({MULTIPLY_ADDS_A_TICK})) {{
        return false;
    }}
    ril_policy_result(action);
    *total = action[0];
    return true;
}}

const struct ril_policy ril_policy_of_image = {{begin, go_on}};
#endif
"""
