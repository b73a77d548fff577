"""The models of the benchmark: real ones where they are there, committed ones, made ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from microinterp.graph import Tensor
from microinterp.inputs import random_samples
from microinterp.inspect_model import inspect_model
from microinterp.interpreter import prepare_model
from microinterp.model import contents_of
from microinterp.model_builder import ModelBuilder

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "models"
SHARED_NAMES = (
    "ic_resnet8_int8",
    "vww_96_int8",
    "kws_int8",
    "person_detect",
    "micro_speech_int8",
    "ad01_int8",
    "hello_world_int8",
    "audio_preprocessor_int8",
)
DIGITS = ROOT / "examples" / "digits" / "digits_int8.tflite"
WAKE_WORDS = ("okay_nabu", "hey_jarvis")
SEED = 20


@dataclass(frozen=True)
class BenchModel:
    """A model and what the benchmark has to know of it.

    Attributes:
        name: as the tables show it.
        data: contents of the file.
        inputs, outputs: of the main subgraph; the number of its outputs.
        macs: multiply-accumulates of one inference, as `inspect` counts them.
        stateful: an invoke depends on those before it.
    """

    name: str
    data: bytes
    inputs: tuple[Tensor, ...]
    outputs: int
    macs: int
    stateful: bool

    def samples(self, count: int) -> tuple[np.ndarray, ...]:
        """Distinct random samples, one array [count, ...] for each input."""
        return random_samples(self.inputs, count, SEED)


def as_model(name: str, data: bytes) -> BenchModel:
    prepared = prepare_model(data, kernels="plain")
    main = prepared.graph.main
    macs = inspect_model(data).macs
    return BenchModel(name, data, main.inputs, len(main.outputs), macs, prepared.is_stateful)


def default_files() -> list[Path]:
    """Files of the models that are there; those in ../shared/models are not part of the project."""
    wanted = [SHARED / f"{name}.tflite" for name in SHARED_NAMES]
    files = [DIGITS, *(path for path in wanted if path.exists())]
    if importlib.util.find_spec("pymicro_wakeword") is not None:
        folder = Path(str(resources.files("pymicro_wakeword"))) / "models"
        files += [folder / f"{name}.tflite" for name in WAKE_WORDS]
    return files


def chosen_files(names: Sequence[str]) -> list[Path]:
    """The files that `names` mean: paths, or names of those that run by default."""
    if not names:
        return default_files()
    known = {path.stem: path for path in default_files()}
    return [known.get(name, Path(name)) for name in names]


def read(path: Path) -> BenchModel:
    """The model at `path`.

    Raises:
        MicrointerpError: there is no such file, or it does not run here.
    """
    return as_model(path.stem, contents_of(path))


def conv_chain(channels: int, depth: int, side: int = 16, seed: int = 3) -> BenchModel:
    """`depth` convolutions 3x3 with `channels` in and out, on [1, side, side, channels]."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder(description=f"{depth} convolutions of {channels} channels")
    g = b.subgraph("main")
    shape = (1, side, side, channels)
    x = g.input("in", shape, "int8", scale=0.05, zero_point=-1)
    spread = 1.75 / (127 * np.sqrt(9 * channels))  # outputs as spread as inputs
    for layer in range(depth):
        values = rng.integers(-127, 128, (channels, 3, 3, channels)).astype(np.int8)
        scales = spread * rng.uniform(0.7, 1.4, channels)
        w = g.constant(f"w{layer}", values, scale=list(scales), zero_point=0, axis=0)
        bias = rng.integers(-2000, 2000, channels).astype(np.int32)
        scales = 0.05 * scales
        zeros = [0] * channels
        c = g.constant(f"b{layer}", bias, scale=list(scales), zero_point=zeros, axis=0)
        y = g.tensor(f"y{layer}", shape, "int8", scale=0.05, zero_point=-1)
        g.op("CONV_2D", [x, w, c], [y], padding="SAME", stride_h=1, stride_w=1)
        x = y
    g.output(x)
    return as_model(f"{depth} x {channels} channels", b.finish())
