"""Names of a model's classes, for the commands that show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from microinterp.errors import InputError, printable_path
from microinterp.files import read_bytes
from microinterp.graph import Tensor

_LIMIT = 1 << 20


def labels_for(model: str, given: str | None, outputs: Sequence[Tensor]) -> list[str]:
    """Labels from the file given, or from NAME.labels.txt beside NAME.tflite; else none.

    Raises:
        InputError: the file cannot be read, or has another number of labels than any output has
            elements; an output of one element has two, for no and yes.
    """
    beside = Path(model).with_suffix(".labels.txt")
    if given is None and not beside.is_file():
        return []
    path = given if given is not None else str(beside)
    text = read_bytes(path, _LIMIT).decode("utf-8-sig", "backslashreplace")
    labels = text.strip("\n").splitlines()
    sizes = [tensor.elements for tensor in outputs]
    if len(labels) not in sizes and not (len(labels) == 2 and 1 in sizes):
        raise InputError(
            f"'{printable_path(path)}' has {len(labels)} labels, the model's outputs have "
            f"{', '.join(map(str, sizes)) or 'no'} elements",
            hint="one label per line, in the order of the outputs",
        )
    return labels
