"""Whatever lies in a data set, `eval` gives figures or an error of ours."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from microinterp.errors import MicrointerpError
from microinterp.evaluation import Settings, evaluate
from microinterp.images import parse_range
from microinterp.inputs import Reading
from tests.cli import copying_model
from tests.eval_data import opened

MODELS = [
    copying_model((1, 3)),
    copying_model((1, 1)),
    copying_model((1, 2), "float32", None, None),
    copying_model((1, 2), count=2),
    copying_model((4,), "int16"),
]
TYPES = ("int8", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64", "bool")


def arrays(shapes: st.SearchStrategy[tuple[int, ...]]) -> st.SearchStrategy[Any]:
    return st.sampled_from(TYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes))


ANY = arrays(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
LABELS = hnp.arrays("int64", st.just((3,)), elements=st.integers(-1, 4)) | ANY
FITTING = [
    hnp.arrays(dtype, (3, *shape))
    for shape, dtype in (((1, 3), "int8"), ((1, 1), "int8"), ((1, 2), "float32"), ((4,), "int16"))
]
SAMPLES = st.one_of(*FITTING, ANY)
SETTINGS = st.builds(
    Settings,
    task=st.sampled_from(["auto", "classes", "values", "anomaly"]),
    output=st.integers(0, 1),
    k=st.sampled_from([None, 1, 3, 9]),
    against=st.sampled_from([None, "plain"]),
    piece=st.sampled_from([None, 1, 2]),
    reading=st.builds(
        Reading,
        raw=st.booleans(),
        image_range=st.sampled_from(["auto", "full", "0:1"]).map(parse_range),
    ),
)


@given(
    model=st.sampled_from(MODELS),
    contents=st.fixed_dictionaries(
        {"x0": SAMPLES}, optional={"x1": SAMPLES, "y": LABELS, "s": LABELS}
    ),
    settings=SETTINGS,
    sequences=st.sampled_from([None, None, "s", "sample"]),
)
def test_arrays(
    model: bytes, contents: dict[str, Any], settings: Settings, sequences: str | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.npz"
        np.savez(path, **contents)
        try:
            found = evaluate(model, opened(model, path, sequences=sequences), settings)
        except MicrointerpError:
            event("refused")
            return
    event(found.task)
    assert found.samples in (1, 3, *contents["x0"].shape[:1])


@given(st.binary(max_size=60) | st.text("a.npyb,01\n\"'", max_size=60).map(str.encode))
def test_lists_of_labels(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "a.npy", np.zeros((1, 3), np.int8))
        (folder / "labels.csv").write_bytes(text)
        try:
            found = evaluate(MODELS[0], opened(MODELS[0], folder))
        except MicrointerpError:
            return
    assert found.samples == text.decode().count("a.npy")
