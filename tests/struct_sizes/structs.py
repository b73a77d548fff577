"""Which C++ types of TFLM take room in its arena, and in which source file each one is seen.

Names on the left are those of the tables in microinterp/arena/sizes; types on the right are as C++
writes them behind `#include` of the file (its anonymous namespaces are then open).
"""

from __future__ import annotations

from collections.abc import Mapping

_MICRO = "tensorflow/lite/micro/"
_KERNELS = _MICRO + "kernels/"
_CMSIS_NN = _KERNELS + "cmsis_nn/"
_SIGNAL = "signal/micro/kernels/"
_FFT = "signal/src/kiss_fft_wrappers/"

PARAMS = (
    *("Add", "ArgMax", "ArgMin", "BatchMatMul", "CallOnce", "Cast", "Concatenation", "Conv"),
    *("Cumsum", "DepthToSpace", "DepthwiseConv", "Div", "FullyConnected", "Gather", "If", "L2Norm"),
    *("LeakyRelu", "MirrorPadding", "Mul", "Pack", "Pool", "Reducer", "Reshape", "ResizeBilinear"),
    *("ResizeNearestNeighbor", "SVDF", "Shape", "Softmax", "SpaceToDepth", "Split", "SplitV"),
    *("Squeeze", "StridedSlice", "Sub", "TransposeConv", "UnidirectionalSequenceLSTM", "Unpack"),
    *("VarHandle", "While"),
)
"""TfLite...Params: what TFLM's parsers keep of an op's options."""

CORE: Mapping[str, Mapping[str, str]] = {
    _MICRO + "micro_allocator.cc": {
        **{
            name: f"tflite::{name}"
            for name in (
                "SingleArenaBufferAllocator",
                "MicroAllocator",
                "GreedyMemoryPlanner",
                "GreedyMemoryPlanner::BufferRequirements",
                "GreedyMemoryPlanner::ListEntry",
                "LinearMemoryPlanner",
                "MicroBuiltinDataAllocator",
                "SubgraphAllocations",
            )
        },
        "TfLiteEvalTensor": "TfLiteEvalTensor",
        "TfLiteTensor": "TfLiteTensor",
        "TfLiteAffineQuantization": "TfLiteAffineQuantization",
        "TfLiteIntArray": "TfLiteIntArray",
        "NodeAndRegistration": "tflite::NodeAndRegistration",
        "ScratchBufferHandle": "tflite::ScratchBufferHandle",
        "ScratchBufferRequest": "tflite::internal::ScratchBufferRequest",
        "AllocationInfo": "tflite::AllocationInfo",
        "requests per op": "char[tflite::kMaxScratchBuffersPerOp]",
        "pointer": "void*",
        "size_t": "size_t",
        "int": "int",
    },
    "tensorflow/lite/c/builtin_op_data.h": {
        f"TfLite{name}Params": f"TfLite{name}Params" for name in PARAMS
    },
    _MICRO + "micro_resource_variable.cc": {
        "MicroResourceVariables": "tflite::MicroResourceVariables",
        "MicroResourceVariable": "tflite::MicroResourceVariables::MicroResourceVariable",
    },
}
RECORDING: Mapping[str, Mapping[str, str]] = {
    _MICRO + "recording_micro_allocator.cc": {
        "RecordingSingleArenaBufferAllocator": "tflite::RecordingSingleArenaBufferAllocator",
        "RecordingMicroAllocator": "tflite::RecordingMicroAllocator",
    },
}
COMPRESSION: Mapping[str, Mapping[str, str]] = {
    _MICRO + "compression.h": {
        "CompressionTensorData": "tflite::CompressionTensorData",
        "LookupTableData": "tflite::LookupTableData",
    },
    _KERNELS + "assign_variable.cc": {"assign_variable::OpData": "tflite::OpData"},
}


def _kernel(name: str, *types: str) -> dict[str, dict[str, str]]:
    """Types of one kernel file; "OpData", of which there are many, gets the file's name."""
    return {_KERNELS + f"{name}.cc": {_key(name, t): f"tflite::{t}" for t in types}}


def _key(name: str, kind: str) -> str:
    return f"{name}::OpData" if kind == "OpData" else kind


REFERENCE: Mapping[str, Mapping[str, str]] = {
    **_kernel("activations", "ReluOpData", "Relu6OpData"),
    **_kernel("add", "OpDataAdd"),
    **_kernel("add_n", "OpData"),
    **_kernel("batch_matmul", "OpDataBatchMatmul"),
    **_kernel("call_once", "OpData"),
    **_kernel("circular_buffer", "OpDataCircularBuffer"),
    **_kernel("comparisons", "OpData"),
    **_kernel("concatenation", "OpData"),
    **_kernel("conv", "OpDataConv"),
    **_kernel("cumsum", "OpData"),
    **_kernel("decode_state", "DecodeStateLut", "DecodeStatePrune", "DecodeStateHuffman"),
    **_kernel("dequantize", "DequantizeOpData"),
    **_kernel("detection_postprocess", "OpData"),
    **_kernel("div", "OpDataDiv"),
    **_kernel("elementwise", "OpDataAbsRsqrt"),
    **_kernel("elu", "OpData"),
    **_kernel("embedding_lookup", "OpData"),
    **_kernel("fully_connected", "OpDataFullyConnected"),
    **_kernel("hard_swish", "HardSwishParams"),
    **_kernel("if", "OpData"),
    **_kernel("l2norm", "L2NormalizationParams"),
    **_kernel("leaky_relu", "LeakyReluOpData"),
    **_kernel("log_softmax", "LogSoftmaxOpData"),
    **_kernel("logistic", "OpDataLogistic"),
    **_kernel("mirror_pad", "OpDataMirrorPad"),
    **_kernel("mul", "OpDataMul"),
    **_kernel("pad", "OpData"),
    **_kernel("pooling", "OpDataPooling"),
    **_kernel("prelu", "PreluParams"),
    **_kernel("quantize", "OpDataQuantizeReference"),
    **_kernel("reduce", "OpDataReduce"),
    **_kernel("select", "OpData"),
    **_kernel("softmax", "SoftmaxParams"),
    **_kernel("space_to_batch_nd", "SpaceToBatchParams"),
    **_kernel("squared_difference", "OpData"),
    **_kernel("strided_slice", "StridedSliceParams"),
    **_kernel("sub", "OpDataSub"),
    **_kernel("svdf", "OpDataSvdf"),
    **_kernel("tanh", "OpData"),
    **_kernel("transpose_conv", "OpData"),
    **_kernel("unidirectional_sequence_lstm", "OpDataLSTM"),
    **_kernel("var_handle", "OpData"),
    **_kernel("while", "OpData"),
    _KERNELS + "softmax_common.cc": {
        "softmax::int16_table": "int16_t[tflite::kInt16LUTArraySize]",
    },
    _KERNELS + "batch_matmul.h": {
        "BatchMatmulQuantization": (
            "std::remove_pointer<decltype(tflite::OpDataBatchMatmul::quantization)>::type"
        ),
    },
}
_SIGNAL_TYPES = (
    ("delay", "TFLMSignalFrontendDelayParams", ""),
    ("energy", "TFLMSignalEnergyParams", ""),
    ("filter_bank", "TFLMSignalFilterBankParams", ""),
    ("filter_bank_log", "TFLMSignalLogParams", ""),
    ("filter_bank_spectral_subtraction", "TFLMSignalSpectralSubtractionParams", ""),
    ("framer", "TFLMSignalFramerParams", ""),
    ("irfft", "TfLiteAudioFrontendIrfftParams", ""),
    ("overlap_add", "TFLMSignalOverlapAddParams", "<int16_t>"),
    ("pcan", "tflm_signal::TfLitePcanParams", ""),
    ("rfft", "TfLiteAudioFrontendRfftParams", "<int16_t>"),
    ("stacker", "TFLMSignalStackerParams", ""),
    ("window", "TFLMSignalWindowParams", ""),
)
SIGNAL: Mapping[str, Mapping[str, str]] = {
    **{
        _SIGNAL + f"{file}.cc": {name.rpartition(":")[2]: f"tflite::{name}{of}"}
        for file, name, of in _SIGNAL_TYPES
    },
    "signal/src/irfft_float.cc": {"IrfftFloatState": "tflite::tflm_signal::IrfftFloatState"},
    "signal/src/circular_buffer.h": {"CircularBuffer": "tflite::tflm_signal::CircularBuffer"},
    **{
        _FFT + f"kiss_fft_{name}.cc": {
            f"kiss_fft_state<{kind}>": f"kiss_fft_{space}::kiss_fft_state",
            f"kiss_fftr_state<{kind}>": f"kiss_fft_{space}::kiss_fftr_state",
            f"kiss_fft_cpx<{kind}>": f"kiss_fft_{space}::kiss_fft_cpx",
        }
        for name, space, kind in (
            ("int16", "fixed16", "int16"),
            ("int32", "fixed32", "int32"),
            ("float", "float", "float32"),
        )
    },
}
_THRESHOLDS = (
    "CH_IN_BLOCK_MVE",
    "CONVERT_DW_CONV_WITH_ONE_INPUT_CH_AND_OUTPUT_CH_ABOVE_THRESHOLD",
    "REVERSE_TCOL_EFFICIENT_THRESHOLD",
)
CMSIS_NN: Mapping[str, Mapping[str, str]] = {
    "Include/arm_nnsupportfunctions.h": {name: f"char[{name}]" for name in _THRESHOLDS}
} | {
    _CMSIS_NN + f"{name}.cc": {f"cmsis_nn::{name}": f"tflite::{kind}"}
    for name, kind in (
        ("add", "OpData"),
        ("batch_matmul", "OpData"),
        ("conv", "OpData"),
        ("depthwise_conv", "OpData"),
        ("fully_connected", "OpData"),
        ("pooling", "OpData"),
        ("softmax", "CMSISNNSoftmaxParams"),
        ("svdf", "CmsisNnOpDataSvdf"),
        ("transpose_conv", "OpData"),
        ("unidirectional_sequence_lstm", "OpData"),
    )
}
