"""TFLite_Detection_PostProcess: detections worked out by hand, boxes without area, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.errors import InputError, RuntimeUnavailableError, UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.custom import custom_model
from tests.ops.detection_models import detection_model
from tests.ops.movement import Constant, Input, assert_refused

ANCHORS = np.array([[0.5, 0.5, 1, 1], [0.5, 0.5, 1, 1], [0.5, 0.75, 1, 0.5]], np.float32)
"""y, x, height, width: two equal boxes, and the right half of them."""
SCORES = np.array([[[0, 0.9, 0.6], [0, 0.8, 0.7], [0, 0.1, 0.95]]], np.float32)
"""Background and two classes."""
OPTIONS: dict[str, Any] = {
    "max_detections": 3,
    "max_classes_per_detection": 1,
    "num_classes": 2,
    "nms_score_threshold": 0.5,
    "nms_iou_threshold": 0.6,
}
WHOLE, RIGHT, NONE = [0, 0, 1, 1], [0, 0.5, 1, 1], [0, 0, 0, 0]


def detect(
    options: dict[str, Any], places: int = 3, scores: npt.NDArray[Any] = SCORES
) -> tuple[list[Any], list[Any], list[Any], int]:
    """Boxes, classes, scores to 2 places, and the count."""
    data = detection_model(3, 3, ANCHORS, places, options)
    interpreter = Interpreter.from_bytes(data)
    interpreter.set_input(np.zeros((1, 3, 4), np.float32), 0)
    interpreter.set_input(scores, 1)
    assert interpreter.invoke() == 0
    boxes, classes, values, count = (interpreter.get_output(i) for i in range(4))
    rounded = [round(float(value), 2) for value in values[0]]
    return boxes[0].tolist(), classes[0].tolist(), rounded, int(count[0])


def test_fast_way() -> None:
    """The right half comes first; the two whole boxes overlap it by half, each other wholly."""
    assert detect(OPTIONS) == ([RIGHT, WHOLE, NONE], [1, 0, 0], [0.95, 0.9, 0], 2)
    overlapping = {**OPTIONS, "nms_iou_threshold": 0.49}
    assert detect(overlapping) == ([RIGHT, NONE, NONE], [1, 0, 0], [0.95, 0, 0], 1)
    assert detect({**OPTIONS, "nms_iou_threshold": 1.0})[3] == 3
    assert detect({**OPTIONS, "nms_score_threshold": 0.92})[3] == 1
    assert detect({**OPTIONS, "max_detections": 1})[3] == 1


def test_regular_way() -> None:
    """Class 0: 0.9 drops 0.8. Class 1: 0.95 stays, then 0.7, which drops 0.6."""
    regular = {**OPTIONS, "use_regular_nms": True}
    assert detect(regular) == ([RIGHT, WHOLE, WHOLE], [1, 0, 1], [0.95, 0.9, 0.7], 3)
    assert detect({**regular, "detections_per_class": 1}) == (
        [RIGHT, WHOLE, NONE],
        [1, 0, 0],
        [0.95, 0.9, 0],
        2,
    )


def test_equal_scores_keep_their_order() -> None:
    scores = np.full((1, 3, 3), 0.75, np.float32)
    assert detect({**OPTIONS, "nms_iou_threshold": 1.0}, scores=scores)[0] == [WHOLE, WHOLE, RIGHT]


@pytest.mark.parametrize("regular", [False, True])
def test_a_box_without_area_is_an_error(tflm: TflmRuntime, regular: bool) -> None:
    data = detection_model(3, 3, ANCHORS, 3, {**OPTIONS, "use_regular_nms": regular})
    encodings = np.zeros((1, 3, 4), np.float32)
    encodings[0, 1, 2] = -2000  # exp is 0
    interpreter = Interpreter.from_bytes(data)
    interpreter.set_input(encodings, 0)
    interpreter.set_input(SCORES, 1)
    with pytest.raises(InputError, match="cannot work with these numbers") as caught:
        interpreter.invoke()
    assert caught.value.where.op_index == 0
    with pytest.raises(RuntimeUnavailableError, match="invocation failed"):
        tflm.run(data, [[encodings, SCORES]])


def model(
    options: dict[str, Any],
    boxes: int = 3,
    columns: int = 3,
    dtype: str = "float32",
    places: int = 3,
    anchors: npt.NDArray[Any] = ANCHORS,
) -> bytes:
    scales = {f"{name}_scale": 1.0 for name in "yxhw"}
    return custom_model(
        "TFLite_Detection_PostProcess",
        [Input((1, boxes, 4), dtype), Input((1, boxes, columns), "float32"), Constant(anchors)],
        [
            Input((1, places, 4), "float32"),
            Input((1, places), "float32"),
            Input((1, places), "float32"),
            Input((1,), "float32"),
        ],
        {**scales, **options},
    )


def test_refusals() -> None:
    assert_refused(model(OPTIONS, dtype="int8"), "element type int8", 0, UnsupportedError)
    assert_refused(model(OPTIONS, boxes=2), "wanted [2, 4]", 2)
    assert_refused(model(OPTIONS, columns=4), "wanted [1, 3, 2 or 3]", 1)
    assert_refused(model(OPTIONS, places=2), "has no room for 12 numbers", 3)
    assert_refused(model({**OPTIONS, "max_detections": 0}), "max_detections is 0")
    assert_refused(model({**OPTIONS, "nms_iou_threshold": 1.5}), "nms_iou_threshold is 1.5")
    assert_refused(
        model({**OPTIONS, "max_classes_per_detection": 0}), "max_classes_per_detection is 0"
    )
    regular = {**OPTIONS, "use_regular_nms": True}
    assert_refused(model({**regular, "detections_per_class": 0}), "detections_per_class is 0")
    assert_refused(model({**regular, "max_detections": 1}), "TFLM's buffers are too small")
    missing = {name: value for name, value in OPTIONS.items() if name != "num_classes"}
    assert_refused(model(missing), "the custom options lack num_classes")


def test_gaps_must_fit() -> None:
    """With 2 classes per box TFLM leaves gaps: 3 boxes reach up to place 2 * 5 + 1."""
    two = {**OPTIONS, "max_classes_per_detection": 2}
    assert_refused(model(two, places=11), "has no room for 48 numbers", 3)
    Interpreter.from_bytes(model(two, places=12))
