"""Where TFLM with CMSIS-NN gives other results than TFLM's reference kernels, as named rules.

docs/profiles.md shows when each one matters. Sources are paths in TFLM (kernels/cmsis_nn/) and in
CMSIS-NN 4ab83cc3, the commit that TFLM pins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rule:
    """One difference.

    Attributes:
        name: what Profile.follows takes.
        ops: operators that it touches; their integer types, unless the description says more.
        description: what an op does that follows the rule.
        source: the files that say so.
    """

    name: str
    ops: tuple[str, ...]
    description: str
    source: str


_LSTM, _SVDF = ("UNIDIRECTIONAL_SEQUENCE_LSTM",), ("SVDF",)
_CONV, _FC, _TRANSPOSE = ("CONV_2D",), ("FULLY_CONNECTED",), ("TRANSPOSE_CONV",)

CMSIS_NN = (
    Rule(
        "lstm-stateless",
        _LSTM,
        "every invoke starts with a cell of zeros and no hidden state; the variables stay as "
        "they are",
        "unidirectional_sequence_lstm.cc, arm_lstm_unidirectional_s8.c and _s16.c",
    ),
    Rule(
        "lstm-saturates-once",
        _LSTM,
        "the requantised recurrent product joins a gate's sum before it saturates to int16",
        "arm_nn_vec_mat_mul_result_acc_s8_s16.c and _s16.c",
    ),
    Rule(
        "lstm-clip-of-no-step",
        _LSTM,
        "a cell_clip above 0 but under one step of the cell is no limit; otherwise it keeps the "
        "cell at 0",
        "arm_elementwise_mul_acc_s16.c",
    ),
    Rule(
        "lstm-filter-zero-points",
        _LSTM,
        "zero points of filters count as 0",
        "unidirectional_sequence_lstm.cc: CMSIS_NN_VectorSum",
    ),
    Rule(
        "lstm-sigmoid-cell-gate",
        _LSTM,
        "a fused activation other than TANH makes the cell's gate a sigmoid, not a plain sum",
        "unidirectional_sequence_lstm.cc: cell_gate_nonlinear_type",
    ),
    Rule(
        "lstm-constants",
        _LSTM,
        "filters and biases that are computed are refused",
        "unidirectional_sequence_lstm.cc: Prepare",
    ),
    Rule(
        "svdf-state-zero-point",
        _SVDF,
        "the state's zero point counts as 0",
        "svdf.cc, arm_svdf_s8.c, arm_svdf_state_s16_s8.c",
    ),
    Rule(
        "svdf-int8-state-wraps",
        _SVDF,
        "responses are clamped to int16 and then cut to the 8 bits of an int8 state, so they wrap "
        "where they would saturate",
        "svdf.cc: input_activation",
    ),
    Rule(
        "fully-connected-filter-zero-point",
        _FC,
        "a filter's zero point counts as 0 with int16 activations, with an int4 filter, and where "
        "the output has more than two dimensions and the depth divides by four (then it is a "
        "1x1 convolution)",
        "fully_connected.cc, arm_convolve_1x1_s8_fast.c",
    ),
    Rule(
        "fully-connected-int16-sums",
        _FC,
        "int16: sums have 64 bits whatever quantized_bias_type says; a 32-bit bias is refused (it "
        "would be read as if it had 64 bits)",
        "fully_connected.cc: EvalQuantizedInt16",
    ),
    Rule(
        "fully-connected-int16-channels",
        _FC,
        "int16 with a filter scale per channel is refused",
        "fully_connected.cc: Prepare",
    ),
    Rule(
        "int16-zero-points",
        ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
        "int16 inputs and outputs with a zero point other than 0 are refused",
        "conv.cc, depthwise_conv.cc, fully_connected.cc: Prepare",
    ),
    Rule(
        "add-int16-zero-points",
        ("ADD",),
        "int16 without broadcasting: zero points count as 0",
        "add.cc, arm_elementwise_add_s16.c",
    ),
    Rule(
        "batch-matmul-rank",
        ("BATCH_MATMUL",),
        "operands of five dimensions are refused, float32 ones too",
        "batch_matmul.cc: Prepare",
    ),
    Rule(
        "int64-sums-to-31-bits",
        (
            "BATCH_MATMUL",
            "CONV_2D",
            "DEPTHWISE_CONV_2D",
            "FULLY_CONNECTED",
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
        ),
        "a 64-bit sum is cut to 32 bits before the last of its bits is rounded off, not after",
        "arm_nnsupportfunctions.h: arm_nn_requantize_s64",
    ),
    Rule(
        "depthwise-int4-odd-channels",
        ("DEPTHWISE_CONV_2D",),
        "an int4 filter of several taps over an odd number of input channels is refused where the "
        "depth multiplier is above 1, or where taps fall into padding and there are several "
        "batches or dilation (the wrong halves of bytes would be read)",
        "arm_depthwise_conv_wrapper_s4.c, arm_depthwise_conv_s4.c",
    ),
    Rule(
        "conv-2d-groups",
        _CONV,
        "groups of channels are refused for int16 inputs and int4 filters (filters would be read "
        "past their end), and for int8 without a bias (one would be read at address 0)",
        "arm_convolve_s16.c, arm_convolve_s4.c, arm_convolve_s8.c",
    ),
    Rule(
        "transpose-conv-activation",
        _TRANSPOSE,
        "integer layers ignore the fused activation",
        "transpose_conv.cc: CalculateOpData",
    ),
    Rule(
        "transpose-conv-rows",
        _TRANSPOSE,
        "int8 layers are refused whose output the kernel writes at the wrong place, not to its "
        "end, or past it; the usual case is a padding that the stride does not divide",
        "arm_transpose_conv_s8.c, arm_transpose_conv_get_buffer_sizes_s8.c",
    ),
)
"""Every rule that the profile cmsis-nn follows."""
RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in CMSIS_NN})
