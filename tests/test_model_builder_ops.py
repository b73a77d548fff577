"""Ops as ModelBuilder writes them: op codes, options tables, and what is said of wrong use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tflite

from microinterp.errors import InputError
from microinterp.model import Operator, OperatorCode, load
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.model_options import OP_CODES, op_options, options_table
from microinterp.schema import TABLES

# The builtin operators of TFLM (micro_mutable_op_resolver.h), by their table in schema.fbs.
REGULAR = """
ABS=Abs ADD=Add ADD_N=AddN ARG_MAX=ArgMax ARG_MIN=ArgMin ASSIGN_VARIABLE=AssignVariable
AVERAGE_POOL_2D=Pool2D BATCH_MATMUL=BatchMatMul BATCH_TO_SPACE_ND=BatchToSpaceND
BROADCAST_TO=BroadcastTo CALL_ONCE=CallOnce CAST=Cast CONCATENATION=Concatenation CONV_2D=Conv2D
COS=Cos CUMSUM=Cumsum DEPTHWISE_CONV_2D=DepthwiseConv2D DEPTH_TO_SPACE=DepthToSpace
DEQUANTIZE=Dequantize DIV=Div DYNAMIC_UPDATE_SLICE=DynamicUpdateSlice EQUAL=Equal EXP=Exp
EXPAND_DIMS=ExpandDims FILL=Fill FLOOR_DIV=FloorDiv FLOOR_MOD=FloorMod
FULLY_CONNECTED=FullyConnected GATHER=Gather GATHER_ND=GatherNd GREATER=Greater
GREATER_EQUAL=GreaterEqual HARD_SWISH=HardSwish IF=If L2_NORMALIZATION=L2Norm L2_POOL_2D=Pool2D
LEAKY_RELU=LeakyRelu LESS=Less LESS_EQUAL=LessEqual LOGICAL_AND=LogicalAnd LOGICAL_NOT=LogicalNot
LOGICAL_OR=LogicalOr LOG_SOFTMAX=LogSoftmax MAXIMUM=MaximumMinimum MAX_POOL_2D=Pool2D MEAN=Reducer
MINIMUM=MaximumMinimum MIRROR_PAD=MirrorPad MUL=Mul NEG=Neg NOT_EQUAL=NotEqual PACK=Pack PAD=Pad
PADV2=PadV2 QUANTIZE=Quantize READ_VARIABLE=ReadVariable REDUCE_ALL=Reducer REDUCE_MAX=Reducer
REDUCE_MIN=Reducer RESHAPE=Reshape RESIZE_BILINEAR=ResizeBilinear
RESIZE_NEAREST_NEIGHBOR=ResizeNearestNeighbor REVERSE_V2=ReverseV2 SELECT_V2=SelectV2 SHAPE=Shape
SLICE=Slice SOFTMAX=Softmax SPACE_TO_BATCH_ND=SpaceToBatchND SPACE_TO_DEPTH=SpaceToDepth SPLIT=Split
SPLIT_V=SplitV SQUARE=Square SQUARED_DIFFERENCE=SquaredDifference SQUEEZE=Squeeze
STRIDED_SLICE=StridedSlice SUB=Sub SUM=Reducer SVDF=SVDF TRANSPOSE=Transpose
TRANSPOSE_CONV=TransposeConv UNIDIRECTIONAL_SEQUENCE_LSTM=UnidirectionalSequenceLSTM UNPACK=Unpack
VAR_HANDLE=VarHandle WHILE=While ZEROS_LIKE=ZerosLike
"""
WITHOUT_OPTIONS = (
    "BROADCAST_ARGS CEIL ELU EMBEDDING_LOOKUP FLOOR LOG LOGISTIC PRELU RELU RELU6 ROUND RSQRT SIN "
    "SQRT TANH"
)
TFLM_OPS: dict[str, str | None] = {
    **{op: f"{name}Options" for op, name in (pair.split("=") for pair in REGULAR.split())},
    **dict.fromkeys(WITHOUT_OPTIONS.split()),
}


def with_op(name: str, **keywords: Any) -> tuple[OperatorCode, Operator, Any]:
    """Write one op; return its code, the op, and its options through the `tflite` package."""
    b = ModelBuilder()
    g = b.subgraph()
    g.op(name, [g.input("x", (1,), "int8")], [g.tensor("y", (1,), "int8")], **keywords)
    model = load(b.finish())
    op = model.subgraphs[0].operators[0]
    union = {code: key for key, code in vars(tflite.BuiltinOptions).items()}
    if op.options is None:
        return model.operator_codes[0], op, None
    options = getattr(tflite, union[op.options_type])()
    options.Init(op.options.Bytes, op.options.Pos)
    return model.operator_codes[0], op, options


def test_tflm_has_a_hundred_builtin_operators() -> None:
    assert len(TFLM_OPS) == 100


@pytest.mark.parametrize("name", sorted(TFLM_OPS))
def test_every_operator_of_tflm_has_its_code_and_options_table(name: str) -> None:
    code, op, options = with_op(name, version=7)
    number = getattr(tflite.BuiltinOperator, name)
    assert (code.code, code.raw_builtin_code, code.version) == (number, number, 7)
    wanted = TFLM_OPS[name]
    assert (type(options).__name__ if options else None) == wanted
    assert op.options_type == (getattr(tflite.BuiltinOptions, wanted) if wanted else 0)
    assert (op.inputs, op.outputs, op.intermediates) == ((0,), (1,), ())


@pytest.mark.parametrize("name", sorted(OP_CODES))
def test_options_are_the_fields_of_the_schema(name: str) -> None:
    table = options_table(name)
    if table is not None:
        assert set(table.fields) == {field.name for field in TABLES[table.name]}


def value_for(kind: str) -> Any:
    return {"Bool": True, "Float32": 0.375, "string": "text", "vector": [3, -1, 2]}.get(kind, 3)


@pytest.mark.parametrize("name", sorted(op for op, table in TFLM_OPS.items() if table))
def test_every_option_arrives_in_its_own_field(name: str) -> None:
    table = options_table(name)
    assert table is not None
    for field in table.fields.values():
        value = value_for(field.kind)
        options = with_op(name, **{field.name: value})[2]
        unset = with_op(name)[2]
        for other in table.fields.values():
            camel = "".join(part.capitalize() for part in other.name.split("_"))
            read, default = (
                getattr(o, camel + ("AsNumpy" if other.kind == "vector" else ""))()
                for o in (options, unset)
            )
            wanted = value if other is field else default
            wanted = wanted.encode() if isinstance(wanted, str) else wanted
            assert np.array_equal(read, wanted), (field.name, other.name)


@pytest.mark.parametrize(
    ("op", "keyword", "value", "getter", "number"),
    [
        ("CONV_2D", "padding", "VALID", "Padding", 1),
        ("CONV_2D", "padding", "valid", "Padding", 1),
        ("CONV_2D", "padding", np.int64(1), "Padding", 1),
        ("CONV_2D", "padding", 55, "Padding", 55),
        ("CONV_2D", "quantized_bias_type", "int64", "QuantizedBiasType", 4),
        ("CONV_2D", "fused_activation_function", "RELU6", "FusedActivationFunction", 3),
        ("ADD", "fused_activation_function", "RELU_N1_TO_1", "FusedActivationFunction", 2),
        ("FULLY_CONNECTED", "weights_format", "SHUFFLED4x16INT8", "WeightsFormat", 1),
        ("MIRROR_PAD", "mode", "SYMMETRIC", "Mode", 1),
        ("CAST", "out_data_type", "uint32", "OutDataType", 15),
        ("ARG_MAX", "output_type", "int32", "OutputType", 2),
        ("SHAPE", "out_type", "INT64", "OutType", 4),
        ("LSTM", "kernel_type", "BASIC", "KernelType", 1),
        ("LSH_PROJECTION", "type", "DENSE", "Type", 2),
        ("HASHTABLE", "key_dtype", "string", "KeyDtype", 5),
        ("UNIQUE", "idx_out_type", "int64", "IdxOutType", 4),
        ("EMBEDDING_LOOKUP_SPARSE", "combiner", "SQRTN", "Combiner", 2),
        ("LEAKY_RELU", "alpha", 0, "Alpha", 0.0),
        ("SOFTMAX", "beta", np.float32(0.1), "Beta", float(np.float32(0.1))),
        ("RANDOM_UNIFORM", "seed2", 2**62, "Seed2", 2**62),
        ("STRIDED_SLICE", "offset", np.bool_(True), "Offset", True),
        ("ADD", "pot_scale_int16", 0, "PotScaleInt16", False),  # true in the schema's default
        ("CONV_2D", "dilation_w_factor", 0, "DilationWFactor", 0),  # 1 in the schema's default
    ],
)
def test_kinds_of_values(op: str, keyword: str, value: Any, getter: str, number: float) -> None:
    assert getattr(with_op(op, **{keyword: value})[2], getter)() == number


def test_every_enum_option_of_the_schema_is_taken_by_name() -> None:
    """Whatever byte-wide integer an options table holds is an enum in schema.fbs."""
    for name in OP_CODES:
        table = options_table(name)
        for field in table.fields.values() if table else ():
            if field.kind == "Int8":
                with pytest.raises(InputError, match="has no 'nonsense'"):
                    op_options(name, {field.name: "nonsense"})


def test_vectors() -> None:
    options = with_op("SQUEEZE", squeeze_dims=np.array([1, -2]))[2]
    assert options.SqueezeDimsAsNumpy().tolist() == [1, -2]
    options = with_op("RESHAPE", new_shape=[])[2]
    assert (options.NewShapeIsNone(), options.NewShapeLength()) == (False, 0)
    assert with_op("RESHAPE")[2].NewShapeIsNone()
    options = with_op("BUCKETIZE", boundaries=[0.5, 2])[2]
    assert options.BoundariesAsNumpy().tolist() == [0.5, 2.0]


def test_omitted_inputs_and_intermediates() -> None:
    b = ModelBuilder()
    g = b.subgraph()
    assert g.op("UNIDIRECTIONAL_SEQUENCE_LSTM", [0, None, -1, 99], [1], intermediates=[2, 3]) == 0
    assert g.op("TANH", [], []) == 1
    lstm, tanh = load(b.finish()).subgraphs[0].operators
    assert (lstm.inputs, lstm.outputs, lstm.intermediates) == ((0, -1, -1, 99), (1,), (2, 3))
    assert (tanh.inputs, tanh.outputs, tanh.intermediates) == ((), (), ())


def test_options_can_be_left_out_on_purpose() -> None:
    code, op, options = with_op("CONV_2D", with_options=False)
    assert (code.code, op.options_type, options) == (3, 0, None)


def test_op_codes_are_not_repeated() -> None:
    b = ModelBuilder()
    g, h = b.subgraph("g"), b.subgraph("h")
    g.op("ADD", [], [])
    g.op("CALL_ONCE", [], [], init_subgraph_index=h.index)
    g.op("ADD", [], [], version=2)
    h.op("ADD", [], [])
    h.custom_op("A", [], [], b"options")
    h.custom_op("B", [], [])
    g.custom_op("A", [], [], b"")
    model = load(b.finish())
    codes = [(c.code, c.custom_code, c.version) for c in model.operator_codes]
    assert codes == [
        (0, None, 1),
        (129, None, 1),
        (0, None, 2),
        (32, "A", 1),
        (32, "B", 1),
    ]
    assert [op.opcode_index for op in model.subgraphs[0].operators] == [0, 1, 2, 3]
    assert [op.opcode_index for op in model.subgraphs[1].operators] == [0, 3, 4]
    assert [op.custom_options for op in model.subgraphs[1].operators] == [b"", b"options", b""]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("CONV_2D", 3, 3), ("BATCH_MATMUL", 126, 126), ("CALL_ONCE", 127, 129),
     ("READ_VARIABLE", 127, 143), ("RIGHT_SHIFT", 127, 161)],
)  # fmt: skip
def test_both_op_code_fields(name: str, old: int, new: int) -> None:
    b = ModelBuilder()
    b.subgraph().op(name, [], [])
    data = b.finish()
    # The package's BuiltinCode() mixes the two fields; ours reads the newer one alone.
    assert tflite.Model.GetRootAs(data, 0).OperatorCodes(0).DeprecatedBuiltinCode() == old
    assert load(data).operator_codes[0].raw_builtin_code == new


def test_the_old_op_code_field_alone() -> None:
    b = ModelBuilder(old_op_codes=True)
    b.subgraph().op("IF", [], [])
    code = load(b.finish()).operator_codes[0]
    assert (code.code, code.raw_builtin_code) == (118, 0)


Use = Callable[[ModelBuilder, SubGraphBuilder], Any]
WRONG_USE: list[tuple[str, Use, str]] = [
    ("op", lambda b, g: g.op("CONV2D", [], []),
     "op 0 CONV2D: there is no operator 'CONV2D' to write\n  hint: nearest names: CONV_2D"),
    ("case", lambda b, g: g.op("conv_2d", [], []), "nearest names: CONV_2D"),
    ("op far off", lambda b, g: g.op("XYZZY", [], []), "the names are those of schema.fbs: ADD, "),
    ("stablehlo", lambda b, g: g.op("STABLEHLO_ADD", [], []), "no operator 'STABLEHLO_ADD' to"),
    ("second union", lambda b, g: g.op("DILATE", [], []), "there is no operator 'DILATE' to write"),
    ("custom", lambda b, g: g.op("CUSTOM", [], []), "use custom_op"),
    ("op type", lambda b, g: g.op(3, [], []), "the name of an op is a str, not int"),
    ("option", lambda b, g: g.op("SOFTMAX", [], [], betta=1),
     "op 0 SOFTMAX: SOFTMAX has no option 'betta'\n  hint: it is one of beta"),
    ("no options", lambda b, g: g.op("RELU", [], [], beta=1), "RELU takes no options"),
    ("empty table", lambda b, g: g.op("PAD", [], [], beta=1), "PAD takes no options"),
    ("enum", lambda b, g: g.op("CONV_2D", [], [], padding="FULL"),
     "Padding has no 'FULL'\n  hint: it is one of SAME, VALID"),
    ("enum type", lambda b, g: g.op("CONV_2D", [], [], padding=None),
     "option padding takes a Padding, not None"),
    ("dtype of option", lambda b, g: g.op("CAST", [], [], out_data_type="int9"),
     "TensorType has no 'int9'\n  hint: it is one of FLOAT32"),
    ("int", lambda b, g: g.op("CONV_2D", [], [], stride_w=1.5), "stride_w takes a Int32, not 1.5"),
    ("int range", lambda b, g: g.op("CONV_2D", [], [], stride_w=2**31), "stride_w takes a Int32"),
    ("float", lambda b, g: g.op("SOFTMAX", [], [], beta="x"), "beta takes a Float32, not 'x'"),
    ("bool", lambda b, g: g.op("MEAN", [], [], keep_dims=2), "keep_dims takes a Bool, not 2"),
    ("bool text", lambda b, g: g.op("MEAN", [], [], keep_dims="no"), "takes a Bool, not 'no'"),
    ("string", lambda b, g: g.op("VAR_HANDLE", [], [], container=b"x"), "takes a string"),
    ("vector", lambda b, g: g.op("SQUEEZE", [], [], squeeze_dims=3), "takes a vector, not 3"),
    ("vector item", lambda b, g: g.op("RESHAPE", [], [], new_shape=[2**40]), "takes a vector"),
    ("tensors", lambda b, g: g.op("ADD", 3, []), "op 0 ADD: the tensors of an op are a list"),
    ("tensor", lambda b, g: g.op("ADD", ["x"], []), "is a list of int32 numbers, not ['x']"),
    ("version", lambda b, g: g.op("ADD", [], [], version="2"), "version is an integer, not '2'"),
    ("custom name", lambda b, g: g.custom_op(1, [], []), "name of a custom op is a str, not int"),
    ("custom options", lambda b, g: g.custom_op("A", [], [], "x"), "custom_options is bytes"),
    ("dtype", lambda b, g: g.tensor("x", (1,), "int9"),
     "tensor 0 'x': TensorType has no 'int9'\n  hint: it is one of FLOAT32"),
    ("dtype type", lambda b, g: g.tensor("x", (1,), np.int8), "a dtype is a str, not type"),
    ("name", lambda b, g: g.tensor(b"x", (1,), "int8"), "the name of a tensor is a str, not bytes"),
    ("shape", lambda b, g: g.tensor("x", 3, "int8"), "a shape is a list of int32 numbers, not 3"),
    ("shape range", lambda b, g: g.tensor("x", (2**31,), "int8"), "a shape is a list of int32"),
    ("shape text", lambda b, g: g.tensor("x", "ab", "int8"), "a shape is a list of int32 numbers"),
    ("scale", lambda b, g: g.tensor("x", (1,), "int8", scale="x"), "scale is a number or a list"),
    ("scales", lambda b, g: g.tensor("x", (1,), "int8", scale=[[1.0]]), "scale is a number or a"),
    ("ragged", lambda b, g: g.tensor("x", (1,), "int8", scale=[[1.0], 2]), "scale is a number or"),
    ("zero point", lambda b, g: g.tensor("x", (1,), "int8", 1.0, 0.5), "zero_point is an int64"),
    ("zero range", lambda b, g: g.tensor("x", (1,), "int8", 1.0, 2**63), "zero_point is an int64"),
    ("axis", lambda b, g: g.tensor("x", (1,), "int8", 1.0, 0, "c"), "axis is an integer, not 'c'"),
    ("input", lambda b, g: g.as_input("x"), "an input is an integer, not 'x'"),
    ("output", lambda b, g: g.output(None), "an output is an integer, not None"),
    ("output range", lambda b, g: g.output(2**31), "an output is from -2147483648 to 2147483647"),
    ("list", lambda b, g: g.constant("c", [1, 2]), "a plain list or number does not tell its type"),
    ("fit", lambda b, g: g.constant("c", [300], dtype="int8"), "the values do not all fit int8"),
    ("fraction", lambda b, g: g.constant("c", [0.5], dtype="int8"), "do not all fit int8"),
    ("nan", lambda b, g: g.constant("c", [np.nan], dtype="int32"), "do not all fit int32"),
    ("int4", lambda b, g: g.constant("c", np.int8([8]), dtype="int4"), "do not all fit int4"),
    ("int4 low", lambda b, g: g.constant("c", np.int8([-9]), dtype="int4"), "do not all fit int4"),
    ("text", lambda b, g: g.constant("c", np.array(["a"])), "are numbers, not <U1"),
    ("ragged constant", lambda b, g: g.constant("c", [[1], [1, 2]], dtype="int8"), "rows differ"),
    ("string constant", lambda b, g: g.constant("c", [1], dtype="string"), "NumPy has no string"),
    ("bytes", lambda b, g: g.constant("c", b"12"), "raw bytes do not tell their type"),
    ("metadata", lambda b, g: b.metadata("m", "text"), "the data of a buffer is bytes, not str"),
    ("metadata name", lambda b, g: b.metadata(b"m", b""), "the name of metadata is a str"),
    ("signature", lambda b, g: b.signature("s", {"x": -1}, {}), "is from 0 to 4294967295, not -1"),
    ("signature key", lambda b, g: b.signature(1, {}, {}), "the key of a signature is a str"),
    ("subgraph", lambda b, g: b.signature("s", {}, {}, subgraph=-1), "subgraph is from 0 to"),
    ("subgraph name", lambda b, g: b.subgraph(1), "the name of a subgraph is a str"),
    ("description", lambda b, g: ModelBuilder(None), "the description is a str, not NoneType"),
]  # fmt: skip

if np.dtype(np.longdouble).itemsize > 8:  # elsewhere it is float64 by another name
    WRONG_USE.append(
        ("long double", lambda b, g: g.constant("c", np.longdouble([1])), "has no tensors of float")
    )


@pytest.mark.parametrize(("use", "text"), [case[1:] for case in WRONG_USE],
                         ids=[case[0] for case in WRONG_USE])  # fmt: skip
def test_wrong_use(use: Use, text: str) -> None:
    b = ModelBuilder()
    g = b.subgraph()
    before = b.finish()
    with pytest.raises(InputError) as caught:
        use(b, g)
    assert text in str(caught.value)
    assert b.finish() == before


def test_errors_tell_the_subgraph() -> None:
    b = ModelBuilder()
    b.subgraph()
    g = b.subgraph()
    g.op("ADD", [], [])
    with pytest.raises(InputError, match=r"^subgraph 1, op 1 SUBB: there is no operator") as caught:
        g.op("SUBB", [], [])
    assert (caught.value.where.subgraph, caught.value.where.op_index) == (1, 1)
