"""The interpreter on a MicroPython board: runs a model that `microinterp pack` has written.

The names are those of the host package. Modules that only load a model are dropped from memory once
it has been loaded; kernels are imported as the model needs them.
"""

import gc
import sys

from microinterp._tier import TIER as TIER

VERSION = "0.1.0"
FORMAT = 1
TYPES = {0: "float32", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8"}
_TYPECODES = {0: "f", 2: "i", 3: "B", 4: "q", 6: "B", 7: "h", 9: "b"}


class ModelError(ValueError):
    """The packed model is damaged, for another version, or not for this runtime."""


class Interpreter:
    """Runs one packed model. invoke() allocates nothing."""

    def __init__(self, model, arena=None):
        """model: a packed model (bytes-like), used in place where it lies.

        arena: memory to run in, a bytearray or a memoryview of one (for Thumb kernels one that
        begins at a multiple of 4); None allocates it. Raises ModelError, also where an arena that
        was given is too small, and MemoryError where the heap has no piece that is large enough.
        """
        try:
            from microinterp._open import open_model

            open_model(self, model, arena)
            from microinterp._load import load

            load(self)
        finally:
            _drop()

    @classmethod
    def from_file(cls, path, arena=None):
        """Mapped in place where the file system can (ROMFS), else read into memory once.

        Raises OSError where the file cannot be read, and what the class raises.
        """
        try:
            from microinterp._open import read_file

            model = read_file(path)
        except BaseException:
            _drop()
            raise
        return cls(model, arena)

    @classmethod
    def from_bytes(cls, data, arena=None):
        """As the class: the host package has this name too."""
        return cls(data, arena)

    def input_view(self, index):
        """The bytes of an input in the arena."""
        return _at(self._inputs, index, "input")[0]

    def output_view(self, index):
        """The bytes of an output in the arena; the next invoke overwrites them."""
        return _at(self._outputs, index, "output")[0]

    def set_input(self, data, index=0):
        """Copy bytes, or an array of the input's type, into input `index`: all of it.

        Raises ValueError for another number of bytes than the input has.
        """
        view, _ = _at(self._inputs, index, "input")
        have = len(data) * len(bytes(data[:1]))
        if have != len(view):
            raise ValueError("input %d takes %d bytes, got %d" % (index, len(view), have))
        view[:] = data if have == len(data) else bytes(data)

    def get_output(self, index=0):
        """A copy of output `index`: an array of its type."""
        from array import array

        view, kind = _at(self._outputs, index, "output")
        return array(_TYPECODES[kind], bytes(view))

    def invoke(self):
        """Run the model once. Set every input before: the arena is reused."""
        self._run(0)

    def _run(self, subgraph):
        arena = self._arena
        weights = self._weights
        for kernel, arguments in self._programs[subgraph]:
            kernel(arena, weights, arguments)

    def _call_once(self, arena, weights, arguments):
        flag = arguments[2]
        if not arena[flag]:
            self._run(arguments[1])
            arena[flag] = 1

    def reset(self):
        """Variables back to their start. A CALL_ONCE that has run does not run again."""
        self._set_state(False)

    def _set_state(self, everything):
        for offset, size, value, resets in self._state:
            if everything or resets:
                for i in range(offset, offset + size):
                    self._arena[i] = value

    def get_input_details(self, index):
        """dict of name, index, shape, dtype and quantization_parameters."""
        from microinterp._details import details

        _at(self._inputs, index, "input")
        return details(self, 7, index)

    def get_output_details(self, index):
        """The same of output `index`."""
        from microinterp._details import details

        _at(self._outputs, index, "output")
        return details(self, 8, index)

    def invoke_ops(self, callback, clock=None):
        """invoke(), telling callback(subgraph, op, name, microseconds, written) after each op.

        written: list of (tensor index, CRC32) of the tensors that the op has written. The time of a
        CALL_ONCE has its subgraph's ops in it, which are told of first. clock: another clock than
        microseconds: functions that make a mark, read the clock into it, and tell what lies between
        two marks.
        """
        from microinterp._ops import invoke_ops

        invoke_ops(self, callback, clock)


def copy(arena, weights, arguments):
    """COPY: memory views and a slice made beforehand, so that nothing is allocated."""
    arguments[0][arguments[2]] = arguments[1]


def _at(items, index, what):
    if not 0 <= index < len(items):
        raise ValueError("no %s %d: the model has %d" % (what, index, len(items)))
    return items[index]


def _drop():
    for name in ("_open", "_load", "_check", "_check_filter", "_check_layout", "_check_more"):
        sys.modules.pop("microinterp." + name, None)
        globals().pop(name, None)
    gc.collect()
