"""The child process of runtimes/tflm.py: answers pickled requests with the wheel's results."""

from __future__ import annotations

import ctypes
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from microinterp.runtimes.child import serve
from microinterp.runtimes.tflm import ArenaFacts, Run, Sample

_MIN_ARENA = 16 << 20
# Large enough that malloc gives the arena a mapping of its own, and of no other buffer's size.
_FINDABLE_ARENA = (96 << 20) + 4096 * 77
_MALLOC_HEADER = 16


def _interpreter(model: bytes, preserve: bool, arena_size: int | None) -> Any:
    from tflite_micro.python.tflite_micro import runtime

    config = runtime.InterpreterConfig
    return runtime.Interpreter.from_bytes(
        model,
        arena_size=arena_size or max(_MIN_ARENA, 20 * len(model)),
        intrepreter_config=config.kPreserveAllTensors if preserve else config.kAllocationRecording,
    )


def _run(
    model: bytes,
    samples: Sequence[Sample],
    tensors: Sequence[tuple[int, int]],
    arena_size: int | None,
) -> Run:
    interpreter = _interpreter(model, bool(tensors), arena_size)
    return _all(interpreter, _output_count(model), samples, tensors)


def _all(
    interpreter: Any, outputs: int, samples: Sequence[Sample], tensors: Sequence[tuple[int, int]]
) -> Run:
    result = Run([], [])
    for sample in samples:
        if sample is None:
            interpreter.reset()
            continue
        _invoke(interpreter, sample)
        result.outputs.append([interpreter.get_output(i) for i in range(outputs)])
        result.tensors.append({(s, t): _tensor(interpreter, t, s) for s, t in tensors})
    return result


def _tensor(interpreter: Any, tensor: int, subgraph: int) -> Any:
    """GetTensor's array.

    The wheel keeps a reference of its own to the dict that it returns, and to the arrays in it, and
    never gives it up: over thousands of samples that is all the memory there is. It is given up
    here, where the count shows that it is there.
    """
    told = interpreter.GetTensor(tensor, subgraph)
    for name in ("shape", "tensor_data"):
        array = told[name]
        if sys.getrefcount(array) == 4:  # the dict's, `array`, the argument, and the one too many
            _give_up(array)
    if sys.getrefcount(told) == 3:
        _give_up(told)
    return array


_give_up = ctypes.pythonapi.Py_DecRef
_give_up.argtypes, _give_up.restype = [ctypes.py_object], None


def _invoke(interpreter: Any, sample: Sample) -> None:
    for i, array in enumerate(sample or ()):
        interpreter.set_input(array, i)
    interpreter.invoke()


def _output_count(model: bytes) -> int:
    import tflite

    return int(tflite.Model.GetRootAs(model, 0).Subgraphs(0).OutputsLength())


def _arena(model: bytes, samples: Sequence[Sample]) -> ArenaFacts:
    interpreter = _interpreter(model, False, _FINDABLE_ARENA)
    start = _arena_address()
    for sample in samples:
        _invoke(interpreter, sample)
    printed = _captured_stderr(interpreter.print_allocations)
    found = {
        part: int(bytes_)
        for part, bytes_ in re.findall(r"Arena allocation (head|tail) (\d+) bytes", printed)
    }
    head = ctypes.string_at(start, found["head"]) if start else None
    return ArenaFacts(found["head"], found["tail"], head)


def _arena_address() -> int | None:
    """Where the arena starts: behind the header of the one malloc chunk that has its size.

    A chunk this large is a mapping of its own, of whole pages; glibc marks it with bit 1 of the
    size in its header (malloc.c, IS_MMAPPED).
    """
    page = os.sysconf("SC_PAGESIZE")
    chunk = -(-(_FINDABLE_ARENA + _MALLOC_HEADER) // page) * page
    found = []
    for low, high in _writable_mappings():
        for start in range(low, high - chunk + 1, page):
            if ctypes.c_size_t.from_address(start + 8).value == chunk | 2:
                found.append(start + _MALLOC_HEADER)
    return found[0] if len(found) == 1 else None


def _writable_mappings() -> list[tuple[int, int]]:
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps]
    ranges = [fields[0].split("-") for fields in lines if fields[1].startswith("rw")]
    return [(int(low, 16), int(high, 16)) for low, high in ranges]


def _captured_stderr(call: Any) -> str:
    """The C++ library prints to file descriptor 2: put a file there for the time of the call."""
    with tempfile.TemporaryFile() as file:
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            call()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        file.seek(0)
        return file.read().decode(errors="replace")


def _seconds(model: bytes, sample: Sample, repeats: int) -> list[float]:
    interpreter = _interpreter(model, False, None)
    _invoke(interpreter, sample)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        _invoke(interpreter, sample)
        times.append(time.perf_counter() - start)
    return times


class _Session:
    """An interpreter that lives from request to request."""

    def __init__(self) -> None:
        self._interpreter: Any = None
        self._outputs = 0

    def start(self, model: bytes, preserve: bool) -> None:
        self._interpreter = _interpreter(model, preserve, None)
        self._outputs = _output_count(model)

    def go_on(self, samples: Sequence[Sample], tensors: Sequence[tuple[int, int]]) -> Run:
        return _all(self._interpreter, self._outputs, samples, tensors)


def main() -> None:
    """Serve on the pipes."""
    session = _Session()
    commands: dict[str, Callable[..., Any]] = {
        "run": _run,
        "start": session.start,
        "go_on": session.go_on,
        "arena": _arena,
        "seconds": _seconds,
    }
    serve(commands.__getitem__)


if __name__ == "__main__":
    main()
