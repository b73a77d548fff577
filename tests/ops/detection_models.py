"""Random models of TFLite_Detection_PostProcess, with boxes that overlap and scores that tie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from microinterp.graph import Graph
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import Sample
from tests.ops.custom import custom_options
from tests.ops.strategies import seeds


def detection_model(
    boxes: int,
    columns: int,
    anchors: npt.NDArray[Any],
    places: int,
    options: dict[str, Any],
    gaps: int = 1,
) -> bytes:
    """Encodings [1, boxes, 4], scores [1, boxes, columns]; room for `places` detections.

    Outputs: the op's own, of which places without a detection are made 0 (only the regular way
    does so itself). With `gaps`, detection i lies at place gaps * i + i % gaps.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    ins = [
        g.input("encodings", (1, boxes, 4), "float32"),
        g.input("scores", (1, boxes, columns), "float32"),
        g.constant("anchors", anchors.astype(np.float32)),
    ]
    shapes = {"boxes": (1, places, 4), "classes": (1, places), "values": (1, places), "count": (1,)}
    outs = [g.tensor(name, shape, "float32") for name, shape in shapes.items()]
    scales = {"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}
    g.custom_op("TFLite_Detection_PostProcess", ins, outs, custom_options({**scales, **options}))
    numbers = np.full((1, places), np.inf, np.float32)
    for i in range(places):
        if gaps * i + i % gaps < places:
            numbers[0, gaps * i + i % gaps] = i
    for i, (out, shape) in enumerate(list(zip(outs, shapes.values(), strict=True))[:3]):
        flat = numbers.reshape(*numbers.shape, *[1] * (len(shape) - 2))
        is_set = g.tensor(f"is_set{i}", flat.shape, "bool")
        g.op("LESS", [g.constant(f"numbers{i}", flat), outs[3]], [is_set])
        picked = g.tensor(f"picked{i}", shape, "float32")
        zero = g.constant(f"zero{i}", np.zeros(flat.shape, np.float32))
        g.op("SELECT_V2", [is_set, out, zero], [picked])
        g.output(picked)
    g.output(outs[3])
    return b.finish()


HIDDEN = ("boxes", "classes", "values", "is_set0", "is_set1", "is_set2")
"""The op's own outputs, of which TFLM leaves places unset; and what hardly varies."""


def random_anchors(rng: np.random.Generator, boxes: int) -> npt.NDArray[Any]:
    """Centres in the picture, sizes above 0."""
    return np.concatenate([rng.random((boxes, 2)), rng.uniform(0.1, 0.6, (boxes, 2))], axis=1)


@st.composite
def detections(draw: st.DrawFn) -> bytes:
    """Both ways of suppression, with and without a background class."""
    regular = draw(st.booleans())
    boxes = draw(st.integers(2, 40))
    classes, background = draw(st.integers(1, 5)), draw(st.integers(0, 1))
    most = draw(st.integers(1 if not regular or classes == 1 else 2, 12))
    per_box = draw(st.sampled_from((1, 1, 2)))
    listed = min(per_box, classes)
    places = most if regular else max(most, listed**2 * min(boxes, most))
    options: dict[str, Any] = {
        "max_detections": most,
        "max_classes_per_detection": per_box,
        "num_classes": classes,
        "nms_score_threshold": draw(st.sampled_from((0.0, 0.0, 0.3, 0.5, 0.9))),
        "nms_iou_threshold": draw(st.sampled_from((0.01, 0.3, 0.5, 0.6, 1.0))),
    }
    if regular or draw(st.booleans()):
        options["use_regular_nms"] = regular
    if draw(st.booleans()):
        options["detections_per_class"] = draw(st.integers(1, 10))
    if draw(st.booleans()):  # integers where reals are wanted, as some converters write them
        options |= {"y_scale": 10, "x_scale": 10, "h_scale": 5, "w_scale": 5}
    rng = np.random.default_rng(draw(seeds()))
    anchors = random_anchors(rng, boxes)
    gaps = 1 if regular else listed
    return detection_model(boxes, classes + background, anchors, places, options, gaps)


def pictures(rng: np.random.Generator, graph: Graph, count: int) -> Sequence[Sample]:
    """Encodings around 0; scores from 0 to 1, many of them equal."""
    samples: list[Sample] = []
    for _ in range(count):
        encodings, scores = graph.main.inputs
        steps = rng.choice([4, 16, 1 << 20])
        drawn = np.floor(rng.random(scores.shape) * steps) / steps
        spread = rng.choice([0.1, 1.0, 10.0])
        samples.append(
            [
                (rng.standard_normal(encodings.shape) * spread).astype(np.float32),
                drawn.astype(np.float32),
            ]
        )
    return samples
