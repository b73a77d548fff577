"""The tables of the TFLite schema as data: which field sits in which vtable slot, and its kind.

One line per table, its fields in the order of their ids, written as in schema.fbs but with the
width in bytes in place of the type's name:

    name:4          a scalar of 4 bytes           name:[4]      a vector of such scalars
    name:8<=1       the same; more is refused     name:view     a vector of bytes, never copied
    name:string     a string                      name:table    a table, only its head is checked
    name:Tensor     a table                       name:[Tensor] a vector of tables
    name:Options?   a union; the field before it holds its type
    -               an id that nobody reads       name:kind!    TFLM reads it unasked: must be there
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tflite import BuiltinOptions

Kind = Literal["scalar", "string", "vector", "view", "table", "tables", "union"]

IDENTIFIER = b"TFL3"
ROOT = "Model"

# Data outside of the FlatBuffer (models over 2 GB, external_buffer) is what the `<=` fields refuse:
# an offset counts only if it is greater than 1, says schema.fbs.
_TABLES = {
    "Model": "version:4 operator_codes:[OperatorCode] subgraphs:[SubGraph] description:string "
    "buffers:[Buffer] metadata_buffer:[4] metadata:[Metadata] signature_defs:[SignatureDef]",
    "OperatorCode": "deprecated_builtin_code:1 custom_code:string version:4 builtin_code:4",
    "SubGraph": "tensors:[Tensor]! inputs:[4]! outputs:[4]! operators:[Operator] name:string",
    "Tensor": "shape:[4] type:1 buffer:4 name:string quantization:QuantizationParameters "
    "is_variable:1 sparsity:table shape_signature:[4] has_rank:1 - external_buffer:4<=0",
    "QuantizationParameters": "min:[4] max:[4] scale:[4] zero_point:[8] - - quantized_dimension:4",
    "Operator": "opcode_index:4 inputs:[4] outputs:[4] builtin_options_type:1 "
    "builtin_options:BuiltinOptions? custom_options:[1] custom_options_format:1 "
    "mutating_variable_inputs:[1] intermediates:[4] large_custom_options_offset:8<=1",
    "Buffer": "data:view offset:8<=1 size:8",
    "Metadata": "name:string buffer:4",
    "SignatureDef": "inputs:[TensorMap] outputs:[TensorMap] signature_key:string - "
    "subgraph_index:4",
    "TensorMap": "name:string tensor_index:4",
    # The members of the union BuiltinOptions that have fields.
    "AddOptions": "fused_activation_function:1 pot_scale_int16:1",
    "ArgMaxOptions": "output_type:1",
    "ArgMinOptions": "output_type:1",
    "BatchMatMulOptions": "adj_x:1 adj_y:1 asymmetric_quantize_inputs:1",
    "BidirectionalSequenceLSTMOptions": "fused_activation_function:1 cell_clip:4 proj_clip:4 "
    "merge_outputs:1 time_major:1 asymmetric_quantize_inputs:1",
    "BidirectionalSequenceRNNOptions": "time_major:1 fused_activation_function:1 merge_outputs:1 "
    "asymmetric_quantize_inputs:1",
    "BucketizeOptions": "boundaries:[4]",
    "CallOnceOptions": "init_subgraph_index:4",
    "CallOptions": "subgraph:4",
    "CastOptions": "in_data_type:1 out_data_type:1",
    "ConcatEmbeddingsOptions": "num_channels:4 num_columns_per_channel:[4] "
    "embedding_dim_per_channel:[4]",
    "ConcatenationOptions": "axis:4 fused_activation_function:1",
    "Conv2DOptions": "padding:1 stride_w:4 stride_h:4 fused_activation_function:1 "
    "dilation_w_factor:4 dilation_h_factor:4 quantized_bias_type:1",
    "Conv3DOptions": "padding:1 stride_d:4 stride_w:4 stride_h:4 fused_activation_function:1 "
    "dilation_d_factor:4 dilation_w_factor:4 dilation_h_factor:4",
    "CumsumOptions": "exclusive:1 reverse:1",
    "DepthToSpaceOptions": "block_size:4",
    "DepthwiseConv2DOptions": "padding:1 stride_w:4 stride_h:4 depth_multiplier:4 "
    "fused_activation_function:1 dilation_w_factor:4 dilation_h_factor:4",
    "DivOptions": "fused_activation_function:1",
    "EmbeddingLookupSparseOptions": "combiner:1",
    "FakeQuantOptions": "min:4 max:4 num_bits:4 narrow_range:1",
    "FullyConnectedOptions": "fused_activation_function:1 weights_format:1 keep_num_dims:1 "
    "asymmetric_quantize_inputs:1 quantized_bias_type:1",
    "GatherOptions": "axis:4 batch_dims:4",
    "GeluOptions": "approximate:1",
    "HashtableOptions": "table_id:4 key_dtype:1 value_dtype:1",
    "IfOptions": "then_subgraph_index:4 else_subgraph_index:4",
    "L2NormOptions": "fused_activation_function:1",
    "LSHProjectionOptions": "type:1",
    "LSTMOptions": "fused_activation_function:1 cell_clip:4 proj_clip:4 kernel_type:1 "
    "asymmetric_quantize_inputs:1",
    "LeakyReluOptions": "alpha:4",
    "LocalResponseNormalizationOptions": "radius:4 bias:4 alpha:4 beta:4",
    "MirrorPadOptions": "mode:1",
    "MulOptions": "fused_activation_function:1",
    "OneHotOptions": "axis:4",
    "PackOptions": "values_count:4 axis:4",
    "Pool2DOptions": "padding:1 stride_w:4 stride_h:4 filter_width:4 filter_height:4 "
    "fused_activation_function:1",
    "RNNOptions": "fused_activation_function:1 asymmetric_quantize_inputs:1",
    "RandomOptions": "seed:8 seed2:8",
    "ReducerOptions": "keep_dims:1",
    "ReshapeOptions": "new_shape:[4]",
    "ResizeBilinearOptions": "- - align_corners:1 half_pixel_centers:1",
    "ResizeNearestNeighborOptions": "align_corners:1 half_pixel_centers:1",
    "ReverseSequenceOptions": "seq_dim:4 batch_dim:4",
    "SVDFOptions": "rank:4 fused_activation_function:1 asymmetric_quantize_inputs:1",
    "SequenceRNNOptions": "time_major:1 fused_activation_function:1 asymmetric_quantize_inputs:1",
    "ShapeOptions": "out_type:1",
    "SkipGramOptions": "ngram_size:4 max_skip_size:4 include_all_ngrams:1",
    "SoftmaxOptions": "beta:4",
    "SpaceToDepthOptions": "block_size:4",
    "SparseToDenseOptions": "validate_indices:1",
    "SplitOptions": "num_splits:4",
    "SplitVOptions": "num_splits:4",
    "SqueezeOptions": "squeeze_dims:[4]",
    "StridedSliceOptions": "begin_mask:4 end_mask:4 ellipsis_mask:4 new_axis_mask:4 "
    "shrink_axis_mask:4 offset:1",
    "SubOptions": "fused_activation_function:1 pot_scale_int16:1",
    "TransposeConvOptions": "padding:1 stride_w:4 stride_h:4 fused_activation_function:1 "
    "quantized_bias_type:1",
    "UnidirectionalSequenceLSTMOptions": "fused_activation_function:1 cell_clip:4 proj_clip:4 "
    "time_major:1 asymmetric_quantize_inputs:1 diagonal_recurrent_tensors:1",
    "UniqueOptions": "idx_out_type:1",
    "UnpackOptions": "num:4 axis:4",
    "VarHandleOptions": "container:string shared_name:string",
    "WhileOptions": "cond_subgraph_index:4 body_subgraph_index:4",
    # TFLM's look-up-table compression (micro/compression/metadata.fbs), a FlatBuffer of its own.
    "LutMetadata": "schema_version:4 subgraphs:[LutSubgraph]",
    "LutSubgraph": "lut_tensors:[LutTensor]",
    "LutTensor": "tensor:4 value_buffer:4 index_bitwidth:1",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table.

    Attributes:
        name: as in the schema.
        slot: byte offset of its entry in the vtable, 4 + 2 * id.
        kind: how it is stored.
        width: bytes of the scalar, of one vector element, or 4 for an offset to something else.
        target: name of the table, or of the union, that it leads to; else empty.
        limit: greatest value of a scalar that this package can honour, None if any.
        required: TFLM follows it without looking whether it is there.
    """

    name: str
    slot: int
    kind: Kind
    width: int = 4
    target: str = ""
    limit: int | None = None
    required: bool = False

    @property
    def inline_width(self) -> int:
        """Bytes that the field takes inside the table itself."""
        return self.width if self.kind == "scalar" else 4


def _field(slot: int, text: str) -> Field:
    if text.endswith("!"):
        return replace(_field(slot, text[:-1]), required=True)
    name, kind = text.split(":")
    scalar, _, limit = kind.partition("<=")
    element = kind.strip("[]")
    if scalar.isdigit():
        return Field(name, slot, "scalar", int(scalar), limit=int(limit) if limit else None)
    if element.isdigit():
        return Field(name, slot, "vector", int(element))
    if kind == "string":
        return Field(name, slot, "string")
    if kind == "view":
        return Field(name, slot, "view", 1)
    if kind.endswith("?"):
        return Field(name, slot, "union", target=kind[:-1])
    if element != kind:
        return Field(name, slot, "tables", target=element)
    return Field(name, slot, "table", target="" if kind == "table" else kind)


def fields_of(line: str) -> tuple[Field, ...]:
    """The fields of a table from its line in the notation above."""
    ids = enumerate(line.split())
    return tuple(_field(4 + 2 * number, text) for number, text in ids if text != "-")


UNIONS = {
    "BuiltinOptions": {
        number: name
        for name, number in vars(BuiltinOptions).items()
        if not name.startswith("_") and number
    }
}
"""Union name -> its type numbers -> table name. Numbers of a newer schema are missing."""

TABLES: dict[str, tuple[Field, ...]] = {
    **dict.fromkeys(UNIONS["BuiltinOptions"].values(), ()),
    **{name: fields_of(line) for name, line in _TABLES.items()},
}
"""Table name -> its fields. The options tables without any field are there too."""
