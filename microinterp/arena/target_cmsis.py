"""What TFLM's CMSIS-NN kernels take from the arena where that is not what reference kernels take.

Built for speed (KERNELS_OPTIMIZED_FOR_SPEED, the Makefile's default) by GCC. `cpu` is "c" (Armv6-M,
Armv7-M), "dsp" (Armv7E-M, Armv8-M with DSP) or "mve" (Armv8.1-M with Helium). Sources:
micro/kernels/cmsis_nn/*.cc and CMSIS-NN's Source/*/*_get_buffer_sizes_*.c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tflite import Conv2DOptions, DepthwiseConv2DOptions, Padding, TransposeConvOptions

from microinterp.arena.target_ops import (
    REFERENCE,
    Footprint,
    Site,
    dense_channels,
    filters_first,
    filters_last,
    int16_tables,
    matmul_copies,
    output_dims,
)
from microinterp.errors import ArenaError
from microinterp.graph import Tensor

_INT16, _INT32 = 2, 4


@dataclass(frozen=True, slots=True)
class _Window:
    """One axis of a convolution: how wide input, filter and output are, and how it moves."""

    size: int
    kernel: int
    out: int
    stride: int
    dilation: int
    same: bool

    @property
    def padding(self) -> int:
        """Elements of padding before the first one, as TFLM computes them."""
        reach = (self.kernel - 1) * self.dilation + 1
        return max((self.out - 1) * self.stride + reach - self.size, 0) // 2 if self.same else 0


def _windows(site: Site) -> tuple[_Window, _Window]:
    """Windows of a convolution along height and width."""
    node = site.node
    kind = Conv2DOptions if node.name == "CONV_2D" else DepthwiseConv2DOptions
    options = node.options(kind)
    x, w, out = node.input(0).shape, node.input(1).shape, node.output().shape
    same = options.Padding() == Padding.SAME
    strides = options.StrideH(), options.StrideW()
    dilations = options.DilationHFactor(), options.DilationWFactor()
    high, wide = (
        _Window(x[1 + i], w[1 + i], out[1 + i], strides[i], dilations[i], same) for i in range(2)
    )
    return high, wide


def _requested(*sizes: int) -> Sequence[int]:
    """A buffer is asked for where it has bytes."""
    return tuple(size for size in sizes if size > 0)


def _quantized(site: Site, channels: Sequence[int]) -> Sequence[int]:
    return () if site.node.input(0).type_name == "float32" else channels


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _columns(site: Site, elements: int) -> int:
    """Bytes that a convolution on int8 needs for columns of so many elements."""
    return 4 * _up(elements, 16) if site.cpu == "mve" else 2 * _up(elements, 4) * _INT16


def _conv_int8(site: Site, high: _Window, wide: _Window, channels: int, filtered: int) -> int:
    """arm_convolve_wrapper_s8_get_buffer_size."""
    whole = _columns(site, high.kernel * wide.kernel * channels)
    is_small = high.kernel == 1 and wide.dilation == 1 and channels == filtered
    if is_small and wide.kernel == 1 and high.dilation == 1 and high.padding == wide.padding == 0:
        return 0
    is_row = is_small and high.size == 1 and wide.stride * channels % 4 == 0
    return _row_of_mve(wide, channels, whole) if is_row and site.cpu == "mve" else whole


def _row_of_mve(wide: _Window, channels: int, whole: int) -> int:
    """arm_convolve_1_x_n_s8_get_buffer_size_mve: the padded ends of a row, else `whole`.

    % and / are C's, which cut towards 0.
    """
    pad, stride = wide.padding, wide.stride
    total = (wide.out - 1) * stride + wide.kernel - wide.size
    odd = abs(total) % 2 * (1 if total > 0 else -1)
    right = max(1, int((pad + odd + stride - 1) / stride)) if pad + odd != 0 else 0
    left = max(1, (pad + stride - 1) // stride) if pad else 0
    if right + left + max(wide.out - right - left, 0) != wide.out:
        return whole
    before = pad * channels
    after = right * channels if odd else before
    return max(wide.kernel * channels + before, (wide.kernel - 1) * channels + after)


def _conv(site: Site) -> Sequence[int]:
    x, w = site.node.input(0), site.node.input(1)
    high, wide = _windows(site)
    elements = w.shape[1] * w.shape[2] * x.shape[3]
    if x.type_name == "int8":
        return _requested(_conv_int8(site, high, wide, x.shape[3], w.shape[3]))
    # The kernel looks for the bias among the outputs and finds none, so any int16 layer asks.
    if x.type_name == "int16":
        return _requested(_INT16 * (4 * _up(elements, 8) if site.cpu == "mve" else 2 * elements))
    return ()


def _depthwise(site: Site) -> Sequence[int]:
    """arm_depthwise_conv_wrapper_s8 and _s4 _get_buffer_size; int16 asks for nothing."""
    x, w, out = site.node.input(0), site.node.input(1), site.node.output()
    if x.type_name != "int8":
        return ()
    high, wide = _windows(site)
    area, channels = high.kernel * wide.kernel, x.shape[3]
    is_int8, mve = w.type_name == "int8", site.cpu == "mve"
    threshold = "CONVERT_DW_CONV_WITH_ONE_INPUT_CH_AND_OUTPUT_CH_ABOVE_THRESHOLD"
    if is_int8 and mve and channels == 1 and out.shape[3] > site.table.size(threshold):
        return _requested(_conv_int8(site, high, wide, 1, 1) + out.shape[3] * area)
    is_simple = channels == out.shape[3] and x.shape[0] == high.dilation == wide.dilation == 1
    is_3x3 = high.kernel == wide.kernel == 3 and max(high.padding, wide.padding) <= 1
    if not is_simple or (is_int8 and not mve and (is_3x3 or site.cpu == "c")):
        return ()
    block = site.table.size("CH_IN_BLOCK_MVE")
    return (4 * block * area if mve else _INT16 * channels * area,)


def _is_as_conv(site: Site) -> bool:
    """FULLY_CONNECTED on int8 with an output of rank 3 or 4 runs as a 1x1 convolution."""
    w = site.node.input(1)
    return site.node.output().rank > 2 and w.shape[-1] % 4 == 0


def _is_dense_int8(site: Site) -> bool:
    node = site.node
    return node.input(0).type_name == "int8" and node.input(1).type_name == "int8"


def _dense_sums(site: Site) -> int:
    """Bytes of the sums over the filter that only Helium's kernel wants."""
    wanted = site.cpu == "mve" and _is_dense_int8(site) and not _is_as_conv(site)
    return _INT32 * site.node.output().shape[-1] if wanted else 0


def _are_constant(*tensors: Tensor | None) -> bool:
    return all(tensor is None or tensor.is_constant for tensor in tensors)


def _dense_persistent(site: Site) -> Sequence[int]:
    node, channels = site.node, dense_channels(site)
    sums = _dense_sums(site) if _are_constant(node.input(1), node.optional_input(2)) else 0
    return (*channels, *_requested(sums))


def _dense_scratch(site: Site) -> Sequence[int]:
    node = site.node
    if _is_dense_int8(site) and _is_as_conv(site):
        return () if dense_channels(site) else (2 * _INT32 * node.output().shape[-1],)
    constant = _are_constant(node.input(1), node.optional_input(2))
    return () if constant else _requested(_dense_sums(site))


def _average_pool(site: Site) -> Sequence[int]:
    x = site.node.input(0)
    return (_INT32 * x.shape[3],) if x.type_name != "float32" and site.cpu == "dsp" else ()


def _svdf_sums(site: Site) -> Sequence[int]:
    wanted = site.cpu == "mve" and site.node.input(0).type_name == "int8"
    return (_INT32 * site.node.input(1).shape[0],) if wanted else ()


def _transpose_conv(site: Site) -> Sequence[int]:
    """arm_transpose_conv_s8_get_buffer_size and ..._get_reverse_conv_buffer_size, asked for always.

    The size takes the vertical stride for both axes, as CMSIS-NN does.
    """
    node = site.node
    x, w, out = node.input(2), node.input(1), node.output()
    if x.type_name != "int8":
        return site.kernel.scratch
    options = node.options(TransposeConvOptions)
    high, wide = options.StrideH(), options.StrideW()
    filters, kernel_high, kernel_wide, channels = w.shape
    threshold = site.table.size("REVERSE_TCOL_EFFICIENT_THRESHOLD")
    if max(high, wide) <= 2 and channels > threshold:
        elements = channels * kernel_high * kernel_wide
        return _columns(site, elements), elements * filters
    row = ((x.shape[2] - 1) * wide + max(kernel_wide, high)) * out.shape[3]
    return row * max(kernel_high, high) * _INT32, 0


def _matmul(site: Site) -> Sequence[int]:
    own = _quantized(site, (site.table.size("BatchMatmulQuantization"),))
    return (*matmul_copies(site), *output_dims(site), *own)


def _matmul_scratch(site: Site) -> Sequence[int]:
    wanted = site.cpu == "mve" and site.node.input(0).type_name == "int8"
    return (_INT32 * site.node.output().shape[-1],) if wanted else ()


def _lstm_sums(site: Site) -> Sequence[int]:
    """Eight vectors of effective biases: int32 for int8 activations, int64 for int16."""
    states = site.node.input(18).shape[1]
    width = {"int8": 4, "int16": 8}.get(site.node.input(0).type_name, 0)
    return (width * states,) * 8 if width else ()


def _lstm_scratch(site: Site) -> Sequence[int]:
    return _quantized(site, site.kernel.scratch[:3]) or site.kernel.scratch


def _require(site: Site, holds: bool, message: str, tensor: Tensor | None = None) -> None:
    if not holds:
        raise ArenaError(
            f"TFLM's CMSIS-NN kernel refuses the op: {message}",
            site.node.where(tensor),
            "its reference kernel takes it",
        )


def _check_symmetric(site: Site) -> None:
    """No zero points in int16 layers."""
    x, out = site.node.input(0), site.node.output()
    others = [site.node.input(1)] if site.node.name == "ADD" else []
    for tensor in (x, *others, out):
        sound = tensor.type_name != "int16" or tensor.zero_point == 0
        _require(site, sound, f"zero point {tensor.zero_point} of int16, wanted 0", tensor)


def _check_dense(site: Site) -> None:
    _check_symmetric(site)
    sound = not dense_channels(site) or _is_dense_int8(site)
    _require(site, sound, "a filter with scales per channel in a layer that is not int8 x int8")


def _check_transpose_conv(site: Site) -> None:
    node = site.node
    sound = node.input(2).type_name != "int16" or node.optional_input(3) is not None
    _require(site, sound, "an int16 layer without bias (it reads the type of one all the same)")


def _check_matmul(site: Site) -> None:
    for operand in (site.node.input(0), site.node.input(1)):
        _require(site, operand.rank <= 4, f"rank {operand.rank}, wanted 4 at most", operand)


def _check_lstm(site: Site) -> None:
    for number in (*range(1, 9), *range(12, 16)):
        tensor = site.node.input(number)
        _require(site, tensor.is_constant, "weights and biases must be constants", tensor)


_CONV = "i0 i1 o0 P i0 i1 i2 o0"

CMSIS_NN: Mapping[str, Footprint] = {
    "ADD": replace(REFERENCE["ADD"], data="cmsis_nn::add", check=_check_symmetric),
    "AVERAGE_POOL_2D": Footprint(
        "TfLitePoolParams", "cmsis_nn::pooling", "i0 o0 i0 o0", scratch=_average_pool
    ),
    "BATCH_MATMUL": replace(
        REFERENCE["BATCH_MATMUL"],
        data="cmsis_nn::batch_matmul",
        prepare=_matmul,
        scratch=_matmul_scratch,
        check=_check_matmul,
    ),
    "CONV_2D": Footprint(
        "TfLiteConvParams",
        "cmsis_nn::conv",
        _CONV,
        prepare=lambda site: _quantized(site, filters_first(site)),
        scratch=_conv,
        check=_check_symmetric,
    ),
    "DEPTHWISE_CONV_2D": Footprint(
        "TfLiteDepthwiseConvParams",
        "cmsis_nn::depthwise_conv",
        _CONV,
        prepare=lambda site: _quantized(site, filters_last(site)),
        scratch=_depthwise,
        check=_check_symmetric,
    ),
    "FULLY_CONNECTED": replace(
        REFERENCE["FULLY_CONNECTED"],
        data="cmsis_nn::fully_connected",
        prepare=_dense_persistent,
        scratch=_dense_scratch,
        check=_check_dense,
    ),
    "MAX_POOL_2D": replace(REFERENCE["MAX_POOL_2D"], data="cmsis_nn::pooling"),
    "SOFTMAX": replace(REFERENCE["SOFTMAX"], data="cmsis_nn::softmax", prepare=int16_tables),
    "SVDF": replace(
        REFERENCE["SVDF"], data="cmsis_nn::svdf", steps="i0 i1 i2 i3 i4 o0 P", prepare=_svdf_sums
    ),
    "TRANSPOSE_CONV": replace(
        REFERENCE["TRANSPOSE_CONV"],
        data="cmsis_nn::transpose_conv",
        scratch=_transpose_conv,
        check=_check_transpose_conv,
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": replace(
        REFERENCE["UNIDIRECTIONAL_SEQUENCE_LSTM"],
        data="cmsis_nn::unidirectional_sequence_lstm",
        steps="i* o0 P",
        prepare=_lstm_sums,
        scratch=_lstm_scratch,
        check=_check_lstm,
    ),
}
