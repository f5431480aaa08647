"""The text of a policy in C99: its fixed parts, and numbers and words written so that C reads the same again."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;=+*/^()\[\]<>-]")
_WIDTH = 116


def quoted(text: str) -> str:
    """A C string literal; whatever could end it, or begin a trigraph, is written in octal."""
    escaped = "".join(
        chr(byte) if _PLAIN.fullmatch(chr(byte)) else f"\\{byte:03o}" for byte in text.encode("utf-8", "replace")
    )
    return f'"{escaped}"'


def comment(text: str) -> str:
    """One line of a comment: printable ASCII that cannot end the comment."""
    return (
        re.sub(r"[^ -~]", "?", text)
        .replace("*/", "* /")
        .replace("/*", "/ *")
        .replace("\\", "/")
        .replace("??", "? ?")[:_WIDTH]
    )


def number(value: np.float32) -> str:
    """A float literal that reads back to the same bits: nine digits determine a float32 (IEEE 754-2008, 5.12.2)."""
    digits = f"{value:.9g}"
    return (digits if re.search(r"[.e]", digits) else digits + ".0") + "f"


def array(name: str, values: np.ndarray, size: str) -> str:
    """A ``static const float`` array of ``values`` in C order."""
    return f"static const float {name}[{size}] = {{\n{wrapped(number(value) for value in values.ravel())}\n}};"


def strings(name: str, values: Iterable[str], size: str) -> str:
    """An array of constant strings."""
    return f"const char *const {name}[{size}] = {{{', '.join(map(quoted, values))}}};"


def wrapped(parts: Iterable[str]) -> str:
    """The parts with commas, on indented lines."""
    lines, line = [], "   "
    for part in parts:
        if len(line) + len(part) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {part},"
    return "\n".join([*lines, line])


TANH = """
/* Rational function of degree 13/6, fitted to the least greatest error by the authors of Eigen and used by onnxruntime
 * too; {bound} at most from the true tanh. Beyond the limit tanh is 1 to the last bit. No NaN comes in. */
static float hyperbolic_tangent(float x) {
    x = x > 9.0f ? 9.0f : (x < -9.0f ? -9.0f : x);
    float z = x * x;
    float p = -2.76076847742355e-16f;
    p = p * z + 2.00018790482477e-13f;
    p = p * z + -8.60467152213735e-11f;
    p = p * z + 5.12229709037114e-08f;
    p = p * z + 1.48572235717979e-05f;
    p = p * z + 6.37261928875436e-04f;
    p = p * z + 4.89352455891786e-03f;
    float q = 1.19825839466702e-06f;
    q = q * z + 1.18534705686654e-04f;
    q = q * z + 2.26843463243900e-03f;
    q = q * z + 4.89352518554385e-03f;
    float y = x * p / q;
    return y > 1.0f ? 1.0f : (y < -1.0f ? -1.0f : y);
}
"""
TANH_BOUND = 4.2e-7
"""Largest error of that function, absolute: 4.11e-7 at 5.83, of all floats."""

DENSE = """
/* out = weight in + bias; four sums side by side, in an order that does not depend on the compiler. */
static void dense(const float *weight, const float *bias, int inputs, int outputs, const float *in, float *out) {
    for (int row = 0; row < outputs; row++) {
        float a = bias[row], b = 0.0f, c = 0.0f, d = 0.0f;
        int column = 0;
        for (; column + 4 <= inputs; column += 4) {
            a += weight[column] * in[column];
            b += weight[column + 1] * in[column + 1];
            c += weight[column + 2] * in[column + 2];
            d += weight[column + 3] * in[column + 3];
        }
        for (; column < inputs; column++) {
            a += weight[column] * in[column];
        }
        out[row] = (a + b) + (c + d);
        weight += inputs;
    }
}
"""

RELU = """
static void activate(float *values, int count) {
    for (int i = 0; i < count; i++) {
        values[i] = values[i] > 0.0f ? values[i] : 0.0f;
    }
}
"""

TANH_LAYER = """
static void activate(float *values, int count) {
    for (int i = 0; i < count; i++) {
        values[i] = hyperbolic_tangent(values[i]);
    }
}
"""

CLIP = """
static float bounded(float value, float bound) {
    return value > bound ? bound : (value < -bound ? -bound : value);
}
"""

ACT = """
static struct {
    int layer, row;
    bool finite;
} at;

void ril_policy_begin(const float *observation) {
    at.layer = 0;
    at.row = 0;
    at.finite = true; /* an activation may turn a NaN into a number, so it is looked for here */
    for (int i = 0; i < RIL_POLICY_OBSERVATIONS; i++) {
        at.finite = at.finite && isfinite(observation[i]);
        ping[i] = NORMALISED;
    }
}

bool ril_policy_go_on(int multiply_adds) {
    while (at.layer < LAYERS) {
        const struct layer *layer = &layers[at.layer];
        const float *in = at.layer % 2 == 0 ? ping : pong;
        float *out = at.layer % 2 == 0 ? pong : ping;
        int rows = 1 + multiply_adds / layer->inputs;
        rows = rows < layer->outputs - at.row ? rows : layer->outputs - at.row;
        dense(layer->weight + at.row * layer->inputs, layer->bias + at.row, layer->inputs, rows, in, out + at.row);
        multiply_adds -= rows * layer->inputs;
        at.row += rows;
        if (at.row < layer->outputs) {
            return false;
        }
        at.row = 0;
        at.layer++;
        if (at.layer < LAYERS) {
            ACTIVATED
            if (multiply_adds <= 0) {
                return false;
            }
        }
    }
    return true;
}

void ril_policy_result(float *action) {
    const float *out = LAYERS % 2 == 0 ? ping : pong;
    for (int i = 0; i < RIL_POLICY_ACTIONS; i++) {
        action[i] = at.finite ? action_offset[i] + action_scale[i] * SQUASHED : NAN;
    }
}

void ril_policy_act(const float *observation, float *action) {
    ril_policy_begin(observation);
    while (!ril_policy_go_on(RIL_POLICY_MULTIPLY_ADDS)) {
    }
    ril_policy_result(action);
}
"""

SELF_TEST = """
bool ril_policy_check(int pair) {
    float action[RIL_POLICY_ACTIONS];
    ril_policy_act(golden_observations[pair], action);
    for (int i = 0; i < RIL_POLICY_ACTIONS; i++) {
        float error = action[i] - golden_actions[pair][i];
        if (!(error <= tolerance[i] && error >= -tolerance[i])) {
            return false; /* a NaN too */
        }
    }
    return true;
}

bool ril_policy_self_test(void) {
    for (int pair = 0; pair < RIL_POLICY_PAIRS; pair++) {
        if (!ril_policy_check(pair)) {
            return false;
        }
    }
    return true;
}
"""
