"""The models of the benchmark: which run by default, and what the made ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.models import DIGITS, as_model, chosen_files, conv_chain, default_files, read
from microinterp import Interpreter, MicrointerpError


def test_the_digits_example_always_runs() -> None:
    assert default_files()[0] == DIGITS
    assert read(DIGITS).name == "digits_int8"
    assert all(path.exists() for path in default_files())


def test_models_are_chosen_by_name_or_by_path(tmp_path: Path) -> None:
    own = tmp_path / "own.tflite"
    own.write_bytes(conv_chain(1, 1, side=2).data)
    assert chosen_files(["digits_int8", str(own)]) == [DIGITS, own]
    assert read(own).name == "own"


def test_a_missing_file_is_a_clear_error() -> None:
    with pytest.raises(MicrointerpError, match=r"cannot read 'nowhere\.tflite': No such file"):
        read(Path("nowhere.tflite"))


def test_a_broken_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"not a model")
    with pytest.raises(MicrointerpError):
        read(tmp_path / "broken.tflite")


@pytest.mark.parametrize(("channels", "depth"), [(1, 1), (4, 3), (8, 2)])
def test_made_models_grow_as_they_say(channels: int, depth: int) -> None:
    model = conv_chain(channels, depth, side=5)
    assert model.macs == depth * 5 * 5 * 9 * channels * channels
    assert not model.stateful
    assert model.outputs == 1


def test_outputs_of_a_deep_made_model_neither_fade_nor_saturate() -> None:
    """A chain that ended in one value would compare equal whatever a runtime did in between."""
    model = conv_chain(16, 16)
    (outputs,) = Interpreter.from_bytes(model.data).run_batch(*model.samples(4))
    assert len(np.unique(outputs)) > 150
    assert np.isin(outputs, (-128, 127)).mean() < 0.5


def test_samples_are_distinct_and_the_same_every_time() -> None:
    model = read(DIGITS)
    (samples,) = model.samples(64)
    assert len({sample.tobytes() for sample in samples}) == 64
    assert samples.tobytes() == model.samples(64)[0].tobytes()


def test_state_is_seen() -> None:
    wakewords = [path for path in default_files() if "pymicro_wakeword" in str(path)]
    if not wakewords:
        pytest.skip("pymicro-wakeword is not installed")
    assert all(as_model(path.stem, path.read_bytes()).stateful for path in wakewords)
