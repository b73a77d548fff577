"""RESIZE_BILINEAR pixel by pixel: int8 in whole numbers, float32 rounded after every step."""

from __future__ import annotations

import math

from tests.spec_ops.movement import Shape, float32, places, position

ONE = 1024


def int_place(i: int, size: int, outputs: int, align: bool, half: bool) -> tuple[int, int, int]:
    """Lower and upper neighbour, and the place in steps of 1/1024."""
    scale = (ONE * size + outputs // 2) // outputs
    if align and outputs > 1:
        scale = (ONE * (size - 1) + (outputs - 1) // 2) // (outputs - 1)
    place = i * scale
    if half:
        place += scale // 2 - ONE // 2
    return max(place // ONE, 0), min(math.ceil(place / ONE), size - 1), place


def resize_int(
    values: list[int], shape: Shape, height: int, width: int, align: bool, half: bool
) -> list[int]:
    batches, rows, columns, channels = shape
    out = []
    for b, y, x, c in places((batches, height, width, channels)):
        y0, y1, at_y = int_place(y, rows, height, align, half)
        x0, x1, at_x = int_place(x, columns, width, align, half)
        down, right = at_y - ONE * y0, at_x - ONE * x0

        def pixel(row: int, column: int, b: int = b, c: int = c) -> int:
            return values[position((b, row, column, c), shape)]

        total = (
            pixel(y0, x0) * (ONE - down) * (ONE - right)
            + pixel(y1, x0) * down * (ONE - right)
            + pixel(y0, x1) * (ONE - down) * right
            + pixel(y1, x1) * down * right
        )
        away = (abs(total) + (1 << 19)) >> 20
        out.append(away if total > 0 else -away)
    return out


def float_place(i: int, size: int, outputs: int, align: bool, half: bool) -> tuple[int, int, float]:
    scale = float32(size / outputs)
    if align and outputs > 1:
        scale = float32((size - 1) / (outputs - 1))
    place = float32(i * scale)
    if half:
        place = float32(float32((i + 0.5) * scale) - 0.5)
    return max(math.floor(place), 0), min(math.ceil(place), size - 1), place


def resize_float(
    values: list[float], shape: Shape, height: int, width: int, align: bool, half: bool
) -> list[float]:
    batches, rows, columns, channels = shape
    out = []
    for b, y, x, c in places((batches, height, width, channels)):
        y0, y1, at_y = float_place(y, rows, height, align, half)
        x0, x1, at_x = float_place(x, columns, width, align, half)
        down, right = float32(at_y - y0), float32(at_x - x0)
        up, left = float32(1 - down), float32(1 - right)
        total = 0.0
        corners = (
            (y0, x0, up, left),
            (y1, x0, down, left),
            (y0, x1, up, right),
            (y1, x1, down, right),
        )
        for number, (row, column, high, wide) in enumerate(corners):
            value = values[position((b, row, column, c), shape)]
            term = float32(float32(value * high) * wide)
            total = term if number == 0 else float32(total + term)
        out.append(total + 0.0)
    return out
