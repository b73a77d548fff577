"""Files of recorded models: compressed lines of JSON, arrays in base85 one behind the other."""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp import Interpreter
from microinterp.graph import Tensor

Arrays = Sequence[Sequence[npt.NDArray[Any]]]
"""[invoke][input or output]."""


def read_lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The first line, which says how the file was made, and the others."""
    head, *lines = lzma.decompress(path.read_bytes()).decode().splitlines()
    return json.loads(head), [json.loads(line) for line in lines]


def write_lines(path: Path, head: dict[str, Any], lines: Iterable[dict[str, Any]]) -> None:
    """Write the file anew."""
    path.parent.mkdir(exist_ok=True)
    text = "\n".join(json.dumps(line) for line in (head, *lines))
    path.write_bytes(lzma.compress(text.encode(), preset=9))


def packed(model: bytes, inputs: Arrays, outputs: Arrays) -> dict[str, Any]:
    """The fields of a line that hold a model and its invokes."""
    return {
        "model": _text(model),
        "invokes": len(outputs),
        "inputs": _text(b"".join(array.tobytes() for arrays in inputs for array in arrays)),
        "outputs": _text(b"".join(array.tobytes() for arrays in outputs for array in arrays)),
    }


def unpacked(
    line: dict[str, Any],
) -> tuple[bytes, list[list[npt.NDArray[Any]]], list[list[npt.NDArray[Any]]]]:
    """The model, inputs and outputs of a line's fields."""
    model = base64.b85decode(line["model"])
    main = Interpreter.from_bytes(model).graph.main
    inputs, outputs = (
        _split(base64.b85decode(line[role]), tensors, line["invokes"])
        for role, tensors in (("inputs", main.inputs), ("outputs", main.outputs))
    )
    return model, inputs, outputs


def _split(data: bytes, tensors: Sequence[Tensor], invokes: int) -> list[list[npt.NDArray[Any]]]:
    start, found = 0, []
    for _ in range(invokes):
        arrays = []
        for tensor in tensors:
            flat = np.frombuffer(data, tensor.dtype, tensor.elements, start)
            arrays.append(flat.reshape(tensor.shape))
            start += flat.nbytes
        found.append(arrays)
    assert start == len(data)
    return found


def _text(data: bytes) -> str:
    return base64.b85encode(data).decode()
