"""`eval --against`: what differs from another runtime, counted right."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.errors import InputError, RuntimeUnavailableError
from microinterp.evaluation import Evaluation, Settings, evaluate, runners
from microinterp.evaluation.measures import agreement
from microinterp.runtimes.tflm import TflmRuntime
from tests.conftest import require_or_skip
from tests.eval_data import DIGITS_MODEL, adding_model, many_digits, npz, opened, timeless

MODEL = DIGITS_MODEL.read_bytes()


def against(folder: Path, name: str, **settings: Any) -> Evaluation:
    data = opened(MODEL, many_digits(folder / "d.npz", 200))
    return evaluate(MODEL, data, Settings(against=name, **settings))


def test_differences_by_hand() -> None:
    ours = [np.array([[1, 5], [7, 7], [0, -1]], np.int8), np.array([[1], [2], [3]], np.int16)]
    theirs = [np.array([[1, 5], [9, 8], [-3, 0]], np.int8), np.array([[1], [258], [259]], np.int16)]
    found = agreement(ours, theirs, 0)
    assert found["differing"].tolist() == [0, 3, 3]  # 258 and 259 differ in their high byte alone
    assert found["apart"].tolist() == [0, 256, 256]
    assert found["same_top"].tolist() == [True, True, False]


def test_floats_differ_by_their_bytes() -> None:
    ours, theirs = np.array([[0.0], [np.nan]], np.float32), np.array([[-0.0], [np.nan]], np.float32)
    found = agreement([ours], [theirs], 0)
    assert found["differing"].tolist() == [1, 0]
    assert found["apart"].tolist() == [0, 0]


def test_tflm_and_the_plain_kernels_are_equal(tmp_path: Path, tflm: TflmRuntime) -> None:
    for name in ("tflm", "plain"):
        found = against(tmp_path, name).agreement
        assert found is not None
        assert (found.compared_bytes, found.differing_bytes) == (2000, 0)
        assert (found.same_top, found.largest_difference) == (200, 0)
    assert timeless(against(tmp_path, "tflm", workers=2)) == timeless(against(tmp_path, "tflm"))


def test_another_profile_differs_a_little(tmp_path: Path) -> None:
    found = against(tmp_path, "host", other_profile="single").agreement
    assert found is not None
    assert 0 < found.differing_samples < 200
    assert found.differing_samples <= found.differing_bytes < 2000
    assert 1 <= found.largest_difference < 30
    assert found.against.endswith("profile single")


def test_litert(tmp_path: Path) -> None:
    if find_spec("ai_edge_litert") is None:
        require_or_skip("LiteRT", "pip install ai-edge-litert")
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    data = opened(MODEL, many_digits(tmp_path / "d.npz", 100))
    kinds = {
        "litert": OpResolverType.AUTO,
        "litert-ref": OpResolverType.BUILTIN_REF,
        "litert-noxnn": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }
    assert data.arrays is not None
    images = np.rint(data.arrays[0] * 240 - 128).astype(np.int8)
    ours = runners.Ours(MODEL, "tflm", "auto", False, None)
    (mine,), _ = ours.run([images], np.ones(100, bool))
    for name, kind in kinds.items():
        litert = Interpreter(model_content=MODEL, experimental_op_resolver_type=kind)
        litert.allocate_tensors()
        differing = 0
        for image, answer in zip(images, mine, strict=True):
            litert.set_tensor(litert.get_input_details()[0]["index"], image)
            litert.invoke()
            theirs = litert.get_tensor(litert.get_output_details()[0]["index"])
            differing += int(np.count_nonzero(theirs != answer))
        found = evaluate(MODEL, data, Settings(against=name)).agreement
        assert found is not None
        assert found.differing_bytes == differing
        assert found.against.startswith("ai-edge-litert ")


def test_without_labels_only_the_difference_is_told(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", x=np.zeros((3, 8, 8, 1), np.int8))
    found = evaluate(MODEL, opened(MODEL, path), Settings(against="plain"))
    assert (found.task, found.samples, found.classes) == ("none", 3, None)
    assert found.agreement is not None


def test_what_cannot_be_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path / "x.npz", x=np.zeros((3, 8, 8, 1), np.int8))
    data = opened(MODEL, path)
    for name in ("tensorflow", "single"):
        with pytest.raises(InputError, match=f"nothing to compare with is called '{name}'") as it:
            evaluate(MODEL, data, Settings(against=name))
        assert "--against host --other-profile" in it.value.hint

    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(runners, "import_module", missing)
    with pytest.raises(RuntimeUnavailableError, match="LiteRT is not installed"):
        runners.other("litert", MODEL, ("tflm", "single"), False, None)
    monkeypatch.setattr("microinterp.runtimes.tflm.version", lambda: None)
    with pytest.raises(RuntimeUnavailableError, match="wheel is not installed"):
        evaluate(MODEL, data, Settings(against="tflm"))


def test_litert_refuses_what_it_does_not_know() -> None:
    if find_spec("ai_edge_litert") is None:
        require_or_skip("LiteRT", "pip install ai-edge-litert")
    from tests.ops.streaming import streaming_model

    with pytest.raises(RuntimeUnavailableError, match="LiteRT says"):
        runners.other("litert", streaming_model(2, 1, 1, 2), ("tflm", "single"), True, None)


def test_litert_keeps_and_resets_state(tmp_path: Path) -> None:
    if find_spec("ai_edge_litert") is None:
        require_or_skip("LiteRT", "pip install ai-edge-litert")
    model = adding_model(once=True)
    x = np.random.default_rng(1).integers(-9, 10, (12, 2)).astype(np.int8)
    path = npz(tmp_path / "x.npz", x=x, s=np.repeat([0, 1], [5, 7]))
    for options in ({}, {"sequences": "s"}):
        data = opened(model, path, **options)
        found = evaluate(model, data, Settings(against="litert-ref")).agreement
        assert found is not None
        assert found.differing_bytes == 0
