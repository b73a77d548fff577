"""Whatever lies in a data set, `eval` gives figures or an error of ours."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from microinterp.errors import MicrointerpError
from microinterp.evaluation import Settings, evaluate
from microinterp.images import parse_range
from microinterp.inputs import Reading
from tests.cli import copying_model
from tests.eval_data import opened

KINDS: list[tuple[tuple[int, ...], str, int]] = [  # input, type, number of inputs
    ((1, 3), "int8", 1),
    ((1, 1), "int8", 1),
    ((1, 2), "float32", 1),
    ((1, 2), "int8", 2),
    ((4,), "int16", 1),
]
MODELS = [
    copying_model(shape, dtype, *((None, None) if dtype == "float32" else (0.5, 0)), count=count)
    for shape, dtype, count in KINDS
]
TYPES = ("int8", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64", "bool")


def arrays(shapes: st.SearchStrategy[tuple[int, ...]]) -> st.SearchStrategy[Any]:
    return st.sampled_from(TYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes))


ANY = arrays(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
LABELS = hnp.arrays("int64", (3,), elements=st.integers(0, 2))
OFTEN = st.sampled_from([*[True] * 7, False])
LINES = ("a.npy,0", "a.npy,1", "a.npy,2", "file,label", '"a.npy",1', "a.npy,x", "b.npy,1", "a", "")
LISTS = st.lists(st.sampled_from(LINES[:6]) | st.sampled_from(LINES), max_size=5).map("\n".join)


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """A model and arrays, mostly of its inputs' shapes."""
    number = draw(st.integers(0, len(KINDS) - 1))
    shape, dtype, count = KINDS[number]
    fitting = hnp.arrays(dtype, (3, *shape))
    contents = {f"x{i}": draw(fitting if draw(OFTEN) else ANY) for i in range(count)}
    for name in ("y", "s"):
        if draw(OFTEN):
            contents[name] = draw(LABELS if draw(OFTEN) else ANY)
    return MODELS[number], contents


SETTINGS = st.builds(
    Settings,
    task=st.sampled_from(["auto", "auto", "classes", "values", "anomaly"]),
    output=st.sampled_from([0, 0, 0, 1]),
    k=st.sampled_from([None, 1, 3, 9]),
    against=st.sampled_from([None, "plain"]),
    piece=st.sampled_from([None, 1, 2]),
    reading=st.builds(
        Reading,
        raw=st.booleans(),
        image_range=st.sampled_from(["auto", "full", "0:1"]).map(parse_range),
    ),
)


def test_arrays() -> None:
    outcomes: Counter[str] = Counter()

    @given(
        case=cases(),
        settings=SETTINGS,
        sequences=st.sampled_from([None, None, "s", "sample"]),
    )
    def check(
        case: tuple[bytes, dict[str, Any]], settings: Settings, sequences: str | None
    ) -> None:
        model, contents = case
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "d.npz"
            np.savez(path, **contents)
            try:
                found = evaluate(model, opened(model, path, sequences=sequences), settings)
            except MicrointerpError:
                outcomes["refused"] += 1
                return
        outcomes[found.task] += 1
        assert found.samples in (1, 3, *contents["x0"].shape[:1])

    check()
    assert min(outcomes["refused"], outcomes["classes"]) > 10
    assert len(outcomes) > 2


def test_lists_of_labels() -> None:
    outcomes: Counter[str] = Counter()

    @given(LISTS.map(str.encode) | LISTS.map(str.encode) | st.binary(max_size=60))
    def check(text: bytes) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "a.npy", np.zeros((1, 3), np.int8))
            (folder / "labels.csv").write_bytes(text)
            try:
                found = evaluate(MODELS[0], opened(MODELS[0], folder))
            except MicrointerpError:
                outcomes["refused"] += 1
                return
        outcomes["evaluated"] += 1
        assert found.samples == text.decode().count("a.npy")

    check()
    assert min(outcomes["refused"], outcomes["evaluated"]) > 10
