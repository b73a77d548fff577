"""Figures of `eval`: worked by hand, and against scikit-learn on random answers."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from microinterp.evaluation import Settings, evaluate
from microinterp.evaluation.figures import Anomalies, AnomalyFigures
from microinterp.evaluation.ranking import Scores, area, area_of
from microinterp.model_builder import ModelBuilder
from tests.cli import copying_model
from tests.eval_data import npz, of_scores, opened


def test_classes_by_hand(tmp_path: Path) -> None:
    scores = [[9, 1, 0], [2, 8, 5], [5, 5, 1], [0, 4, 4]]
    found = of_scores(tmp_path, scores, [0, 2, 1, 2], k=2)
    figures = found.classes
    assert figures is not None
    assert (found.task, found.samples, found.answers) == ("classes", 4, 4)
    # Of equal scores the first counts as higher: samples 2 and 3 are answered 0 and 1.
    assert figures.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 2, 0]]
    assert (figures.correct, figures.accuracy) == (1, 0.25)
    assert (figures.k, figures.top_k) == (2, 1.0)
    # Class 0: 9 against 2, 5, 0. Class 1: 5 against 1, 8, 4. Class 2: 5, 4 against 0, 1.
    assert figures.class_auc == (1.0, 2 / 3, 1.0)
    assert figures.auc == (1 + 2 / 3 + 1) / 3


def test_top_k_counts_equal_scores_of_lower_classes_first(tmp_path: Path) -> None:
    def within(k: int) -> float | None:
        figures = of_scores(tmp_path, [[7, 7, 7, 7]] * 4, [0, 1, 2, 3], k=k).classes
        assert figures is not None
        return figures.top_k

    assert [within(k) for k in (1, 2, 3, 4, 9)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_an_output_of_one_element_says_yes_or_no(tmp_path: Path) -> None:
    # Scale 0.5: raw 1 is the real value 0.5, the usual threshold.
    scores = [[-9], [0], [1], [2]]
    figures = of_scores(tmp_path, scores, [0, 1, 0, 1]).classes
    assert figures is not None
    assert figures.confusion.tolist() == [[1, 1], [1, 1]]
    assert figures.auc == 0.75
    higher = of_scores(tmp_path, scores, [0, 1, 0, 1], threshold=0.75).classes
    assert higher is not None
    assert higher.confusion.tolist() == [[2, 0], [1, 1]]
    assert higher.auc == 0.75


def test_figures_that_are_not_defined_are_none(tmp_path: Path) -> None:
    figures = of_scores(tmp_path, [[1, 2], [2, 1]], [1, 1]).classes
    assert figures is not None
    assert figures.auc is None
    assert figures.class_auc == (None, None)
    partly = of_scores(tmp_path, [[1, 2, 0], [2, 1, 0]], [1, 0]).classes
    assert partly is not None
    assert partly.class_auc == (1.0, 1.0, None)
    assert partly.auc == 1.0


def test_nan_is_the_lowest_score(tmp_path: Path) -> None:
    figures = of_scores(tmp_path, [[math.nan, -5], [1, math.nan]], [1, 0], dtype="float32").classes
    assert figures is not None
    assert figures.correct == 2


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes_equal_scikit_learn(tmp_path: Path, dtype: str, classes: int) -> None:
    rng = np.random.default_rng(classes)
    y = rng.integers(0, classes, 300)
    scores = rng.normal(size=(300, classes)) + 1.2 * np.eye(classes)[y]
    raw = np.clip(scores * 20 + 100, 0, 127) if dtype != "float32" else np.round(scores, 1)
    raw = raw.astype(dtype)
    figures = of_scores(tmp_path, raw, y, dtype, k=2).classes
    assert figures is not None
    answers = raw.argmax(axis=1)
    assert figures.accuracy == metrics.accuracy_score(y, answers)
    assert np.array_equal(figures.confusion, metrics.confusion_matrix(y, answers))
    for c in range(classes):
        wanted = metrics.roc_auc_score(y == c, raw[:, c].astype(float))
        assert figures.class_auc[c] == pytest.approx(wanted, rel=1e-12)
    assert figures.auc is not None
    if classes == 2:
        assert figures.auc == figures.class_auc[1]
    else:
        assert figures.auc == pytest.approx(np.mean([a for a in figures.class_auc if a]), rel=1e-12)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
        lambda pairs: len({kind for _, kind in pairs}) == 2
    )
)
def test_area_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    positive = [score for score, kind in pairs if kind]
    negative = [score for score, kind in pairs if not kind]
    won = sum(Fraction((p > n) * 2 + (p == n), 2) for p in positive for n in negative)
    wanted = float(won / (len(positive) * len(negative)))
    scores, kinds = (np.array(column) for column in zip(*pairs, strict=True))
    assert area_of(scores, kinds) == wanted
    counts = [np.bincount(np.array(s) + 3, minlength=7) for s in (positive, negative)]
    assert area(*counts) == wanted
    for dtype in ("int8", "int16"):  # counted, and kept
        gathered = Scores(1, dtype)
        for number in reversed(range(2)):
            part = slice(number * len(pairs) // 2, (number + 1) * len(pairs) // 2)
            gathered.add(number, scores[part, None].astype(dtype), kinds[part, None])
        assert gathered.area(0) == wanted


def test_counts_do_not_overflow() -> None:
    half = np.array([10**9, 0]), np.array([0, 10**9])
    assert area(*half) == 0.0
    assert area(*reversed(half)) == 1.0


def values_of(folder: Path, answers: Any, targets: Any) -> Any:
    rows = np.asarray(answers, np.int8)
    model = copying_model((1, rows.shape[1]))
    data = opened(model, npz(folder / "v.npz", x=rows[:, None], y=np.asarray(targets)))
    return evaluate(model, data, Settings(task="values")).values


def test_values_by_hand(tmp_path: Path) -> None:
    # Real answers are 1, 2, 3 and -1 (scale 0.5); they are off by 0, 2, 0.5 and 1.
    figures = values_of(tmp_path, [[2, 4], [6, -2]], [[1.0, 0.0], [2.5, 0.0]])
    assert figures.mean_absolute_error == 3.5 / 4
    assert figures.root_mean_squared_error == math.sqrt(5.25 / 4)
    assert figures.largest_error == 2.0


def test_values_equal_scikit_learn(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    answers, targets = rng.integers(-128, 128, (500, 4)), rng.normal(size=(500, 4)) * 40
    figures = values_of(tmp_path, answers, targets)
    real = answers * 0.5
    assert figures.mean_absolute_error == pytest.approx(
        metrics.mean_absolute_error(targets, real), rel=1e-12
    )
    assert figures.root_mean_squared_error == pytest.approx(
        metrics.root_mean_squared_error(targets.ravel(), real.ravel()), rel=1e-12
    )
    assert figures.largest_error == np.abs(targets - real).max()


def test_sums_are_rounded_once(tmp_path: Path) -> None:
    """0.1 is not a binary fraction: adding it up in floats would show."""
    model = copying_model((1, 1))
    x = np.zeros((1000, 1, 1), np.int8)
    data = opened(model, npz(tmp_path / "v.npz", x=x, y=np.full(1000, 0.1)))
    figures = evaluate(model, data).values
    assert figures is not None
    assert figures.mean_absolute_error == 0.1
    assert sum([0.1] * 1000) / 1000 != 0.1


def test_anomalies_by_hand(tmp_path: Path) -> None:
    """The output is half of the input, so an input x is off by x / 2 in real values."""
    rows = np.array([[1, 1], [3, 1], [2, 6], [4, 4]], np.int8)
    model = halving_model()
    y = np.array([0, 1, 0, 1])
    figures = evaluate(
        model, opened(model, npz(tmp_path / "a.npz", x=rows, y=y)), anomaly()
    ).anomaly
    assert figures is not None
    errors = (rows * 0.5 / 2) ** 2
    means = errors.mean(axis=1)
    assert means.tolist() == [0.0625, 0.3125, 1.25, 1.0]
    assert figures.auc == 0.5  # 0.3125 and 1.0 against 0.0625 and 1.25
    assert (figures.normal, figures.anomalous) == (2, 2)
    assert (figures.normal_error, figures.anomalous_error) == (1.3125 / 2, 1.3125 / 2)


def test_anomalies_by_sequence(tmp_path: Path) -> None:
    rows = np.array([[2, 2], [6, 6], [4, 4], [8, 8]], np.int8)
    model = halving_model()
    path = npz(tmp_path / "a.npz", x=rows, y=np.array([0, 0, 1, 1]), clip=np.array([5, 5, 2, 2]))
    found = evaluate(model, opened(model, path, sequences="clip"), anomaly())
    assert found.sequences == 2
    figures = found.anomaly
    assert figures is not None
    assert (figures.normal, figures.anomalous, figures.auc) == (1, 1, 1.0)
    assert figures.normal_error == (0.25 + 2.25) / 2
    assert figures.anomalous_error == (1.0 + 4.0) / 2
    alone = evaluate(model, opened(model, path), anomaly()).anomaly
    assert alone is not None
    assert (alone.auc, alone.by_sequence) == (0.75, False)


def test_samples_of_one_file_are_scored_alone_unless_it_is_a_sequence(tmp_path: Path) -> None:
    model = halving_model()
    for name, rows in (("normal", [[2, 2], [6, 6]]), ("anomaly", [[4, 4], [8, 8], [8, 8]])):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "clip.npy", np.array(rows, np.int8))
    for sequences, counts in ((None, (2, 3)), ("file", (1, 1))):
        data = opened(model, tmp_path, sequences=sequences)
        for piece in (1, 2):
            settings = Settings(task="anomaly", piece=piece)
            figures = evaluate(model, data, settings).anomaly
            assert figures is not None
            assert (figures.normal, figures.anomalous) == counts


def test_no_answers_at_all_give_no_figures() -> None:
    gathered = Anomalies()
    gathered.add(0, {"error": np.zeros(0)}, np.zeros(0), None)
    assert gathered.figures() == AnomalyFigures(None, False, 0, 0, None, None)


def anomaly() -> Settings:
    return Settings(task="anomaly")


def halving_model() -> bytes:
    """int8 [2], scale 0.5 -> the same integers at scale 0.25: half of the value."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2,), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (2,), "int8", scale=0.25, zero_point=0)
    half = g.constant("half", np.array([1], np.int8), scale=0.5, zero_point=0)
    g.op("MUL", [x, half], [y])
    g.output(y)
    return b.finish()
