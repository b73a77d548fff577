"""What goes in is not what was meant: a sound runtime fed with changed samples, wrapped as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from microinterp.compare import Account, Comparison, Told, compare
from microinterp.model_builder import ModelBuilder
from microinterp.sides import Observed, Place, Side, open_side, places_of
from microinterp.sides.host import HostSide
from tests.compare.nets import PICTURE, picture_net, pictures, random_of
from tests.compare.planting import (
    Array,
    Constant,
    Layer,
    Spec,
    chain,
    crcs,
    names,
    outputs_only,
    some_ops,
)

SCALE, ZERO = PICTURE[2], PICTURE[3]
MODEL = chain(picture_net())
Change = Callable[[Sequence[Array]], list[Array]]


class Fed:
    """A runtime whose caller hands over something else."""

    def __init__(self, side: Side, change: Change) -> None:
        self.name, self.version = side.name, f"{side.version}, fed wrongly"
        self._side, self._change = side, change

    def run(self, inputs: Sequence[Array], places: Sequence[Place] = ()) -> Observed:
        return self._side.run(self._change(inputs), places)


def one(change: Callable[[Array], Array]) -> Change:
    """Changes the only input, sample by sample and element by element, in real code's way."""
    return lambda inputs: [np.stack([change(sample) for sample in inputs[0]])]


def as_unsigned(x: Array) -> Array:
    """Firmware's uint8 buffer 0..255 holds what ours holds as -128..127."""
    raw = [(int(each) + 128) % 256 for each in x.reshape(-1)]
    return np.array(raw, np.uint8).view(np.int8).reshape(x.shape)


def channels_first(x: Array) -> Array:
    """Memory written plane by plane."""
    b, h, w, c = x.shape
    flat = [x[n, i, j, k] for n in range(b) for k in range(c) for i in range(h) for j in range(w)]
    return np.array(flat, x.dtype).reshape(x.shape)


def planes_read_as_pixels(x: Array) -> Array:
    """A picture that is NHWC already, taken for planes and interleaved."""
    b, h, w, c = x.shape
    flat = x.reshape(b, -1)
    out = np.empty_like(x)
    for n in range(b):
        for i in range(h):
            for j in range(w):
                for k in range(c):
                    out[n, i, j, k] = flat[n, (k * h + i) * w + j]
    return out


def quantised(x: Array, scale: float, zero: int) -> Array:
    """The same real values by another scale and zero point."""
    real = (x.astype(np.float32) - np.float32(ZERO)) * np.float32(SCALE)
    steps = [round(float(value) / scale) + zero for value in real.reshape(-1)]
    return np.clip(steps, -128, 127).astype(np.int8).reshape(x.shape)


def bare(x: Array) -> Array:
    """Real values cast to int8 as C does."""
    real = (x.astype(np.float64) - ZERO) * SCALE
    return np.array([int(value) for value in real.reshape(-1)], np.int8).reshape(x.shape)


@dataclass(frozen=True)
class Fault:
    """A change of inputs, and what must be said of it."""

    change: Change
    cause: str
    words: str = ""


FAULTS: Mapping[str, Fault] = {
    "uint8": Fault(one(as_unsigned), "int8-as-uint8"),
    "NCHW": Fault(one(channels_first), "nhwc-nchw", "channels come first"),
    "turned once too often": Fault(one(planes_read_as_pixels), "nhwc-nchw", "once too often"),
    "no zero point": Fault(
        one(lambda x: quantised(x, SCALE, 0)), "input-quantisation", "zero point is left out"
    ),
    "zero point's sign": Fault(
        one(lambda x: quantised(x, SCALE, -ZERO)), "input-quantisation", "wrong sign"
    ),
    "zero point -128": Fault(
        one(lambda x: quantised(x, SCALE, -128)), "input-quantisation", "a zero point of -128"
    ),
    "scale 1/255": Fault(
        one(lambda x: quantised(x, 1 / 255, -128)), "input-quantisation", "1/255 and a zero point"
    ),
    "scale 1/128": Fault(
        one(lambda x: quantised(x, 1 / 128, 0)), "input-quantisation", "1/128 and a zero point of 0"
    ),
    "scale 1/127": Fault(
        one(lambda x: quantised(x, 1 / 127, ZERO)), "input-quantisation", "a scale of 1/127"
    ),
    "real values cast": Fault(one(bare), "input-quantisation", "without scale and zero point"),
    "BGR": Fault(one(lambda x: np.stack([x[..., 2], x[..., 1], x[..., 0]], axis=-1)), "rgb-bgr"),
    "transposed picture": Fault(
        one(lambda x: np.ascontiguousarray(x.swapaxes(1, 2)).reshape(x.shape)),
        "picture-turned",
        "rows and columns",
    ),
    "upside down": Fault(one(lambda x: x[:, ::-1]), "picture-turned", "upside down"),
    "mirrored": Fault(one(lambda x: x[:, :, ::-1]), "picture-turned", "mirrored"),
    "one sample late": Fault(
        lambda inputs: [np.stack([inputs[0][max(0, i - 1)] for i in range(len(inputs[0]))])],
        "input-late",
    ),
    "never set": Fault(lambda inputs: [np.zeros_like(inputs[0])], "input-not-set"),
}
WAYS: Mapping[str, Callable[[Account], Account]] = {
    "values": lambda account: account,
    "CRC32s": crcs,
    "outputs": outputs_only,
    "the last ops": lambda account: some_ops(account, (3, 4)),
}


def account_of(model: bytes, change: Change, x: Sequence[Array], told: Sequence[Array]) -> Account:
    """Everything that a runtime tells; `told` as its inputs."""
    host = HostSide(model)
    seen = Fed(host, change).run(x, places_of(host.interpreter.prepared))
    return Account(
        "fed",
        "fed wrongly",
        len(x[0]),
        told,
        [Told(array) for array in seen.outputs],
        {place: Told(array) for place, array in seen.tensors.items()},
    )


def check(result: Comparison, fault: Fault) -> None:
    assert not result.equal
    assert names(result) == [fault.cause]
    (found,) = result.findings
    assert fault.words in found.detail
    assert (found.op, found.index) == (None, None)
    assert str(result.cause).startswith("the other side ")


@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=[pytest.mark.slow] * (w == "CRC32s")) for w in WAYS]
)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_wrong_input_is_named(fault: Fault, way: str) -> None:
    x = [pictures()]
    account = WAYS[way](account_of(MODEL, fault.change, x, x))
    check(compare(MODEL, account, x), fault)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_inputs_that_are_told_as_they_went_in(fault: Fault) -> None:
    """The other side's own account of its input shows the fault before any op."""
    x = [pictures()]
    check(compare(MODEL, account_of(MODEL, fault.change, x, fault.change(x)), x), fault)


@pytest.mark.parametrize("name", ["uint8", "NCHW", "no zero point", "BGR"])
def test_the_wheel_fed_wrongly(name: str) -> None:
    pytest.importorskip("tflite_micro")
    with open_side("tflm", MODEL) as side:
        check(compare(MODEL, Fed(side, FAULTS[name].change), [pictures()]), FAULTS[name])


def test_a_told_input_with_no_known_fault() -> None:
    """Then the input is what is described, not an op that is innocent."""
    x = [pictures()]
    noisy = x[0].copy()
    noisy[2, 0, 1, 1, 0] ^= 3
    account = account_of(MODEL, lambda inputs: [noisy], x, [noisy])
    result = compare(MODEL, account, x)
    assert result.cause is None
    assert result.evidence[0] == "1 of 540 elements of int8[1, 6, 5, 3] 'x' differ (0.19%)"
    assert "in 1 of 6 samples: 2" in result.evidence


PAIR: Spec = ((1, 5), "int8", 0.05, 4)


def pair_model() -> bytes:
    """a - b / 2, twice over, so that the order of inputs matters."""
    b = ModelBuilder()
    g = b.subgraph("main")
    first, second = g.input("a", *PAIR), g.input("b", *PAIR)
    out = g.tensor("out", (1, 5), "int8", 0.1, -3)
    g.op("SUB", [first, second], [out])
    g.output(out)
    return b.finish()


@pytest.mark.parametrize("tell", [lambda a: a, crcs, outputs_only])
def test_two_inputs_swapped(tell: Callable[[Account], Account]) -> None:
    x = [random_of(PAIR, 4, 1), random_of(PAIR, 4, 2)]
    account = tell(account_of(pair_model(), lambda inputs: [inputs[1], inputs[0]], x, x))
    assert names(compare(pair_model(), account, x)) == ["inputs-swapped"]


@pytest.mark.parametrize("number", [0, 1])
def test_one_of_two_inputs_is_named(number: int) -> None:
    x = [random_of(PAIR, 4, 1), random_of(PAIR, 4, 2)]

    def change(inputs: Sequence[Array]) -> list[Array]:
        return [as_unsigned(a) if i == number else a for i, a in enumerate(inputs)]

    result = compare(pair_model(), account_of(pair_model(), change, x, x), x)
    assert names(result) == ["int8-as-uint8"]
    assert result.findings[0].detail == f"input {number}"


@pytest.mark.parametrize("tell", [lambda a: a, outputs_only])
def test_all_inputs_in_one_way(tell: Callable[[Account], Account]) -> None:
    x = [random_of(PAIR, 4, 1), random_of(PAIR, 4, 2)]

    def change(inputs: Sequence[Array]) -> list[Array]:
        return [as_unsigned(each) for each in inputs]

    result = compare(pair_model(), tell(account_of(pair_model(), change, x, change(x))), x)
    assert names(result) == ["int8-as-uint8"]
    assert result.findings[0].detail == "all inputs"


def test_one_late_input_of_one_sample_is_no_cause() -> None:
    """A single sample cannot be late: nothing else is claimed either."""
    x = [pictures(1)]
    other = [pictures(1, seed=99)]
    account = account_of(MODEL, lambda inputs: other, x, [None])
    assert compare(MODEL, account, x).cause is None


def test_numbers_told_in_another_form() -> None:
    """Right numbers, told as uint8 or plane by plane: only the form is named."""
    x = [pictures()]
    right = account_of(MODEL, list, x, x)
    place = min(right.tensors)
    values = right.tensors[place].values
    assert values is not None
    forms = {"int8-as-uint8": as_unsigned, "nhwc-nchw": channels_first}
    for cause, form in forms.items():
        told = Told(np.stack([form(each) for each in values]))
        account = replace(right, tensors={**right.tensors, place: told})
        result = compare(MODEL, account, x)
        assert names(result) == [cause]
        assert (result.findings[0].index, result.findings[0].op) == (0, "CONV_2D")
        as_crc = replace(
            right,
            tensors={**right.tensors, place: crcs(account).tensors[place]},
        )
        assert names(compare(MODEL, as_crc, x)) == [cause]


def test_outputs_told_as_uint8() -> None:
    x = [pictures()]
    right = outputs_only(account_of(MODEL, list, x, x))
    values = right.outputs[0].values
    assert values is not None
    told = replace(right, outputs=[Told(np.stack([as_unsigned(each) for each in values]))])
    result = compare(MODEL, told, x)
    assert names(result) == ["int8-as-uint8"]
    assert result.findings[0].detail == "output 0"


def test_every_tensor_told_as_uint8() -> None:
    """A dump of unsigned bytes throughout is still one cause, at the first op."""
    x = [pictures()]
    right = account_of(MODEL, list, x, [None])
    told = {
        place: Told(np.stack([as_unsigned(each) for each in t.values]))
        for place, t in right.tensors.items()
    }
    outputs = [Told(np.stack([as_unsigned(each) for each in right.outputs[0].values]))]
    result = compare(MODEL, replace(right, tensors=told, outputs=outputs), x)
    assert names(result) == ["int8-as-uint8"]


def test_a_reused_input_buffer() -> None:
    """Firmware that fills its input once: the arena's next use of these bytes comes in."""
    x = random_of(PAIR, 1)
    x = np.repeat(x, 4, axis=0)
    layers = [
        Layer("ADD", PAIR, PAIR, (Constant(random_of(PAIR, 1, 3)[0], 0.03, 2),)),
        Layer("ADD", PAIR, PAIR, (Constant(random_of(PAIR, 1, 4)[0], 0.03, 2),)),
        Layer("ADD", PAIR, PAIR, (Constant(random_of(PAIR, 1, 5)[0], 0.03, 2),)),
    ]
    model = chain(layers)
    host = HostSide(model, kernels="plain")
    interpreter = host.interpreter
    interpreter.set_input(x[0], 0)
    rows = []
    for _ in range(len(x)):
        interpreter.invoke()
        rows.append(interpreter.get_output(0).copy())
    assert not np.array_equal(rows[0], rows[1])
    account = Account("planted", "set once", 4, [None], [Told(np.stack(rows))])
    assert names(compare(model, account, [x])) == ["input-overwritten"]
