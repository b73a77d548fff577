"""Opens a data set of any kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from microinterp.errors import InputError, printable_path
from microinterp.evaluation.arrays import open_arrays, read_array
from microinterp.evaluation.data import Data
from microinterp.evaluation.folders import open_folder
from microinterp.graph import Tensor


def open_data(
    paths: Sequence[str],
    inputs: Sequence[Tensor],
    truth: str | None = None,
    sequences: str | None = None,
) -> Data:
    """Open a data set.

    Args:
        paths: one folder, one .npz, or a .npy or .csv file for each input.
        inputs: the model's.
        truth: where the labels are, see `open_arrays`; for a folder a file with one per sample.
        sequences: which samples follow each other, see `open_arrays` and `open_folder`.

    Raises:
        InputError: nothing to read, or what is there does not fit the model.
    """
    if not paths or not inputs:
        raise InputError("got no data" if inputs else "the model has no inputs to be given data")
    if not os.path.isdir(paths[0]):
        return open_arrays(paths, inputs, truth, sequences)
    name = printable_path(paths[0])
    if len(paths) > 1 or len(inputs) > 1:
        raise InputError(
            f"'{name}' is a folder, which has one input for each sample; the model has "
            f"{len(inputs)}, and there are {len(paths)} paths",
            hint="give a model with several inputs one .npz file",
        )
    data = open_folder(paths[0], sequences)
    if truth is None:
        return data
    labels = read_array(truth)
    if not labels.ndim or len(labels) != len(data):
        got = len(labels) if labels.ndim else "one number"
        raise InputError(
            f"{name}: {len(data)} files, but {got} labels in '{printable_path(truth)}'"
        )
    return replace(data, labels=labels)
