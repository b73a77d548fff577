"""Generated modules under CPython: every byte of the arena, only small ints, only small pieces."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp.errors import UnsupportedError
from microinterp.inputs import random_samples
from microinterp.packed import PackedInterpreter
from microinterp_boards import device
from microinterp_boards.packing import BoardModel, pack_for_board
from microinterp_boards.source_form import generate as generating
from microinterp_boards.source_form.generate import MAX_PIECE, Source, generate, module_name
from microinterp_boards.source_form.install import files_of
from tests.boards.packed_builder import Packed, Subgraph, build
from tests.boards.tiny_models import dense_model
from tests.boards.viper_emulator import SMALL, BoardError, _Rewriter, _small_arithmetic
from tests.conftest import shared_model
from tests.digits import DIGITS

SIZES: Sequence[Sequence[int]] = ((1, 1), (3, 5, 2), (1, 16, 16, 1), (64, 20, 7), (300, 3))


def executed(source: Source) -> Any:
    """The module, with an error where a function leaves the small ints of a 32-bit board."""
    names: dict[str, Any] = {"_small": _small_arithmetic}
    for piece in source.pieces:
        tree = _Rewriter(only_viper=False).visit(ast.parse(piece))
        exec(compile(tree, "piece", "exec", dont_inherit=True), names)
    return SimpleNamespace(**names)


def run(module: Any, samples: Sequence[bytes]) -> list[bytes]:
    """Arenas after each sample, and the outputs."""
    found = []
    for sample in samples:
        module.set_input(sample)
        module.invoke()
        found += [bytes(module.A), module.get_output()]
    return found


def expected(model: BoardModel, samples: Sequence[np.ndarray], arena: int) -> list[bytes]:
    host, found = PackedInterpreter(model.packed), []
    for sample in samples:
        host.set_input(sample, 0)
        host.invoke()
        found += [bytes(host.memory[:arena]), host.get_output(0).tobytes()]
    return found


@pytest.mark.parametrize("per_channel", [False, True], ids=["one scale", "per channel"])
@pytest.mark.parametrize("table", [None, "TANH", "LOGISTIC"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_byte_of_the_arena(sizes: Sequence[int], table: str, per_channel: bool) -> None:
    outputs = set()
    for seed in range(3):
        model = pack_for_board(dense_model(sizes, seed, table, per_channel))
        source = generate(model.packed)
        (batch,) = random_samples(model.prepared.graph.main.inputs, 6, seed)
        found = run(executed(source), [sample.tobytes() for sample in batch])
        assert found == expected(model, list(batch), source.arena_bytes)
        outputs |= {(seed, output) for output in found[1::2]}
    assert len(outputs) > 3


def test_extreme_sums_stay_small() -> None:
    """The largest depth and bias that are let in, with the largest weights and shifts."""
    rng = random.Random("extreme")
    for taps, left in ((8256, 0), (516, 4), (64, 7), (1, 12)):
        row = -(-taps // 8) * 8
        bias = ((1 << 29) >> left) - 1 - 255 * 255 * taps
        for sign in (1, -1):
            m = (1 << 31) - 1
            table = (sign * bias).to_bytes(4, "little", signed=True)
            table += (m >> 15).to_bytes(2, "little") + (m & 32767).to_bytes(2, "little")
            table += bytes([left, 0, 0, 0])
            weights = table + bytes(4) + bytes([255 if sign > 0 else 0]) * row
            geometry = [1, 1, 1, taps, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1]
            args = [0, ~16, ~0, taps, *geometry, 0, 0, -128, 127, taps + 8]
            packed = build(
                Packed(
                    taps + 8 + row,
                    [Subgraph([("CONV", args)], [(0, "FULLY_CONNECTED", 0, 1, [(1, taps, 1)])])],
                    weights,
                    [(0, taps, 9)],
                    [(taps, 1, 9)],
                )
            )
            module, host = executed(generate(packed)), PackedInterpreter(packed)
            for fill in (bytes([127]), bytes([128]), None):
                data = rng.randbytes(taps) if fill is None else fill * taps
                host.set_input(np.frombuffer(data, np.int8).reshape(1, taps), 0)
                host.invoke()
                assert run(module, [data])[1] == host.get_output(0).tobytes()
            over = packed.replace(table[:4], (sign * (bias + 1)).to_bytes(4, "little", signed=True))
            with pytest.raises(UnsupportedError, match="FULLY_CONNECTED has no source form"):
                generate(over)


def test_the_check_of_small_ints_can_fail() -> None:
    source = Source(("def invoke():\n x = 1 << 29\n x += x\n",), 0, 0, 0, 0)
    with pytest.raises(BoardError, match=str(SMALL)):
        executed(source).invoke()


def test_hello_world_is_one_module_of_small_pieces() -> None:
    model = pack_for_board(shared_model("hello_world_int8.tflite"), "hello_world_int8")
    source = generate(model.packed)
    assert (source.steps, source.constant_bytes, source.arena_bytes) == (3, 684, 32)
    assert source.source_bytes < 3500
    files = files_of(model, source)
    assert list(files) == ["hello_world_int8.mis", "hello_world_int8.py"]
    assert files["hello_world_int8.mis"].endswith(b"0000")


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_pieces_are_small_and_plain(sizes: Sequence[int]) -> None:
    source = generate(pack_for_board(dense_model(sizes, 1, "TANH")).packed)
    assert max(map(len, source.pieces)) <= MAX_PIECE
    assert all(piece.isascii() for piece in source.pieces)
    module = executed(source)
    assert {name for name in vars(module) if not name.startswith("_")} == {
        *("A", "S", "I", "O", "H", "set_input", "invoke", "get_output")
    }


@pytest.mark.slow
def test_the_files_import_as_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = pack_for_board(dense_model((3, 5, 2)), "3-tiny")
    for name, data in files_of(model, generate(model.packed)).items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    module = __import__(module_name("3-tiny"))
    module.set_input(b"\x01\x02\x03")
    module.invoke()
    assert len(module.get_output()) == 2
    with pytest.raises(ValueError, match="input takes 3 bytes"):
        module.set_input(b"\x01")
    (tmp_path / "m3_tiny.mis").write_bytes((tmp_path / "m3_tiny.mis").read_bytes()[:-100])
    del __import__("sys").modules["m3_tiny"]
    with pytest.raises((ValueError, SyntaxError)):
        __import__("m3_tiny")


def test_other_ops_are_named() -> None:
    with pytest.raises(UnsupportedError, match="CONV_2D has no source form: only FULLY_CONN"):
        generate(pack_for_board(DIGITS / "digits_int8.tflite").packed)


def test_literals() -> None:
    rng = random.Random("literals")
    for _ in range(2000):
        data = bytes(rng.choice(b"\0\0\0\\0x9'\"\n\xff8") for _ in range(rng.randrange(30)))
        assert ast.literal_eval(device.literal(data)) == data
        parts = list(device.literals(data, 12))
        assert b"".join(map(ast.literal_eval, parts)) == data
        assert all(len(part) <= 12 for part in parts)


def test_each_text_for_the_board_is_small() -> None:
    folder = Path(generating.__file__).parent / "device"
    names = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(names) == 6
    for name in names:
        text = device.read(name, "microinterp_boards.source_form.device")
        assert len(text) <= MAX_PIECE
        assert text.startswith(f"def _{name}(")
