"""What a board must compute before it switches to a new model."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from microinterp import golden
from microinterp.inputs import random_samples
from microinterp_boards.packing import BoardModel
from microinterp_boards.session import Session

_MOST_BYTES = 8192  # of samples; one is taken even if it is larger
_MOST_SAMPLES = 4
_SEED = 20


@dataclass(frozen=True)
class SelfTestSamples:
    """Random samples, and the outputs that the host computes from them.

    Attributes:
        bundle: a golden bundle of them, without CRC32s of tensors.
        inputs, outputs: by sample, the bytes of each.
    """

    bundle: bytes
    inputs: tuple[tuple[bytes, ...], ...]
    outputs: tuple[tuple[bytes, ...], ...]

    def differing(self, session: Session) -> int:
        """Bytes of outputs that differ on a board that has loaded the model."""
        count = 0
        for inputs, outputs in zip(self.inputs, self.outputs, strict=True):
            for index, data in enumerate(inputs):
                session.set_input(index, data)
            session.invoke()
            for index, data in enumerate(outputs):
                found = session.output(index)
                count += sum(a != b for a, b in zip(found, data, strict=True))
        return count


def samples_for(model: BoardModel) -> SelfTestSamples:
    """Some samples: not so many that they take long to send."""
    main = model.prepared.graph.main
    size = sum(tensor.nbytes for tensor in (*main.inputs, *main.outputs))
    count = max(1, min(_MOST_SAMPLES, _MOST_BYTES // max(size, 1)))
    arrays = random_samples(main.inputs, count, _SEED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.golden")
        golden.record(model.tflite, arrays, path, tensors="none")
        recorded = golden.load(path)
        bundle = path.read_bytes()
    return SelfTestSamples(
        bundle,
        tuple(tuple(a[i].tobytes() for a in recorded.inputs) for i in range(count)),
        tuple(tuple(a[i].tobytes() for a in recorded.outputs) for i in range(count)),
    )
