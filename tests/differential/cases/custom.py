"""Random models of CIRCULAR_BUFFER and TFLite_Detection_PostProcess."""

from __future__ import annotations

from tests.differential.case import Case
from tests.ops.custom import signals
from tests.ops.detection_models import HIDDEN, detections, pictures
from tests.ops.streaming import streams

CASES = (
    Case("CIRCULAR_BUFFER", "int8", streams(), samples=8, draw=signals),
    Case(
        "TFLite_Detection_PostProcess",
        "float32",
        detections(),
        samples=4,
        draw=pictures,
        hidden=HIDDEN,
    ),
)
