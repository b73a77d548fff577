"""The drop-in for LiteRT: scripts run unchanged but for their import, with TFLM's numbers."""

from __future__ import annotations

import runpy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import microinterp
from microinterp.errors import InputError, ModelError, UnsupportedError
from microinterp.litert import Interpreter, OpResolverType, load_delegate
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.conftest import require_or_skip
from tests.oracle import random_samples

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits_int8.tflite"
LITERT = "from ai_edge_litert.interpreter import Interpreter"
OURS = "from microinterp.litert import Interpreter"

# The steps of LiteRT's guide to inference in Python: details, set_tensor, invoke, get_tensor.
BY_INDEX = f"""
import numpy as np
{LITERT}

interpreter = Interpreter(model_path=path)
interpreter.allocate_tensors()
inputs = interpreter.get_input_details()
outputs = interpreter.get_output_details()
shape = inputs[0]["shape"]
data = np.array(np.random.default_rng(1).integers(-128, 128, shape), dtype=inputs[0]["dtype"])
interpreter.set_tensor(inputs[0]["index"], data)
interpreter.invoke()
result = interpreter.get_tensor(outputs[0]["index"])
"""

# Its guide to signatures: a function with named arrays in and out.
BY_SIGNATURE = f"""
import numpy as np
{LITERT}

interpreter = Interpreter(model_path=path)
print(interpreter.get_signature_list())
run = interpreter.get_signature_runner("serving_default")
details = run.get_input_details()["image"]
data = np.random.default_rng(1).integers(-128, 128, details["shape"]).astype(details["dtype"])
result = run(image=data)["probabilities"]
"""

# The documentation of tensor(): views that are written and read in place.
BY_VIEW = f"""
import numpy as np
{LITERT}

interpreter = Interpreter(model_content=open(path, "rb").read(), num_threads=2)
interpreter.allocate_tensors()
input = interpreter.tensor(interpreter.get_input_details()[0]["index"])
output = interpreter.tensor(interpreter.get_output_details()[0]["index"])
data = np.random.default_rng(1).integers(-128, 128, input().shape)
for _ in range(3):
    input()[:] = data
    interpreter.invoke()
result = output().copy()
"""


def run_script(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "script.py"
    path.write_text(text)
    return runpy.run_path(str(path), {"path": str(DIGITS)})


@pytest.mark.parametrize("script", [BY_INDEX, BY_SIGNATURE, BY_VIEW])
def test_a_script_runs_with_another_import(
    tmp_path: Path, tflm: TflmRuntime, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    need_litert()
    theirs = run_script(tmp_path, script)
    printed = capsys.readouterr().out
    ours = run_script(tmp_path, script.replace(LITERT, OURS))
    assert capsys.readouterr().out == printed
    assert ours["data"].tobytes() == theirs["data"].tobytes()
    assert ours["result"].shape == theirs["result"].shape
    assert ours["result"].dtype == theirs["result"].dtype
    data = ours["data"].astype(np.int8)
    assert (
        ours["result"].tobytes() == tflm.run(DIGITS.read_bytes(), [[data]]).outputs[0][0].tobytes()
    )


def need_litert() -> None:
    if find_spec("ai_edge_litert") is None:
        require_or_skip("LiteRT", "pip install ai-edge-litert")


def test_details_are_litert_s() -> None:
    need_litert()
    from ai_edge_litert.interpreter import Interpreter as LiteRT
    from ai_edge_litert.interpreter import OpResolverType as Resolvers

    theirs = LiteRT(str(DIGITS), experimental_op_resolver_type=Resolvers.BUILTIN_REF)
    ours = Interpreter(str(DIGITS), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    theirs.allocate_tensors()
    assert_same(ours.get_input_details(), theirs.get_input_details())
    assert_same(ours.get_output_details(), theirs.get_output_details())
    tensors = len(ours.get_tensor_details())
    assert_same(ours.get_tensor_details(), theirs.get_tensor_details()[:tensors])
    assert_same(ours._get_ops_details(), theirs._get_ops_details())
    assert_same(ours.get_signature_list(), theirs.get_signature_list())
    mine, others = ours.get_signature_runner(), theirs.get_signature_runner()
    assert_same(mine.get_input_details(), others.get_input_details())
    assert_same(mine.get_output_details(), others.get_output_details())
    assert ours.num_subgraphs() == theirs.num_subgraphs()


def assert_same(ours: Any, theirs: Any) -> None:
    """Equal in value and type, all the way down."""
    if isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        assert ours.tolist() == theirs.tolist()
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other)
    else:
        assert ours == theirs
        assert type(ours) is type(theirs)


def test_every_tensor_can_be_read_and_inputs_stay() -> None:
    ours = Interpreter(DIGITS)
    ours.allocate_tensors()
    chip = microinterp.Interpreter.from_file(DIGITS, preserve_all_tensors=True)
    ((image,),) = random_samples(np.random.default_rng(5), chip.graph, 1)
    ours.set_tensor(0, image)
    chip.set_input(image, 0)
    chip.invoke()
    for _ in range(2):  # the second time with what is still there
        ours.invoke()
        for details in ours.get_tensor_details():
            index = details["index"]
            assert ours.get_tensor(index).tobytes() == chip.get_tensor(index).tobytes()
    ours.get_tensor(0)[...] = 7  # a copy
    assert ours.get_tensor(0).tobytes() == image.tobytes()


def counter() -> bytes:
    """A model that adds its input to a variable."""
    model = ModelBuilder()
    g = model.subgraph()
    x = g.input("x", (1,), "int32")
    handle = g.tensor("handle", (), "resource")
    old, new = g.tensor("old", (1,), "int32"), g.tensor("new", (1,), "int32")
    g.op("VAR_HANDLE", [], [handle], shared_name="sum")
    g.op("READ_VARIABLE", [handle], [old])
    g.op("ADD", [old, x], [new])
    g.op("ASSIGN_VARIABLE", [handle, new], [])
    g.output(new)
    return model.finish()


def test_state_is_kept_and_reset() -> None:
    ours = Interpreter(model_content=counter())
    ours.allocate_tensors()
    index = ours.get_output_details()[0]["index"]
    seen = []
    for x in (3, 4, None, 5):
        if x is None:
            ours.reset_all_variables()
            continue
        ours.set_tensor(0, np.array([x], np.int32))
        ours.invoke()
        seen.append(int(ours.get_tensor(index)[0]))
    assert seen == [3, 7, 5]


def ready() -> Interpreter:
    made = Interpreter(DIGITS)
    made.allocate_tensors()
    return made


def test_resizing_is_refused_with_the_reason() -> None:
    ours = ready()
    ours.resize_tensor_input(0, [1, 8, 8, 1])
    with pytest.raises(UnsupportedError, match="cannot be resized to \\[2, 8, 8, 1\\]") as caught:
        ours.resize_tensor_input(0, [2, 8, 8, 1])
    assert "run_batch" in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: i.set_tensor(0, np.zeros((1, 8, 8, 1), np.float32)), "takes int8, got float32"),
        (lambda i: i.set_tensor(0, np.zeros((8, 8), np.int8)), "takes shape \\[1, 8, 8, 1\\]"),
        (lambda i: i.set_tensor(99, np.zeros(1, np.int8)), "no tensor 99"),
        (lambda i: i.set_tensor(1, np.zeros(1, np.int8)), "is constant"),
        (lambda i: i.get_tensor(99), "no tensor 99"),
        (lambda i: i.get_tensor(0, 1), "no subgraph 1"),
        (lambda i: i.get_tensor_details(1), "no subgraph 1"),
        (lambda i: i.tensor(-1), "no tensor -1"),
        (lambda i: i.get_signature_runner("x"), "no signature for 'x'"),
        (lambda i: i.get_signature_runner()(picture=1), "wanted \\['image'\\]"),
    ],
)
def test_wrong_use(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(ready())
    with pytest.raises(ValueError, match=message):  # what LiteRT raises
        call(ready())


@pytest.mark.parametrize(
    "call",
    [
        lambda i: i.invoke(),
        lambda i: i.get_tensor(0),
        lambda i: i.set_tensor(0, np.zeros((1, 8, 8, 1), np.int8)),
        lambda i: i.tensor(0)(),
    ],
)
def test_tensors_are_allocated_first(call: Any) -> None:
    with pytest.raises(InputError, match="allocate_tensors"):
        call(Interpreter(DIGITS))


def test_wrong_construction() -> None:
    with pytest.raises(InputError, match="either"):
        Interpreter()
    with pytest.raises(InputError, match="either"):
        Interpreter(DIGITS, DIGITS.read_bytes())
    with pytest.raises(InputError, match="num_threads"):
        Interpreter(DIGITS, num_threads=-2)
    with pytest.raises(UnsupportedError, match="delegates"):
        Interpreter(DIGITS, experimental_delegates=[object()])
    with pytest.raises(UnsupportedError, match="delegates"):
        load_delegate("libedgetpu.so.1")
    with pytest.raises(TypeError, match="no argument 'threads'"):
        Interpreter(DIGITS, threads=2)
    with pytest.raises(ModelError):
        Interpreter(model_content=b"")
    Interpreter(DIGITS, experimental_disable_delegate_clustering=True, num_threads=-1)


def test_a_model_without_signatures() -> None:
    ours = Interpreter(model_content=counter())
    assert ours.get_signature_list() == {}
    with pytest.raises(InputError, match="no signature for no key"):
        ours.get_signature_runner()
