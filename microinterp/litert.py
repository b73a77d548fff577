"""Drop-in for LiteRT's Interpreter (`ai_edge_litert.interpreter`, `tf.lite`): TFLM's numbers.

A script written for LiteRT runs by changing its import, and then computes what a microcontroller
computes. Every tensor has memory of its own here, so that inputs and intermediate tensors outlive
an invoke as in LiteRT; `microinterp.Interpreter` is the one whose arena is the chip's.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from microinterp.checked_inputs import checked_array
from microinterp.errors import InputError, UnsupportedError, printable
from microinterp.graph import Subgraph, Tensor
from microinterp.interpreter import Interpreter as _ChipInterpreter
from microinterp.model import Signature, contents_of
from microinterp.registry import Registry

_MAIN = 0


class OpResolverType(enum.Enum):
    """LiteRT's choices of kernels; every one means TFLM's kernels here."""

    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3


class Interpreter:
    """Runs a model with LiteRT's methods and TFLM's arithmetic.

    Raises:
        InputError (a ValueError): a wrong index, shape or element type, or a call before
            allocate_tensors.
        ModelError, UnsupportedError, PrepareError: a microcontroller could not run the model.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        model_content: bytes | None = None,
        experimental_delegates: Sequence[Any] | None = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: Any = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        *,
        profile: str = "tflm",
        registry: Registry | None = None,
        **experimental: Any,
    ) -> None:
        """Load and check a model.

        Args:
            model_path, model_content: a .tflite file or its contents; exactly one of the two.
            experimental_delegates: must be empty: a microcontroller has none.
            num_threads, experimental_op_resolver_type: accepted as LiteRT's; they change nothing.
            experimental_preserve_all_tensors, experimental: the same.
            profile: numeric profile, see microinterp.Interpreter.
            registry: operators, see microinterp.Interpreter.
        """
        if (model_path is None) == (model_content is None):
            raise InputError("give either model_path or model_content")
        if experimental_delegates:
            _no_delegates()
        if num_threads is not None and (not isinstance(num_threads, int) or num_threads < -1):
            raise InputError(f"num_threads {num_threads!r}, wanted an int, -1 or more")
        for name in experimental:
            if not name.startswith("experimental_"):
                raise TypeError(f"Interpreter has no argument '{name}'")
        data = contents_of(model_path) if model_path is not None else bytes(model_content or b"")
        self._chip = _ChipInterpreter.from_bytes(
            data, profile=profile, registry=registry, preserve_all_tensors=True
        )
        self._graph = self._chip.graph
        self._is_allocated = False

    def allocate_tensors(self) -> None:
        """Make tensors usable; state starts anew at the first call."""
        self._is_allocated = True

    def invoke(self) -> None:
        """Run the main subgraph once; a CIRCULAR_BUFFER that is not full yet leaves outputs old."""
        self._require_allocated()
        self._chip.invoke()

    def set_tensor(self, tensor_index: int, value: npt.ArrayLike) -> None:
        """Copy `value` into a tensor: exactly its shape and element type.

        Raises:
            InputError: the tensor is constant, or index, shape or element type is wrong.
        """
        self._require_allocated()
        tensor = self._tensor(tensor_index)
        if tensor.is_constant:
            raise InputError(f"{_named(tensor)} is constant")
        self._chip.view(tensor.index)[...] = checked_array(value, tensor, _named(tensor))

    def get_tensor(self, tensor_index: int, subgraph_index: int = _MAIN) -> npt.NDArray[Any]:
        """A copy of a tensor: inputs, outputs, constants, and what lies between them."""
        self._require_allocated()
        return np.array(self._chip.view(int(tensor_index), int(subgraph_index)))

    def tensor(self, tensor_index: int) -> Callable[[], npt.NDArray[Any]]:
        """A function that gives the tensor's own memory, for reading and writing without copies."""
        index = self._tensor(tensor_index).index

        def view() -> npt.NDArray[Any]:
            self._require_allocated()
            return self._chip.view(index)

        return view

    def get_input_details(self) -> list[dict[str, Any]]:
        """Details of the inputs in the model's order; keys as in LiteRT."""
        return [_details(tensor) for tensor in self._graph.main.inputs]

    def get_output_details(self) -> list[dict[str, Any]]:
        """Details of the outputs in the model's order; keys as in LiteRT."""
        return [_details(tensor) for tensor in self._graph.main.outputs]

    def get_tensor_details(self, subgraph_index: int = _MAIN) -> list[dict[str, Any]]:
        """Details of every tensor of a subgraph."""
        return [_details(tensor) for tensor in self._subgraph(subgraph_index).tensors]

    def num_subgraphs(self) -> int:
        """How many subgraphs the model has."""
        return len(self._graph.subgraphs)

    def resize_tensor_input(
        self, input_index: int, tensor_size: Sequence[int], strict: bool = False
    ) -> None:
        """Accept an input's own shape; refuse every other one.

        Raises:
            UnsupportedError: the shape is another one, which a microcontroller cannot take.
        """
        tensor = self._tensor(input_index)
        if tuple(int(size) for size in tensor_size) != tensor.shape:
            raise UnsupportedError(
                f"{_named(tensor)} has shape {list(tensor.shape)}"
                f" and cannot be resized to {[int(size) for size in tensor_size]}",
                hint="TFLM plans its arena for fixed shapes: convert the model with the shape that"
                " you need; for many samples at once use microinterp.Interpreter.run_batch",
            )

    def reset_all_variables(self) -> None:
        """Put all state back to its start."""
        self._chip.reset()

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """Names of inputs and outputs of each signature, by its key."""
        return {
            signature.key: {
                "inputs": [name for name, _ in signature.inputs],
                "outputs": [name for name, _ in signature.outputs],
            }
            for signature in self._graph.model.signatures
        }

    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner:
        """What runs a signature with named arrays; without a key, the only one.

        Raises:
            InputError: no such signature, or no key and not exactly one signature.
            UnsupportedError: it is of a subgraph that TFLM does not start with.
        """
        signatures = {each.key: each for each in self._graph.model.signatures}
        if signature_key is None and len(signatures) == 1:
            (signature_key,) = signatures
        if signature_key not in signatures:
            wanted = ", ".join(f"'{printable(key)}'" for key in signatures) or "none"
            given = "no key" if signature_key is None else f"'{printable(str(signature_key))}'"
            raise InputError(f"no signature for {given}", hint=f"the model has: {wanted}")
        return SignatureRunner(self, signatures[signature_key])

    def _get_ops_details(self) -> list[dict[str, Any]]:
        """Ops of the main subgraph as LiteRT's tools read them: index, op_name, tensor numbers."""
        return [
            {
                "index": node.index,
                "op_name": node.name,
                "inputs": np.array([-1 if t is None else t.index for t in node.inputs], np.int32),
                "outputs": np.array([t.index for t in node.outputs], np.int32),
                "operand_types": [t.dtype.type for t in node.inputs if t is not None],
                "result_types": [t.dtype.type for t in node.outputs],
            }
            for node in self._graph.main.nodes
        ]

    def _require_allocated(self) -> None:
        if not self._is_allocated:
            raise InputError("tensors are not allocated", hint="call allocate_tensors() first")

    def _subgraph(self, index: int) -> Subgraph:
        if not 0 <= int(index) < len(self._graph.subgraphs):
            raise InputError(f"no subgraph {index}: the model has {len(self._graph.subgraphs)}")
        return self._graph.subgraphs[int(index)]

    def _tensor(self, index: int) -> Tensor:
        tensors = self._graph.main.tensors
        if not 0 <= int(index) < len(tensors):
            raise InputError(f"no tensor {index}: the model has {len(tensors)}")
        return tensors[int(index)]


class SignatureRunner:
    """Runs one signature: called with an array per input name, it gives one per output name."""

    def __init__(self, interpreter: Interpreter, signature: Signature) -> None:
        """Made by Interpreter.get_signature_runner."""
        if signature.subgraph != _MAIN:
            raise UnsupportedError(
                f"signature '{printable(signature.key)}' runs subgraph {signature.subgraph}",
                hint="TFLM starts with the main subgraph only: convert this function alone",
            )
        self._interpreter = interpreter
        self._inputs = dict(signature.inputs)
        self._outputs = dict(signature.outputs)

    def __call__(self, **inputs: npt.ArrayLike) -> dict[str, npt.NDArray[Any]]:
        """Set the named inputs, invoke, and copy the outputs.

        Raises:
            InputError: names, shapes or element types are not the signature's.
        """
        if inputs.keys() != self._inputs.keys():
            raise InputError(
                f"got the inputs {sorted(inputs)}, wanted {sorted(self._inputs)}",
                hint="name every input of the signature, and no other",
            )
        self._interpreter.allocate_tensors()
        for name, value in inputs.items():
            self._interpreter.set_tensor(self._inputs[name], value)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(i) for name, i in self._outputs.items()}

    def get_input_details(self) -> dict[str, dict[str, Any]]:
        """Details of each input by its name in the signature."""
        return {n: _details(self._interpreter._tensor(i)) for n, i in self._inputs.items()}

    def get_output_details(self) -> dict[str, dict[str, Any]]:
        """Details of each output by its name in the signature."""
        return {n: _details(self._interpreter._tensor(i)) for n, i in self._outputs.items()}


def load_delegate(library: str, options: Any = None) -> NoReturn:
    """Refuse: a microcontroller has no delegates. Raises UnsupportedError."""
    _no_delegates()


def _no_delegates() -> NoReturn:
    raise UnsupportedError(
        "delegates are not supported",
        hint="they compute other numbers than a microcontroller: run the model without them",
    )


def _named(tensor: Tensor) -> str:
    return f"tensor {tensor.index} '{printable(tensor.name)}'"


def _details(tensor: Tensor) -> dict[str, Any]:
    quantization = tensor.quantization
    scales = np.array(quantization.scale if quantization else [], np.float32)
    zero_points = np.array(quantization.zero_point if quantization else [], np.int32)
    per_tensor = (float(scales[0]), int(zero_points[0])) if len(scales) == 1 else (0.0, 0)
    return {
        "name": tensor.name,
        "index": tensor.index,
        "shape": np.array(tensor.shape, np.int32),
        "shape_signature": np.array(tensor.shape, np.int32),
        "dtype": tensor.dtype.type,
        "quantization": per_tensor,
        "quantization_parameters": {
            "scales": scales,
            "zero_points": zero_points,
            "quantized_dimension": quantization.axis if quantization else 0,
            "block_size": 0,
        },
        "sparsity_parameters": {},
    }
