"""Options of custom ops: FlexBuffer maps, read without trusting a byte of them.

TFLM reads most options by their place in the map, whose keys are sorted; `Options` has the keys
named, so that a map of another op is told from this one's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from flatbuffers import flexbuffers

from microinterp.errors import PrepareError, UnsupportedError
from microinterp.graph import Node

_BROKEN = (
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


class Options:
    """The options of one custom op.

    Every method raises PrepareError where the bytes are no such map, or an option is missing or
    of another kind. A `default` is taken where the key is absent or its value null.
    """

    def __init__(self, node: Node, names: tuple[str, ...] = ()) -> None:
        """Read the map of `node`. `names`: all its keys, sorted, where TFLM goes by their place."""
        self._node = node
        try:
            self._map = flexbuffers.GetRoot(bytes(node.custom_options)).AsMap
            self._width = len(self._map.SizeBytes)
            keys = tuple(self._map.Keys[i].AsKey for i in range(len(names)))
        except _BROKEN:
            wanted = f" of {', '.join(names)}" if names else ""
            raise self._error(f"are no map{wanted}") from None
        if keys != names:
            raise self._error(f"are {', '.join(map(repr, keys))}; wanted {', '.join(names)}")

    def integer(self, name: str, default: int | None = None) -> int:
        """An int32; wider numbers are cut to their low 32 bits, as TFLM cuts them."""
        value = int(self._value(name, default, _as_integer))
        bits = min(32, 8 * self._width)  # TFLM reads unsigned numbers as signed ones of their width
        return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)

    def boolean(self, name: str, default: bool | None = None) -> bool:
        """A bool; numbers other than 0 are true."""
        return bool(self._value(name, default, _as_integer))

    def real(self, name: str) -> float:
        """A number, as a Python float."""
        return float(self._value(name, None, _as_real))

    def element_type(self, name: str, types: Mapping[int, str]) -> str:
        """One of `types`, by its number in the schema. Raises UnsupportedError for any other."""
        code = self.integer(name)
        if code not in types:
            raise UnsupportedError(
                f"element type number {code} is not supported",
                self._node.where(),
                f"this op takes {', '.join(types.values())}",
            )
        return types[code]

    def _value(self, name: str, default: Any, convert: Callable[[Any], Any]) -> Any:
        try:
            ref = self._map[name]
            if ref.IsNull and default is not None:
                return default
            return convert(ref)
        except KeyError:
            if default is not None:
                return default
            raise self._error(f"lack {name}") from None
        except _BROKEN:
            raise self._error(f"have no number as {name}") from None

    def _error(self, message: str) -> PrepareError:
        hint = "convert the model again; the file is damaged"
        return self._node.error(f"the custom options {message}", hint=hint)


def _as_integer(ref: Any) -> int:
    if not (ref.IsInt or ref.IsBool):
        raise TypeError
    return int(ref.AsInt)


def _as_real(ref: Any) -> float:
    if not ref.IsNumeric:
        raise TypeError
    return float(ref.AsFloat)
