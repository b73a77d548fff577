"""Op options by keyword: from `CONV_2D, stride_w=2` to the schema's options table.

Nothing is listed by hand that the `tflite` package knows: the fields of an options table, their
types and their enums are asked of its generated Add functions. Only names that do not follow the
schema's own naming rule are in tables here.
"""

from __future__ import annotations

import importlib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import tflite
from flatbuffers import number_types

from microinterp.errors import InputError

# Op names that do not turn into the name of their options table by dropping underscores.
_IRREGULAR = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CONV_3D_TRANSPOSE": "Conv3DOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MULTINOMIAL": "RandomOptions",
    "RANDOM_STANDARD_NORMAL": "RandomOptions",
    "RANDOM_UNIFORM": "RandomOptions",
    "REDUCE_ALL": "ReducerOptions",
    "REDUCE_ANY": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
    "SUM": "ReducerOptions",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNNOptions",
}
# Numbers of the schema that are no operator of their own, and operators whose options are in the
# schema's second union (BuiltinOptions2), which TFLM does not read.
_NOT_WRITABLE = re.compile("CUSTOM|DELEGATE|PLACEHOLDER_.*|STABLEHLO_.*|DILATE|REDUCE_WINDOW")

_ENUMS: dict[str, type] = {
    "combiner": tflite.CombinerType,
    "fused_activation_function": tflite.ActivationFunctionType,
    "idx_out_type": tflite.TensorType,
    "in_data_type": tflite.TensorType,
    "kernel_type": tflite.LSTMKernelType,
    "key_dtype": tflite.TensorType,
    "mode": tflite.MirrorPadMode,
    "out_data_type": tflite.TensorType,
    "out_type": tflite.TensorType,
    "output_type": tflite.TensorType,
    "padding": tflite.Padding,
    "quantized_bias_type": tflite.TensorType,
    "type": tflite.LSHProjectionType,
    "value_dtype": tflite.TensorType,
    "weights_format": tflite.FullyConnectedOptionsWeightsFormat,
}
_FLOAT_VECTORS = frozenset({"boundaries"})  # every other vector in the options is of int32
_MIN_INT32, _MAX_INT32 = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an options table.

    Attributes:
        name: as in schema.fbs, for example `stride_w`.
        kind: flatbuffers scalar (`Int32`, `Float32`, `Bool`, ...), `vector` or `string`.
        add: the generated function that puts the value, or its offset, into the open table.
    """

    name: str
    kind: str
    add: Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class OptionsTable:
    """An options table of the schema: its number in the BuiltinOptions union and its fields."""

    code: int
    name: str
    fields: Mapping[str, Field]
    module: ModuleType


@dataclass(frozen=True, slots=True)
class OpOptions:
    """Checked options of one op, ready to write: `values` holds only what the caller gave."""

    table: OptionsTable
    values: Mapping[str, Any]


def enum_names(enum: type) -> dict[str, int]:
    """Return the names and numbers of a generated enum class."""
    return {name: code for name, code in vars(enum).items() if not name.startswith("_")}


OP_CODES = {
    name: code
    for name, code in enum_names(tflite.BuiltinOperator).items()
    if not _NOT_WRITABLE.fullmatch(name)
}


def op_code(name: str) -> int:
    """Return the schema's number of an operator. Raises InputError on an unknown name."""
    if name in OP_CODES:
        return OP_CODES[name]
    if name == "CUSTOM":
        raise InputError("CUSTOM is no operator name", hint="use custom_op(name, ...)")
    raise InputError(f"there is no operator {name!r} to write", hint=nearest(name, OP_CODES))


def nearest(name: str, known: Mapping[str, object], listed: int = 20) -> str:
    """Return a hint: all of `known` where they are few, else those most like `name`."""
    if len(known) <= listed:
        return f"it is one of {', '.join(known)}"
    upper = {key.upper(): key for key in known}
    close = [upper[key] for key in get_close_matches(name.upper(), upper, n=4, cutoff=0.5)]
    if close:
        return f"nearest names: {', '.join(close)}"
    return f"the names are those of schema.fbs: {', '.join(list(known)[:6])}, ..."


@cache
def options_table(op_name: str) -> OptionsTable | None:
    """Return the options table of an operator, None where the schema has none for it."""
    union = enum_names(tflite.BuiltinOptions)
    regular = {name.lower(): name for name in union}
    name = _IRREGULAR.get(op_name) or regular.get(op_name.replace("_", "").lower() + "options")
    if name is None:
        return None
    module = importlib.import_module(f"tflite.{name}")
    prefix = f"{name}Add"
    adders = [getattr(module, key) for key in vars(module) if key.startswith(prefix)]
    fields = [_field(module, adder.__name__.removeprefix(prefix), adder) for adder in adders]
    return OptionsTable(union[name], name, {field.name: field for field in fields}, module)


def _field(module: ModuleType, camel: str, add: Callable[[Any, Any], None]) -> Field:
    name = re.sub("(?<!^)(?=[A-Z])", "_", camel).lower()
    probe = _Probe()
    add(probe, 0)
    if probe.kind != "UOffsetTRelative":
        return Field(name, probe.kind, add)
    return Field(name, "vector" if hasattr(module, f"Start{camel}Vector") else "string", add)


class _Probe:
    """Stands in for flatbuffers.Builder and notes which kind of slot an Add function fills."""

    kind = ""

    def __getattr__(self, method: str) -> Callable[..., None]:
        self.kind = method.removeprefix("Prepend").removesuffix("Slot")
        return lambda *_: None


def op_options(op_name: str, keywords: Mapping[str, Any]) -> OpOptions | None:
    """Check the options of one op; None if the schema has no options table for it.

    Raises:
        InputError: an option that the operator lacks, or a value that the option cannot hold.
    """
    table = options_table(op_name)
    fields: Mapping[str, Field] = table.fields if table else {}
    values = {}
    for name, value in keywords.items():
        if name not in fields:
            takes = nearest(name, fields) if fields else f"{op_name} takes no options"
            raise InputError(f"{op_name} has no option {name!r}", hint=takes)
        values[name] = _checked(fields[name], value)
    return OpOptions(table, values) if table else None


def _checked(field: Field, value: Any) -> Any:
    try:
        return _convert(field, value)
    except InputError:  # a ValueError too, but it says more
        raise
    except (TypeError, ValueError, OverflowError):
        wanted = _ENUMS[field.name].__name__ if field.name in _ENUMS else field.kind
        raise InputError(f"option {field.name} takes a {wanted}, not {value!r}") from None


def _convert(field: Field, value: Any) -> Any:
    if field.name in _ENUMS and isinstance(value, str):
        return enum_value(_ENUMS[field.name], value)
    if field.kind == "string":
        return _string(value)
    if field.kind == "vector":
        return _vector(value, as_float=field.name in _FLOAT_VECTORS)
    if field.kind == "Bool":
        return _bool(value)
    if field.kind == "Float32":
        return float(value)
    return _integer(value, field.kind)


def enum_value(enum: type, name: str) -> int:
    """Return the number of a name in a generated enum, in either case. Raises InputError."""
    names = enum_names(enum)
    codes = {key.upper(): code for key, code in names.items()}
    if name.upper() not in codes:
        raise InputError(f"{enum.__name__} has no {name!r}", hint=nearest(name, names))
    return codes[name.upper()]


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _vector(value: Any, as_float: bool) -> np.ndarray[Any, Any]:
    if as_float:
        return np.asarray([float(v) for v in value], np.float32)
    return int_vector(value)


def int_vector(values: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Return integers as int32. Raises TypeError or OverflowError where they are not."""
    numbers = [operator.index(v) for v in values]
    if any(not _MIN_INT32 <= n <= _MAX_INT32 for n in numbers):
        raise OverflowError(values)
    return np.asarray(numbers, np.int32)


def _bool(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)) and value not in (0, 1):
        raise TypeError(value)
    return bool(value)


def _integer(value: Any, kind: str) -> int:
    flags = getattr(number_types, f"{kind}Flags")
    number = operator.index(value)
    if not flags.min_val <= number <= flags.max_val:
        raise OverflowError(value)
    return number
