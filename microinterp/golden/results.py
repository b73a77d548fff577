"""What recording and checking tell."""

from __future__ import annotations

from dataclasses import dataclass, field

Number = float | int | bool
Value = tuple[tuple[int, ...], Number, Number]
"""An element that differs: its index in the tensor, the bundle's value, the one computed now."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What `record` has written.

    Attributes:
        path: of the bundle.
        model_sha256: of the .tflite file.
        profile, runtime, version: what computed it.
        samples: recorded now; `total_samples` also counts those that the bundle had before.
        output_bytes: recorded now.
        tensors: "none", "crc" or "bytes": what is kept of the tensors that ops write.
        checks: of how many tensors it is kept, for each sample.
        seed: of random inputs, None for given ones.
    """

    path: str
    model_sha256: str
    profile: str
    runtime: str
    version: str
    samples: int
    total_samples: int
    output_bytes: int
    tensors: str
    checks: int
    seed: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A tensor of a sample that is not as recorded.

    Attributes:
        sample: its number, from 0.
        subgraph, op_index, op_name: the op that wrote it; None where only an output was compared.
        tensor, tensor_name: the tensor's number in its subgraph, and its name.
        output: number of the model's output, if it was compared as an output; None otherwise.
        element, wanted, got: the first differing element's index within the tensor, the bundle's
            value, and the one computed now; None where only a CRC32 is recorded.
        more: up to MORE further ones.
        differing, elements: how many elements of the tensor differ, of how many; `differing` is
            None where only a CRC32 is recorded.
        wanted_crc, got_crc: the tensor's CRC32s; None for an output.
    """

    sample: int
    subgraph: int | None
    op_index: int | None
    op_name: str | None
    tensor: int
    tensor_name: str
    output: int | None = None
    element: tuple[int, ...] | None = None
    wanted: Number | None = None
    got: Number | None = None
    more: tuple[Value, ...] = ()
    differing: int | None = None
    elements: int = 0
    wanted_crc: int | None = None
    got_crc: int | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Outcome of `check`.

    Attributes:
        equal: no byte of any output, and of any tensor that was compared, differs; False if
            another model was not run.
        model_matches: False if the bundle was recorded from another file, which is run only with
            any_model.
        runtime, version: what computed now.
        profile: in which the host computed.
        samples: in the bundle.
        compared_bytes: of outputs.
        compared_crcs, compared_tensor_bytes: of tensors that ops write.
        differing_samples: samples in which anything differs.
        differing_elements: of outputs.
        differing_tensors: CRC32s or contents of tensors that differ, over all samples.
        recorded_crcs: what the bundle has; more than compared_crcs where this runtime does not
            tell a tensor, or the model is another one.
        changed_op: with any_model: the first op that is not what the bundle says, in words; None
            where all are there.
        first: in the first differing sample the first op, in the order of execution, whose tensor
            differs; the first differing output where no op is known. None if nothing differs.
        first_output: the first differing output of the same sample; None if its outputs are equal.
    """

    equal: bool
    model_matches: bool
    runtime: str
    version: str
    samples: int
    profile: str = "tflm"
    compared_bytes: int = 0
    compared_crcs: int = 0
    compared_tensor_bytes: int = 0
    differing_samples: int = 0
    differing_elements: int = 0
    differing_tensors: int = 0
    recorded_crcs: int = 0
    changed_op: str | None = None
    first: Difference | None = None
    first_output: Difference | None = field(default=None)
