"""Digits as a hand draws them: strokes of points from 0 to 1, x to the right and y downwards."""

from __future__ import annotations

import math

Point = tuple[float, float]
Stroke = list[Point]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Stroke:
    """A part of an ellipse; degrees, 0 to the right, growing clockwise on the screen."""
    turns = [math.radians(start + (end - start) * i / 12) for i in range(13)]
    return [(x + rx * math.cos(t), y + ry * math.sin(t)) for t in turns]


DIGITS: dict[int, list[Stroke]] = {
    0: [arc(0.5, 0.5, 0.22, 0.34, -90, 270)],
    1: [[(0.36, 0.3), (0.54, 0.15), (0.54, 0.85)]],
    2: [[*arc(0.5, 0.34, 0.2, 0.19, 190, 390), (0.3, 0.85), (0.74, 0.85)]],
    3: [[*arc(0.48, 0.32, 0.2, 0.17, 200, 450), *arc(0.48, 0.67, 0.22, 0.18, -90, 160)]],
    4: [[(0.5, 0.15), (0.28, 0.6), (0.75, 0.6)], [(0.62, 0.4), (0.62, 0.88)]],
    5: [[(0.7, 0.15), (0.36, 0.15), (0.33, 0.45), *arc(0.49, 0.63, 0.21, 0.2, 230, 510)]],
    6: [[(0.62, 0.14), (0.42, 0.35), *arc(0.5, 0.66, 0.2, 0.19, 200, 560)]],
    7: [[(0.28, 0.16), (0.72, 0.16), (0.45, 0.86)], [(0.36, 0.52), (0.66, 0.52)]],
    8: [[*arc(0.5, 0.32, 0.16, 0.17, 90, 450), *arc(0.5, 0.68, 0.2, 0.19, -90, 270)]],
    9: [[*arc(0.5, 0.35, 0.18, 0.19, 0, 360), (0.68, 0.35), (0.64, 0.86)]],
}
