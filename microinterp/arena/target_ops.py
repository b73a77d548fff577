"""What TFLM's reference kernels take from the arena: structs, buffers, temporary tensors.

One row per operator. `steps` follows the kernel's Prepare: "i0" and "o0" are temporary copies of
the facts of input 0 and output 0, "i*" of all inputs, "i1*" of those from input 1 on; "?8" behind
them means for int8 outputs only, "?q" not for float32; P stands for the row's persistent buffers.
Sources: micro/kernels/*.cc, micro_mutable_op_resolver.h, core/api/flatbuffer_conversions.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tflite import BatchMatMulOptions

from microinterp.arena.sizes import Table
from microinterp.graph import Node, Tensor
from microinterp.prepare import Kernel


@dataclass(frozen=True, slots=True)
class Site:
    """One op in one build of TFLM.

    Attributes:
        node, kernel: as prepared.
        table: the build's struct sizes.
        cpu: "c", "dsp" or "mve": what CMSIS-NN is compiled for.
        makes_room: bytes of the resource variable that this op's Prepare allocates; None for none.
    """

    node: Node
    kernel: Kernel
    table: Table
    cpu: str = "c"
    makes_room: int | None = None


Event = Tensor | int
"""A temporary copy of a tensor's facts, or the bytes of a persistent buffer."""
Buffers = Callable[[Site], Sequence[int]]


def nothing(site: Site) -> Sequence[int]:
    """No buffers."""
    return ()


def accepted(site: Site) -> None:
    """The kernel takes whatever TFLM's own PC build takes."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one operator's kernel takes.

    Attributes:
        params: the struct that TFLM's parser keeps of its options, "" for none.
        data: the struct that Init allocates, "" for none.
        steps: what Prepare does, as in the module's docstring.
        init: bytes of further persistent buffers of Init.
        prepare: bytes of the persistent buffers of Prepare.
        scratch: bytes of the scratch buffers; None takes Kernel.scratch, those of the PC build.
        script: what Prepare does where `steps` cannot say it.
        check: raises ArenaError where Prepare refuses what the PC build's takes.
    """

    params: str = ""
    data: str = ""
    steps: str = ""
    init: Buffers = nothing
    prepare: Buffers = nothing
    scratch: Buffers | None = None
    script: Callable[[Site], Iterator[Event]] | None = None
    check: Callable[[Site], None] = accepted

    def init_buffers(self, site: Site) -> list[int]:
        """Bytes of every persistent buffer of Init, in order."""
        own = [site.table.size(self.data)] if self.data else []
        return [*own, *self.init(site)]

    def events(self, site: Site) -> Iterator[Event]:
        """What Prepare does, in order."""
        if self.script is not None:
            yield from self.script(site)
            return
        for step in self.steps.split():
            if step == "P":
                yield from self.prepare(site)
            else:
                yield from _temporaries(site.node, step)


def _temporaries(node: Node, step: str) -> Iterator[Tensor]:
    name, _, condition = step.partition("?")
    kind = node.output().type_name if condition else ""
    if (condition == "8" and kind != "int8") or (condition == "q" and kind == "float32"):
        return
    tensors = node.inputs if name[0] == "i" else node.outputs
    start = int(name[1:].rstrip("*") or 0)
    end = len(tensors) if name.endswith("*") else start + 1
    yield from (tensor for tensor in tensors[start:end] if tensor is not None)


def int_array(table: Table, count: int) -> int:
    """Bytes of a TfLiteIntArray of `count` elements."""
    return table.size("TfLiteIntArray") + table.size("int", count)


def per_channel(channels: int) -> tuple[int, int]:
    """Bytes of the multipliers and of the shifts, int32 each."""
    return 4 * channels, 4 * channels


def filters_first(site: Site) -> Sequence[int]:
    """Multipliers and shifts for a filter [channels, ...], whatever the types."""
    return per_channel(site.node.input(1).shape[0])


def filters_last(site: Site) -> Sequence[int]:
    """Multipliers and shifts for a filter [..., channels], whatever the types."""
    return per_channel(site.node.input(1).shape[-1])


def dense_channels(site: Site) -> Sequence[int]:
    """Multipliers and shifts of FULLY_CONNECTED, if its filter has several scales."""
    scales = site.node.input(1).quantization
    if scales is None or len(scales.scale) < 2 or site.node.input(0).type_name == "float32":
        return ()
    return per_channel(len(scales.scale))


def output_dims(site: Site) -> Sequence[int]:
    """The output's shape, copied to where it can be written."""
    return (int_array(site.table, site.node.output().rank),)


def transposed(table: Table, tensor: Tensor) -> Sequence[int]:
    """A transposed copy of a tensor: its struct, its shape, its elements."""
    return table.size("TfLiteEvalTensor"), int_array(table, tensor.rank), tensor.nbytes


def matmul_copies(site: Site) -> list[int]:
    """Operands of BATCH_MATMUL that are kept transposed as well."""
    options = site.node.options(BatchMatMulOptions)
    x, y = site.node.input(0), site.node.input(1)
    buffers: list[int] = []
    if options.AdjX():
        buffers += transposed(site.table, x)
    if not options.AdjY():
        buffers += transposed(site.table, y)
    return buffers


def _matmul(site: Site) -> Sequence[int]:
    is_float = site.node.input(0).type_name == "float32"
    own = () if is_float else (site.table.size("BatchMatmulQuantization"),)
    return (*own, *matmul_copies(site), *output_dims(site))


def int16_tables(site: Site) -> Sequence[int]:
    """The two tables of SOFTMAX on int16."""
    if site.node.input(0).type_name != "int16":
        return ()
    return (site.table.size("softmax::int16_table"),) * 2


def _only_for_int8(struct: str) -> Buffers:
    def buffers(site: Site) -> Sequence[int]:
        return (site.table.size(struct),) if site.node.output().type_name == "int8" else ()

    return buffers


def _pointers(site: Site) -> Sequence[int]:
    return (site.table.size("pointer", len(site.node.inputs)),)


def _assign_data(site: Site) -> Sequence[int]:
    """Only a build with compression gives ASSIGN_VARIABLE a struct."""
    struct = "assign_variable::OpData"
    return (site.table.size(struct),) if struct in site.table.structs else ()


def _variable(site: Site) -> Sequence[int]:
    return () if site.makes_room is None else (site.makes_room,)


_DECODERS = {0: "DecodeStateLut", 1: "DecodeStateHuffman", 2: "DecodeStatePrune"}


def _decode(site: Site) -> Iterator[Event]:
    """TFLM_DECODE: for each output the encoded input, the ancillary one, and a decoder."""
    node = site.node
    yield site.table.size("pointer", len(node.outputs))
    for number, out in enumerate(node.outputs):
        encoded, ancillary = node.input(2 * number), node.input(2 * number + 1)
        yield from (encoded, ancillary, out)
        assert ancillary.data is not None
        kind = _DECODERS[int(ancillary.data.reshape(-1)[0])]
        yield site.table.size(kind)
        points = out.quantization.zero_point if out.quantization else ()
        if kind == "DecodeStatePrune" and out.quantization and any(points):
            channels = len(out.quantization.scale)
            if channels > 1:
                yield channels


_UNARY, _BINARY, _TERNARY = "i0 o0", "i0 i1 o0", "i0 i1 i2 o0"
_CONV = "o0 i0 i1 P i0 i1 i2 o0"
_REDUCER, _POOL = "TfLiteReducerParams", "TfLitePoolParams"
_MEAN = "i0 o0 i1 i0 i1 o0?8"
_MIN_MAX = "i0 i1 o0?8 i0 o0 i1"
_COMPARISON = Footprint(data="comparisons::OpData", steps="i0 i1")

REFERENCE: Mapping[str, Footprint] = {
    "ABS": Footprint(data="OpDataAbsRsqrt", steps=_UNARY),
    "ADD": Footprint("TfLiteAddParams", "OpDataAdd", _BINARY),
    "ADD_N": Footprint(
        steps="i0 o0 i1* P", prepare=_only_for_int8("add_n::OpData"), scratch=_pointers
    ),
    "ARG_MAX": Footprint("TfLiteArgMaxParams"),
    "ARG_MIN": Footprint("TfLiteArgMinParams"),
    "ASSIGN_VARIABLE": Footprint(steps="i1 P", init=_assign_data, prepare=_variable),
    "AVERAGE_POOL_2D": Footprint(_POOL, "OpDataPooling", _UNARY),
    "BATCH_MATMUL": Footprint(
        "TfLiteBatchMatMulParams", "OpDataBatchMatmul", f"{_BINARY} P", prepare=_matmul
    ),
    "BATCH_TO_SPACE_ND": Footprint(steps=_UNARY),
    "BROADCAST_ARGS": Footprint(steps=_BINARY),
    "BROADCAST_TO": Footprint(steps=_BINARY),
    "CALL_ONCE": Footprint("TfLiteCallOnceParams", "call_once::OpData"),
    "CAST": Footprint("TfLiteCastParams", steps=_UNARY),
    "CEIL": Footprint(steps=_UNARY),
    "CIRCULAR_BUFFER": Footprint(data="OpDataCircularBuffer", steps=_UNARY),
    "CONCATENATION": Footprint("TfLiteConcatenationParams", "concatenation::OpData", "i0 o0 i*"),
    "CONV_2D": Footprint("TfLiteConvParams", "OpDataConv", _CONV, prepare=filters_first),
    "COS": Footprint(steps=_UNARY),
    "CUMSUM": Footprint(
        "TfLiteCumsumParams", steps=f"{_BINARY} P", prepare=_only_for_int8("cumsum::OpData")
    ),
    "DEPTHWISE_CONV_2D": Footprint(
        "TfLiteDepthwiseConvParams", "OpDataConv", _CONV, prepare=filters_last
    ),
    "DEPTH_TO_SPACE": Footprint("TfLiteDepthToSpaceParams", steps="i0 o0 P", prepare=output_dims),
    "DEQUANTIZE": Footprint(data="DequantizeOpData", steps=_UNARY),
    "DIV": Footprint("TfLiteDivParams", "OpDataDiv", _BINARY),
    "DYNAMIC_UPDATE_SLICE": Footprint(steps=_TERNARY),
    "ELU": Footprint(data="elu::OpData", steps=_UNARY),
    "EMBEDDING_LOOKUP": Footprint(
        steps="i0 i1 o0 P",
        prepare=lambda site: (*output_dims(site), site.table.size("embedding_lookup::OpData")),
    ),
    "EQUAL": _COMPARISON,
    "EXP": Footprint(steps=_UNARY),
    "EXPAND_DIMS": Footprint(steps=_BINARY),
    "FILL": Footprint(steps=_BINARY),
    "FLOOR": Footprint(),
    "FLOOR_DIV": Footprint(steps=_BINARY),
    "FLOOR_MOD": Footprint(steps=_BINARY),
    "FULLY_CONNECTED": Footprint(
        "TfLiteFullyConnectedParams",
        "OpDataFullyConnected",
        f"{_TERNARY} P",
        prepare=dense_channels,
    ),
    "GATHER": Footprint("TfLiteGatherParams", steps=f"{_BINARY} P", prepare=output_dims),
    "GATHER_ND": Footprint(steps=f"{_BINARY} P", prepare=output_dims),
    "GREATER": _COMPARISON,
    "GREATER_EQUAL": _COMPARISON,
    "HARD_SWISH": Footprint(data="HardSwishParams", steps=_UNARY),
    "IF": Footprint("TfLiteIfParams", "if::OpData", "i0"),
    "L2_NORMALIZATION": Footprint("TfLiteL2NormParams", "L2NormalizationParams", _UNARY),
    "L2_POOL_2D": Footprint(_POOL, steps="o0 i0 P", prepare=output_dims),
    "LEAKY_RELU": Footprint("TfLiteLeakyReluParams", "LeakyReluOpData", _UNARY),
    "LESS": _COMPARISON,
    "LESS_EQUAL": _COMPARISON,
    "LOG": Footprint(steps=_UNARY),
    "LOGICAL_AND": Footprint(),
    "LOGICAL_NOT": Footprint(steps=_UNARY),
    "LOGICAL_OR": Footprint(),
    "LOGISTIC": Footprint(data="OpDataLogistic", steps=_UNARY),
    "LOG_SOFTMAX": Footprint(steps="i0 o0 P", prepare=_only_for_int8("LogSoftmaxOpData")),
    "MAXIMUM": Footprint(),
    "MAX_POOL_2D": Footprint(_POOL, "OpDataPooling", _UNARY),
    "MEAN": Footprint(_REDUCER, "OpDataReduce", _MEAN),
    "MINIMUM": Footprint(),
    "MIRROR_PAD": Footprint("TfLiteMirrorPaddingParams", "OpDataMirrorPad", _BINARY),
    "MUL": Footprint("TfLiteMulParams", "OpDataMul", _BINARY),
    "NEG": Footprint(),
    "NOT_EQUAL": _COMPARISON,
    "PACK": Footprint("TfLitePackParams"),
    "PAD": Footprint(data="pad::OpData", steps=_TERNARY),
    "PADV2": Footprint(data="pad::OpData", steps=_TERNARY),
    "PRELU": Footprint(data="PreluParams", steps=_BINARY),
    "QUANTIZE": Footprint(data="OpDataQuantizeReference", steps=_UNARY),
    "READ_VARIABLE": Footprint(steps="i0"),
    "REDUCE_ALL": Footprint(_REDUCER, "OpDataReduce", "i0 o0 i1 i0 i1"),
    "REDUCE_MAX": Footprint(_REDUCER, "OpDataReduce", _MIN_MAX),
    "REDUCE_MIN": Footprint(_REDUCER, "OpDataReduce", _MIN_MAX),
    "RELU": Footprint(data="ReluOpData", steps=_UNARY),
    "RELU6": Footprint(data="Relu6OpData", steps="i0"),
    "RESHAPE": Footprint("TfLiteReshapeParams", steps=_UNARY),
    "RESIZE_BILINEAR": Footprint("TfLiteResizeBilinearParams", steps=_BINARY),
    "RESIZE_NEAREST_NEIGHBOR": Footprint("TfLiteResizeNearestNeighborParams", steps=_BINARY),
    "REVERSE_V2": Footprint(steps=_BINARY),
    "ROUND": Footprint(steps=_UNARY),
    "RSQRT": Footprint(data="OpDataAbsRsqrt", steps=_UNARY),
    "SELECT_V2": Footprint(data="select::OpData", steps=_TERNARY),
    "SHAPE": Footprint("TfLiteShapeParams"),
    "SIN": Footprint(steps=_UNARY),
    "SLICE": Footprint(steps=_TERNARY),
    "SOFTMAX": Footprint(
        "TfLiteSoftmaxParams", "SoftmaxParams", f"{_UNARY} P", prepare=int16_tables
    ),
    "SPACE_TO_BATCH_ND": Footprint(data="SpaceToBatchParams", steps=_UNARY),
    "SPACE_TO_DEPTH": Footprint("TfLiteSpaceToDepthParams", steps="i0 o0 P", prepare=output_dims),
    "SPLIT": Footprint("TfLiteSplitParams", steps="i0"),
    "SPLIT_V": Footprint("TfLiteSplitVParams", steps="i2"),
    "SQRT": Footprint(steps=_UNARY),
    "SQUARE": Footprint(steps=_UNARY),
    "SQUARED_DIFFERENCE": Footprint(data="squared_difference::OpData", steps=_BINARY),
    "SQUEEZE": Footprint("TfLiteSqueezeParams", steps=_UNARY),
    "STRIDED_SLICE": Footprint("TfLiteStridedSliceParams", "StridedSliceParams", "i0 i1 i2 i3 o0"),
    "SUB": Footprint("TfLiteSubParams", "OpDataSub", _BINARY),
    "SUM": Footprint(_REDUCER, "OpDataReduce", _MEAN),
    "SVDF": Footprint("TfLiteSVDFParams", "OpDataSvdf", "i0 i1 i2 i3 i4 o0"),
    "TANH": Footprint(data="tanh::OpData", steps="i0 i0 o0"),
    "TFLM_DECODE": Footprint(script=_decode),
    "TFLite_Detection_PostProcess": Footprint(
        data="detection_postprocess::OpData", steps="i0 i1 i2"
    ),
    "TRANSPOSE": Footprint(steps=_BINARY),
    "TRANSPOSE_CONV": Footprint(
        "TfLiteTransposeConvParams",
        "transpose_conv::OpData",
        "o0 i2 i1 P i2?q i1?q i3?q o0?q",
        prepare=filters_first,
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Footprint(
        "TfLiteUnidirectionalSequenceLSTMParams", "OpDataLSTM", "i* o0"
    ),
    "UNPACK": Footprint("TfLiteUnpackParams"),
    "VAR_HANDLE": Footprint("TfLiteVarHandleParams", "var_handle::OpData"),
    "WHILE": Footprint("TfLiteWhileParams", "while::OpData"),
    "ZEROS_LIKE": Footprint(steps=_UNARY),
}
