"""How well the recipe does on writers that it has not seen, without touching the test part.

    python validate.py

Leaves out two or three writers of the train part, trains on the others, quantises, and tests on
those left out, for each of three groups of writers and two seeds. Whoever changes anything in
the recipe looks at this number. Writes validate.log.
"""

from __future__ import annotations

from pathlib import Path

import dataset
import network
import numpy as np
from network import Array
from quantise import quantise, run_int8
from threadpoolctl import threadpool_limits
from train import accuracy, train, write_log

HERE = Path(__file__).resolve().parent
SEEDS = (0, 1)


def validate(fold: slice, seed: int) -> tuple[Array, Array]:
    """Outputs of the float and of the int8 network for the images of a fold left out."""
    images, labels = dataset.load(dataset.TRAIN)
    left_out = np.zeros(len(images), bool)
    left_out[fold] = True
    layers = train(images[~left_out], labels[~left_out], seed)
    outputs = network.forward(layers, dataset.to_real(images[left_out]))
    return outputs, run_int8(quantise(layers, images[~left_out]), images[left_out])


def main() -> None:
    """Print accuracies per fold and over all."""
    _, labels = dataset.load(dataset.TRAIN)
    lines, all_outputs, all_labels = [], [], []
    for seed in SEEDS:
        for fold in dataset.WRITER_FOLDS:
            with threadpool_limits(1):
                outputs = validate(fold, seed)
            all_outputs.append(outputs)
            all_labels.append(labels[fold])
            on_float, on_int8 = (accuracy(o, labels[fold]) for o in outputs)
            where = f"seed {seed}, images {fold.start} to {fold.stop - 1} left out"
            lines.append(f"{where}: float32 {on_float}, int8 {on_int8}")
    joined = np.concatenate(all_labels)
    for kind, outputs in zip(("float32", "int8"), zip(*all_outputs, strict=True), strict=True):
        lines.append(f"together, {kind}: {accuracy(np.concatenate(outputs), joined)}")
    write_log(HERE / "validate.log", lines)


if __name__ == "__main__":
    main()
