"""The ONNX graph of a policy, built node by node from plain arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from robot_il.control.onnx_policy import INPUT, OUTPUT
from robot_il.learning.policy_weights import PolicyWeights

OPSET = 17
IR_VERSION = 8
"""Old enough for every onnxruntime that the bare install accepts."""


def build_model(weights: PolicyWeights) -> onnx.ModelProto:
    """The graph of ``PolicyWeights``: raw observation (batch, S) float32 in, action (batch, A) in its units out."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    value = INPUT

    def constant(name: str, array: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(array, dtype=np.float32), name))
        return name

    def node(operator: str, name: str, *inputs: str) -> None:
        nonlocal value
        nodes.append(helper.make_node(operator, [value, *inputs], [name], name=name))
        value = name

    node("Sub", "centred", constant("observation_mean", weights.observation_mean))
    node("Div", "normalised", constant("observation_scale", weights.observation_scale))
    if math.isfinite(weights.observation_clip):
        bound = weights.observation_clip
        node("Clip", "clipped", constant("clip_low", -bound), constant("clip_high", bound))
    for index, (weight, bias) in enumerate(weights.layers):
        node("Gemm", f"layer{index}", constant(f"weight{index}", weight), constant(f"bias{index}", bias))
        if index < len(weights.layers) - 1:
            node({"relu": "Relu", "tanh": "Tanh"}[weights.activation], f"hidden{index}")
    if weights.squash == "tanh":
        node("Tanh", "squashed")
    else:
        node("Clip", "squashed", constant("squash_low", -1), constant("squash_high", 1))
    node("Mul", "scaled", constant("action_scale", weights.action_scale))
    node("Add", OUTPUT, constant("action_offset", weights.action_offset))
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", weights.observation_size])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", weights.action_size])],
        constants,
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, producer_name="robot_il", opset_imports=opset, ir_version=IR_VERSION)
