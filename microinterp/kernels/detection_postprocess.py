"""TFLite_Detection_PostProcess: box encodings and class scores to the boxes that are detections.

Decoding, in double, rounded to float32: centre = encoding / scale * anchor size + anchor centre,
half size = exp(encoding / scale) * anchor size / 2.
Non-maximum suppression takes the box of the highest score, drops all that overlap it by more than
a threshold (intersection over union), and goes on. The fast way does so once, with each box's best
class, and then lists the best classes of each box taken; the regular way does so for each class
and keeps the highest scores of all. The fast way leaves outputs behind the last detection as they
were.
Source: TFLM kernels/detection_postprocess.cc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from microinterp.custom_options import Options
from microinterp.graph import Node
from microinterp.kernels.common import require_rank, require_shape, require_type
from microinterp.prepare import Arrays, Context, Kernel, Status
from microinterp.registry import Op

Floats = npt.NDArray[np.float32]

_DETECTIONS_PER_CLASS = 100
_LARGEST_EXPONENT = math.log(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Params:
    """Options of the op.

    Attributes:
        scales: of the encodings' y, x, height and width, float64 [4].
        classes: without the background.
        background: 1 if class 0 is the background, else 0.
        per_box: classes listed for each box (fast way).
        per_class: boxes kept for each class (regular way).
        most: detections at most.
        score, overlap: thresholds, float32.
    """

    scales: npt.NDArray[np.float64]
    classes: int
    background: int
    per_box: int
    per_class: int
    most: int
    score: np.float32
    overlap: np.float32


def evaluate_fast(p: Params, arrays: Arrays) -> Status:
    """encodings [1, n, 4+], scores [1, n, classes (+ 1)], anchors [n, 4] -> detections.

    Outputs: boxes, classes and scores of the detections, and how many there are.
    """
    boxes, scores = _decoded(p, arrays)
    if not _are_sound(boxes):
        return Status.ERROR
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, : p.per_box]
    best = np.take_along_axis(scores, ranked[:, :1], axis=1)[:, 0]
    count = 0
    for box in _suppressed(p, boxes, best, p.most):
        for column in range(p.per_box):
            # TFLM counts `count` per class and multiplies it once more: there are gaps
            place = p.per_box * count + column
            kind = ranked[box, column]
            _write(arrays, place, boxes[box], kind, scores[box, kind])
            count += 1
    arrays.outputs[3].reshape(-1)[0] = count
    return Status.OK


def evaluate_regular(p: Params, arrays: Arrays) -> Status:
    """As evaluate_fast; detections that there are not are zeros."""
    boxes, scores = _decoded(p, arrays)
    if not _are_sound(boxes):
        return Status.ERROR
    found: list[tuple[np.float32, int, int]] = []
    for kind in range(p.classes):
        chosen = _suppressed(p, boxes, scores[:, kind], p.per_class)
        found.extend((scores[box, kind], box, kind) for box in chosen)
        order = np.argsort([-item[0] for item in found], kind="stable")[: p.most]
        found = [found[i] for i in order]
    for place in range(p.most):
        if place < len(found):
            score, box, kind = found[place]
            _write(arrays, place, boxes[box], kind, score)
        else:
            _write(arrays, place, np.zeros(4, np.float32), 0, np.float32(0))
    arrays.outputs[3].reshape(-1)[0] = len(found)
    return Status.OK


def _write(arrays: Arrays, place: int, box: Floats, kind: int, score: np.float32) -> None:
    boxes, kinds, scores = (out.reshape(-1) for out in arrays.outputs[:3])
    boxes[4 * place : 4 * place + 4] = box
    kinds[place] = kind
    scores[place] = score


def _decoded(p: Params, arrays: Arrays) -> tuple[Floats, Floats]:
    """Corners (ymin, xmin, ymax, xmax) [n, 4] and scores [n, classes]."""
    encodings, scores, anchors = arrays.inputs
    assert encodings is not None
    assert scores is not None
    assert anchors is not None
    wide = encodings[0, :, :4].astype(np.float64) / p.scales
    anchor = anchors.astype(np.float64)
    centres = (wide[:, :2] * anchor[:, 2:] + anchor[:, :2]).astype(np.float32)
    halves = (0.5 * _exp(wide[:, 2:]) * anchor[:, 2:]).astype(np.float32)
    corners = np.concatenate([centres - halves, centres + halves], axis=1)
    return corners, scores[0, :, p.background :]


def _exp(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By the C library: NumPy's own exp depends on the CPU."""
    values = [math.exp(v) if v <= _LARGEST_EXPONENT or v != v else math.inf for v in x.flat]
    return np.array(values).reshape(x.shape)


def _are_sound(boxes: Floats) -> bool:
    return not bool((boxes[:, :2] >= boxes[:, 2:]).any())


def _suppressed(p: Params, boxes: Floats, scores: Floats, most: int) -> list[int]:
    """The boxes that stay, the highest score first."""
    kept = np.flatnonzero(scores >= p.score)
    order = kept[np.argsort(-scores[kept], kind="stable")]
    most = min(len(order), most)
    chosen: list[int] = []
    while len(order) and len(chosen) < most:
        chosen.append(int(order[0]))
        order = order[1:]
        order = order[~(_overlaps(boxes[chosen[-1]], boxes[order]) > p.overlap)]
    return chosen


def _overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union, float32; 0 where a box has no area."""
    areas = _area(others[:, 2:] - others[:, :2])
    own = _area(box[2:] - box[:2])
    # C++'s max and min: of NaN and a number they take the first one, the box's own
    low = np.where(box[:2] < others[:, :2], others[:, :2], box[:2])
    high = np.where(others[:, 2:] < box[2:], others[:, 2:], box[2:])
    sides = high - low
    shared = _area(np.where(sides < 0, np.float32(0), sides))
    ratio = shared / (own + areas - shared)
    result: Floats = np.where((own <= 0) | (areas <= 0), np.float32(0), ratio)
    return result


def _area(sides: Floats) -> Floats:
    result: Floats = sides[..., 0] * sides[..., 1]
    return result


def prepare(node: Node, context: Context) -> Kernel:
    """TFLM checks most of this at invoke, and sizes of outputs never: it would write past them."""
    node.require_counts((3, 3), outputs=4)
    encodings, scores, anchors = (node.input(i) for i in range(3))
    require_type(node, "float32", encodings, scores, anchors, *node.outputs)
    require_rank(node, encodings, 3)
    require_rank(node, scores, 3)
    count = encodings.shape[1]
    node.require(
        encodings.shape[0] == 1 and count > 0 and encodings.shape[2] >= 4,
        f"shape {list(encodings.shape)}, wanted [1, boxes, 4 or more]",
        encodings,
    )
    require_shape(node, anchors, (count, 4))
    options = Options(node)
    classes = options.integer("num_classes")
    background = scores.shape[2] - classes
    node.require(
        scores.shape[:2] == (1, count) and classes > 0 and background in (0, 1),
        f"shape {list(scores.shape)}, wanted [1, {count}, {classes} or {classes + 1}]",
        scores,
    )
    params = _params(node, options, classes, background)
    is_regular = options.boolean("use_regular_nms", default=False)
    if is_regular:
        _check_regular(node, params, count)
        needed = params.most
    else:
        needed = _fast_places(node, params, count)
    for out, elements in zip(node.outputs, (4 * needed, needed, needed, 1), strict=True):
        node.require(out.elements >= elements, f"{out} has no room for {elements} numbers", out)
    evaluate = evaluate_regular if is_regular else evaluate_fast
    scratch = _scratch(params, count, scores.shape[2])
    return Kernel(evaluate, params, scratch=scratch, keeps_outputs=True)


def _params(node: Node, options: Options, classes: int, background: int) -> Params:
    scales = [np.float32(options.real(f"{name}_scale")) for name in "yxhw"]
    params = Params(
        scales=np.array(scales, np.float64),
        classes=classes,
        background=background,
        per_box=min(options.integer("max_classes_per_detection"), classes),
        per_class=options.integer("detections_per_class", default=_DETECTIONS_PER_CLASS),
        most=options.integer("max_detections"),
        score=np.float32(options.real("nms_score_threshold")),
        overlap=np.float32(options.real("nms_iou_threshold")),
    )
    node.require(params.most > 0, f"max_detections is {params.most}, wanted 1 or more")
    node.require(
        bool(0 < params.overlap <= 1),
        f"nms_iou_threshold is {params.overlap:g}, wanted above 0, up to 1",
    )
    return params


def _fast_places(node: Node, p: Params, count: int) -> int:
    """Places that the fast way may write, gaps included."""
    node.require(p.per_box > 0, f"max_classes_per_detection is {p.per_box}, wanted 1 or more")
    return int(p.per_box**2 * min(count, p.most))


def _check_regular(node: Node, p: Params, count: int) -> None:
    """TFLM's buffer of candidates takes the last class's detections and this class's."""
    node.require(p.per_class > 0, f"detections_per_class is {p.per_class}, wanted 1 or more")
    held = min(p.most, p.per_class * (p.classes - 1), count * (p.classes - 1))
    node.require(
        held + min(count, p.per_class) <= p.most * count,
        f"TFLM's buffers are too small for {p.most} detections of {count} boxes and "
        f"{p.classes} classes",
    )


def _scratch(p: Params, count: int, columns: int) -> tuple[int, ...]:
    """In TFLM's order: candidates, boxes, scores, then what the suppression sorts."""
    return (
        count,
        4 * 4 * count,
        4 * count * columns,
        4 * count,
        4 * count,
        4 * count * p.most,
        4 * count * p.most,
        4 * count,
        4 * count * p.most,
        4 * count * max(p.classes, p.most),
        4 * count * min(count, p.most),
    )


_EXP = "exact with glibc; a device libm may differ (exp)"
OPS = (
    Op(
        "TFLite_Detection_PostProcess",
        prepare,
        ("float32",),
        exactness=_EXP,
        float_exactness=_EXP,
        is_custom=True,
        limits=("one batch", "boxes of 4 floats"),
    ),
)
