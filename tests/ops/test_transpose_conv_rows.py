"""Which transposed convolutions CMSIS-NN's ring of sums gets wrong, and why, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.kernels.transpose_conv import Window, _wrong_rows

ONE = Window(1, 1, 1, 0, length=4, outputs=4)


def window(size: int, stride: int, before: int, length: int, pixels: int) -> Window:
    return Window(size, stride, 1, before, length=length, outputs=pixels)


@pytest.mark.parametrize(
    ("height", "width", "depth", "words"),
    [
        (window(3, 1, 1, 4, 4), ONE, 16, ""),
        (window(2, 2, 1, 4, 4), ONE, 16, "a padding of 1 rows for a stride of 2"),
        (window(2, 2, 1, 4, 4), ONE, 17, ""),  # deep ones of small strides take another kernel
        (window(3, 3, 1, 4, 4), ONE, 17, "a padding of 1 rows for a stride of 3"),
        (window(2, 2, 0, 9, 4), ONE, 16, "8 rows are written, the output has 9"),
        (window(1, 1, 2, 1, 3), ONE, 16, "rows of pixels that meet no row of the output"),
        (ONE, window(2, 2, 0, 9, 4), 16, "9 columns of which pixels reach 8"),
        (ONE, window(2, 3, 0, 9, 3), 16, "a scratch buffer that is too small for the stride"),
        (ONE, window(3, 3, 0, 9, 3), 16, ""),
    ],
)
def test_what_goes_wrong(height: Window, width: Window, depth: int, words: str) -> None:
    geometry: Any = SimpleNamespace(height=height, width=width)
    assert _wrong_rows(geometry, depth) == words
