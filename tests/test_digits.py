"""The committed digits model: what its files hold, how well it does, that its script makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import golden
from microinterp.model import load
from microinterp.runtimes.tflm import TflmRuntime
from microinterp.verify import verify
from tests.conftest import require_or_skip
from tests.digits import DIGITS, script

INT8 = DIGITS / "digits_int8.tflite"
FLOAT = DIGITS / "digits_float.tflite"
WEIGHTS = DIGITS / "digits_float.npz"


@pytest.fixture(scope="module")
def test_part() -> Any:
    """The committed test images and labels."""
    return np.load(DIGITS / "test_images.npz")


@pytest.fixture(scope="module")
def dataset() -> Any:
    """The script dataset.py, where scikit-learn, which carries the data, is installed."""
    try:
        import sklearn.datasets  # noqa: F401
    except ImportError:
        require_or_skip("scikit-learn", "pip install scikit-learn")
    return script("dataset")


@pytest.fixture(scope="module")
def int8_outputs(tflm: TflmRuntime, test_part: Any) -> npt.NDArray[np.int8]:
    """TFLM's answers of the int8 model to all test images, [899, 10]."""
    pixels = test_part["images"].astype(np.int16)
    samples = [[(15 * image[None] - 128).astype(np.int8)] for image in pixels]
    return np.concatenate([out[0] for out in tflm.run(INT8.read_bytes(), samples).outputs])


def logged(outputs: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> str:
    """Accuracy as the logs write it, computed here on its own."""
    right = sum(int(np.argmax(row)) == label for row, label in zip(outputs, labels, strict=True))
    return f"{right / len(labels):.2%} ({right} of {len(labels)})".replace("%", " %")


def test_sizes_of_the_files() -> None:
    assert INT8.stat().st_size < 16_000
    assert FLOAT.stat().st_size < 40_000
    assert WEIGHTS.stat().st_size < 40_000


@pytest.mark.parametrize("path", [INT8, FLOAT], ids=lambda path: path.stem)
def test_the_file_is_sound_and_readable(path: Any) -> None:
    model = load(path.read_bytes())
    assert verify(model) == []
    (graph,) = model.subgraphs
    names = [tensor.name for tensor in graph.tensors]
    assert len(set(names)) == len(names)
    assert [names[i] for i in graph.inputs] == ["image"]
    assert [names[i] for i in graph.outputs] == ["probabilities"]
    layers = script("network").digits_network(seed=0)
    assert [names[i] for op in graph.operators for i in op.outputs] == [a.name for a in layers]


def test_readme_counts_parameters_and_macs() -> None:
    network = script("network")
    layers = network.digits_network(seed=0)
    rows = (DIGITS / "README.md").read_text(encoding="utf-8").splitlines()
    cells = {row.split("|")[1].strip(): row for row in rows if row.startswith("| ")}
    total_parameters = total_macs = 0
    shapes = network.shapes(layers)
    for layer, given, made in zip(layers, shapes, shapes[1:], strict=False):
        parameters = sum(w.size for w in layer.parameters.values())
        macs = layer.macs(given)
        shape = " x ".join(map(str, made))
        assert f"{layer.op} | {shape} | {parameters} | {macs} |" in cells[layer.name]
        total_parameters += parameters
        total_macs += macs
    assert f"| {total_parameters} | {total_macs} |" in cells["together"]


def test_test_images_are_the_last_899_of_scikit_learn(test_part: Any) -> None:
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    images, labels = sklearn_datasets.load_digits(return_X_y=True)
    assert sorted(test_part.files) == ["images", "labels"]
    assert test_part["images"].dtype == np.uint8
    assert test_part["images"].shape == (899, 8, 8, 1)
    np.testing.assert_array_equal(test_part["images"].reshape(899, 64), images[-899:])
    assert test_part["labels"].dtype == np.int64
    np.testing.assert_array_equal(test_part["labels"], labels[-899:])


def test_int8_accuracy_in_tflm(int8_outputs: Any, test_part: Any) -> None:
    labels = test_part["labels"]
    assert np.mean(int8_outputs.argmax(axis=1) == labels) >= 0.95
    measured = logged(int8_outputs, labels)
    log = (DIGITS / "quantise.log").read_text(encoding="utf-8")
    assert f"int8 in TensorFlow Lite Micro, test part: {measured}" in log
    assert measured in (DIGITS / "README.md").read_text(encoding="utf-8")


def test_float_model_in_tflm_and_what_int8_costs(
    tflm: TflmRuntime, int8_outputs: Any, test_part: Any
) -> None:
    labels = test_part["labels"]
    reals = test_part["images"].astype(np.float32) / 16
    outputs = tflm.run(FLOAT.read_bytes(), [[image[None]] for image in reals]).outputs
    probabilities = np.concatenate([out[0] for out in outputs])
    measured = logged(probabilities, labels)
    log = (DIGITS / "train.log").read_text(encoding="utf-8")
    assert f"float32, test part: {measured}" in log
    assert measured in (DIGITS / "README.md").read_text(encoding="utf-8")
    float_right = np.mean(probabilities.argmax(axis=1) == labels)
    int8_right = np.mean(int8_outputs.argmax(axis=1) == labels)
    assert abs(float_right - int8_right) <= 0.005


def test_quantiser_makes_the_committed_int8_file(dataset: Any) -> None:
    network, quantise = script("network"), script("quantise")
    images, _ = dataset.load(dataset.TRAIN)
    layers = network.load_weights(WEIGHTS, np.float64)
    assert quantise.quantise(layers, images) == INT8.read_bytes()


def test_exporter_makes_the_committed_float_file() -> None:
    layers = script("network").load_weights(WEIGHTS)
    assert script("export").float_file(layers) == FLOAT.read_bytes()


def test_train_and_test_part_share_no_image(dataset: Any) -> None:
    train, test = (dataset.load(part)[0] for part in (dataset.TRAIN, dataset.TEST))
    assert len(train) == 898
    assert len(test) == 899
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}
    covered = [i for fold in dataset.WRITER_FOLDS for i in range(1797)[fold]]
    assert covered == list(range(1797)[dataset.TRAIN])


def test_the_committed_golden_outputs(test_part: Any) -> None:
    """TFLM's answers, and what each of its ops wrote, to the committed test images."""
    bundle = DIGITS / "digits_tflm.golden"
    loaded = golden.load(bundle)
    assert loaded.header.runtime == "tflm"
    image = golden.sound_graph(INT8.read_bytes()).main.inputs[0]
    steps = np.rint(test_part["images"] / 16 / float(image.scale)) + image.zero_point
    pixels = steps.clip(-128, 127).astype(np.int8)
    np.testing.assert_array_equal(loaded.inputs[0][:, 0], pixels)
    result = golden.check(INT8.read_bytes(), bundle)
    assert result.equal
    assert (result.samples, result.compared_bytes, result.compared_crcs) == (899, 8990, 8990)
