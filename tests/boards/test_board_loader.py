"""What the board refuses to load, and where models lie in its memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.boards.packed_builder import INT8, Packed, Subgraph, build
from tests.boards.step_reference import Step
from tests.boards.test_board_interpreter import inverter, on_board
from tests.boards.unix_port import SETS, Job, run_jobs, run_script
from tests.marks import slow

STEP = Subgraph([("LUT", [0, 16, 4, ~0])])


def refusals(files: list[bytes], folder: Path, arena: int = 32) -> list[str]:
    """The error of each model in the bytecode tier; the loader is the same in both."""
    outcomes = run_jobs([Job(file, bytes(arena)) for file in files], "bytecode", folder)
    return [outcome.error for outcome in outcomes]


def test_files_that_are_no_packed_model(tmp_path: Path) -> None:
    good = build(inverter())
    flat = bytearray(good)
    flat[4:8] = b"TFL3"
    cut = good[:-100]
    far = bytearray(good)
    far[0:4] = (1 << 31).to_bytes(4, "little")
    wanted = [
        (b"", "not a packed model"),
        (b"\0" * 64, "not a packed model"),
        (bytes(flat), "this is a .tflite file: pack it on the host (microinterp pack)"),
        (cut, "model file is damaged or cut: byte"),
        (good[:9], "model file is damaged or cut: byte"),
        (bytes(far), "model file is damaged or cut: byte"),
    ]
    for error, (_, text) in zip(refusals([f for f, _ in wanted], tmp_path), wanted, strict=True):
        assert error.startswith(f"ModelError: {text}")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": 2}, "packed for format 2, this runtime reads 1"),
        ({"version": 0}, "packed for format 0, this runtime reads 1"),
        ({"tier": "m55"}, "packed for 'm55', this runtime reads 'portable'"),
        ({"profile": "single"}, "packed for 'single', this runtime reads 'tflm'"),
        ({"arena_bytes": 33}, "arena has 32 bytes, the model needs 33: 1 short"),
        ({"inputs": [(30, 4, INT8)]}, "input 0: tensor at 30..34 outside of 32 bytes"),
        ({"outputs": [(0, 4, 5)]}, "output 0: type 5"),
        ({"state": [(32, 1, 0, True)]}, "state at 32..33 outside of 32 bytes"),
        ({"subgraphs": []}, "model: no subgraph"),
        ({"subgraphs": [Subgraph([("NEW", [1])])]}, "subgraph 0 step 0: code 255 is not known"),
        (
            {"subgraphs": [Subgraph([("COPY", [0, 1])])]},
            "subgraph 0 step 0 COPY: 2 arguments, wanted 3",
        ),
        (
            {"subgraphs": [STEP, Subgraph([("COPY", [0, 1, 32])])]},
            "subgraph 1 step 0 COPY: destination at 1..33 outside of 32 bytes",
        ),
        (
            {"subgraphs": [Subgraph([*STEP.steps, ("CALL_ONCE", [0, 0])])]},
            "subgraph 0 step 1 CALL_ONCE: runs subgraph 0",
        ),
        slow({"subgraphs": [Subgraph([("COPY", [0, 0, 1])] * 4097)]}, "too many steps"),
    ],
)
def test_models_for_another_runtime_or_damaged(
    change: dict[str, object], text: str, tmp_path: Path
) -> None:
    packed = replace(inverter(), **change)  # type: ignore[arg-type]
    (error,) = refusals([build(packed)], tmp_path)
    assert error.startswith("ModelError: ")
    assert error.endswith(text)


def filter_args(**changes: int) -> list[int]:
    """A CONV of one pixel of one channel: x at 0, dst at 1, patch at 8."""
    names = "x w table dst n ih iw ic oh ow oc kh kw sh sw dh dw pt pl groups zx zo lo hi patch"
    sizes = dict.fromkeys(names.split()[4:20], 1) | {"pt": 0, "pl": 0}
    args = {"x": 0, "w": ~0, "table": ~16, "dst": 1, **sizes}
    args |= {"zx": 0, "zo": 0, "lo": -128, "hi": 127, "patch": 8}
    assert changes.keys() <= args.keys()
    return list((args | changes).values())


HUGE, MOST = 2**31 - 1, 2**29 - 1
BAD_CONVS: list[tuple[dict[str, int], str]] = [
    ({"x": 40}, "source at 40..41 outside of 40 bytes"),
    ({"x": -HUGE - 1}, f"weights at {HUGE}..{HUGE + 1} outside of 32 bytes"),
    ({"w": 0}, "constant at -1..7 outside of 32 bytes"),
    ({"w": ~30}, "constant at 30..38 outside of 32 bytes"),
    ({"w": ~2}, "constant not aligned"),
    ({"table": ~24}, "constant at 24..36 outside of 32 bytes"),
    ({"dst": -1}, "destination at -1..0 outside of 40 bytes"),
    ({"patch": 33}, "destination at 33..41 outside of 40 bytes"),
    ({"n": 0}, f"argument 5 is 0, wanted 1 to {MOST}"),
    ({"n": HUGE}, f"argument 5 is {HUGE}, wanted 1 to {MOST}"),
    ({"ic": 2**28, "ih": 2**28}, f"source at 0..{2**56} outside of 40 bytes"),
    ({"groups": 2}, "groups"),
    ({"sh": 0}, f"argument 14 is 0, wanted 1 to {MOST}"),
    ({"sh": 2**28, "oh": 3, "dst": 2}, "window reaches too far"),
    ({"pt": -1}, f"argument 18 is -1, wanted 0 to {MOST}"),
    ({"pl": 2**29 - 1}, "window reaches too far"),
    ({"zx": 128}, "argument 21 is 128, wanted -128 to 127"),
    ({"lo": 5, "hi": 4}, "clamp limits"),
    ({"hi": 200}, "argument 24 is 200, wanted -128 to 127"),
]


def in_place_args(**changes: int) -> list[int]:
    """A DEPTHWISE_IN_PLACE of one pixel of one channel: x at 0, scratch at 8."""
    args = filter_args(dst=8)[:-1]
    names = "x w table scratch n ih iw ic oh ow oc kh kw sh sw dh dw pt pl multiplier"
    for name, value in changes.items():
        args[names.split().index(name)] = value
    return args


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (("CONV", [*filter_args(), 2]), "CONV: argument 26 is 2, wanted 0 to 1"),
        (("CONV", [*filter_args(n=2), 1]), "CONV: order"),
        (("CONV", [*filter_args(), 0, 0]), "CONV: 27 arguments, wanted 25"),
        (("LUT", [0, 16, 4, ~0, 0]), "LUT: 5 arguments, wanted 4"),
        (("DEPTHWISE_IN_PLACE", [*in_place_args(), 0]), "25 arguments, wanted 24"),
        (("DEPTHWISE_IN_PLACE", in_place_args(x=~0)), "destination at -1..0 outside"),
        (("DEPTHWISE_IN_PLACE", in_place_args(n=2)), "IN_PLACE: shape"),
        (("DEPTHWISE_IN_PLACE", in_place_args(oh=2)), "IN_PLACE: shape"),
        (("DEPTHWISE_IN_PLACE", in_place_args(scratch=40)), "scratch at 40..41 outside"),
    ],
)
def test_orders_and_steps_in_place(step: Step, text: str, tmp_path: Path) -> None:
    good = [("CONV", [*filter_args(), 1]), ("DEPTHWISE_IN_PLACE", in_place_args())]
    steps = [Subgraph([each]) for each in (*good, step)]
    files = [build(Packed(40, [each], bytes(32))) for each in steps]
    *fine, error = refusals(files, tmp_path, 40)
    assert fine == ["", ""]
    assert text in error


@pytest.mark.parametrize(("change", "text"), BAD_CONVS)
def test_arguments_of_a_filter(change: dict[str, int], text: str, tmp_path: Path) -> None:
    step = ("CONV", filter_args(**change))
    (error,) = refusals([build(Packed(40, [Subgraph([step])], bytes(32)))], tmp_path, 40)
    assert error == f"ModelError: subgraph 0 step 0 CONV: {text}"


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("MOVE", [0, 20, 4, *[1] * 4, 3, *[4] * 4, -4, *[4] * 5], "source at -8..4 outside"),
        ("MOVE", [8, 20, 4, *[1] * 4, 4, *[4] * 4, -4, *[4] * 5], "source at -4..12 outside"),
        ("MOVE", [8, 20, 4, *[1] * 4, 4, *[4] * 4, 4, *[4] * 4, 8], "destination at 20..48"),
        ("MOVE", [0, 0, 8, 2, 2, 2, 1, 1, *[0] * 10], "more bytes than the arena has"),
        ("MOVE", [0, 0, 1, *[2**28] * 5, *[0] * 10], "more bytes than the arena has"),
        ("MOVE", [0, 0, 1, 2, 1, 1, 1, 1, HUGE, *[0] * 9], f"source at 0..{HUGE + 1} outside"),
        ("FILL", [0, 10, 8, 1], "element size"),
        ("FILL", [0, 11, 4, 1], "destination at 0..44"),
        ("LUT", [0, 0, 1, ~0], "constant at 0..256"),
        ("MAX_POOL", [0, 20, 1, 4, 4, 1, 1, 1, 2, 2, 1, 1, 2, 0, 0, 1], "window"),
        ("MAX_POOL", [0, 20, 1, 2, 2, 1, 2, 1, 2, 2, 3, 1, 0, 0, 0, 1], "window"),
        ("MEAN", [0, 20, 1, 4, 1, 2**29, 0, 0, 0, 0], "sum too wide"),
        ("MEAN", [0, 20, 1, 4, 1, 0, 65536, 0, 0, 0], "argument 7 is 65536, wanted 0 to 65535"),
        ("MEAN", [0, 20, 1, 4, 1, 0, 0, 0, 21, 0], "sum too wide"),
        ("ADD", [0, 0, 4, 4, 8, 4, 20, 0, 0, *[0] * 9, 0, 0, 0], "argument 2 is 0"),
        ("ADD", [0, 4, 4, 4, 8, 4, 21, 0, 0, *[0] * 9, 0, 0, 0], "argument 7 is 21"),
        ("ADD", [0, 4, 4, 4, 8, 4, 20, 0, 0, 0, 0, 1, *[0] * 6, 0, 0, 0], "argument 12 is 1"),
        ("MUL", [0, 4, 4, 4, 8, 4, 0, 0, 0, 0, 14, 0, 0, 0], "argument 11 is 14"),
        ("SOFTMAX", [0, 20, 1, 2048, ~0], "depth"),
        ("SOFTMAX", [0, 20, 1, 4, ~0], "constant at 0..1024"),
        ("DEQUANTIZE", [0, 4, 2, 3, 0, 0, 1 << 23], "type"),
        ("DEQUANTIZE", [0, 4, 2, 1, 0, 0, 0], "argument 7 is 0"),
        ("DEQUANTIZE", [0, 4, 2, 1, 0, 0, -1], "argument 7 is -1"),
    ],
)
def test_arguments_of_other_steps(name: str, args: list[int], text: str, tmp_path: Path) -> None:
    (error,) = refusals([build(Packed(40, [Subgraph([(name, args)])], bytes(32)))], tmp_path, 40)
    assert error.startswith(f"ModelError: subgraph 0 step 0 {name}: {text}")


def test_what_tables_say(tmp_path: Path) -> None:
    """Channel tables and exp tables lie in the weights, and are checked too."""

    def conv(table: bytes, **changes: int) -> bytes:
        step = ("CONV", filter_args(**changes))
        return build(Packed(40, [Subgraph([step])], bytes(16) + table))

    softmax = ("SOFTMAX", [0, 4, 1, 4, ~0])
    one = b"\xff\xff\xff\x7f"
    tables = [bytes(1024), one + bytes(1019) + b"\x80", b"\xfe" + one[1:] + bytes(1020)]
    cases = [
        (conv(bytes(8) + b"\x1f\0\0\0"), "shift"),
        (conv(bytes(8) + b"\0\x20\0\0"), "shift"),
        (conv(bytes(8) + b"\1\1\0\0"), "shift"),
        (conv(bytes(7) + b"\x80\0\0\0\0"), "multiplier"),
        (conv(b"\0\0\0\x20" + bytes(8)), "accumulator too wide for the bytecode tier"),
        (conv(b"\0\0\0\x80" + bytes(8)), "accumulator too wide for the bytecode tier"),
        (conv(bytes(8) + b"\x0e\0\0\0"), "accumulator too wide for the bytecode tier"),
        *[
            (build(Packed(40, [Subgraph([softmax])], table)), text)
            for table, text in zip(tables, ("exp of 0", "exp table", "exp of 0"), strict=True)
        ],
    ]
    errors = refusals([file for file, _ in cases], tmp_path, 40)
    for error, (_, text) in zip(errors, cases, strict=True):
        assert error.endswith(f": {text}")


def test_work_is_bounded(tmp_path: Path) -> None:
    """Sub-graphs that call each other twice would work 2^n times as much as there are steps."""
    calls = [Subgraph([("CALL_ONCE", [i + 1, 0]), ("CALL_ONCE", [i + 1, 1])]) for i in range(30)]
    packed = Packed(32, [*calls, Subgraph([("COPY", [0, 4, 16])])])
    (error,) = refusals([build(packed)], tmp_path)
    assert error.endswith("CALL_ONCE: too much work")


@pytest.mark.parametrize("tier", SETS)
def test_too_little_memory_says_how_much(tier: str, tmp_path: Path) -> None:
    script = """
try:
    Interpreter.from_file("m.mipk")
except MemoryError as error:
    answer = str(error)
"""
    large_arena = replace(inverter(), arena_bytes=300_000)
    large_file = replace(inverter(), weights=bytes(300_000))
    for packed, what, size in (
        (large_arena, "arena", 300_000),
        (large_file, "model file", len(build(large_file))),
    ):
        text = on_board(script, packed, tier, tmp_path, heap="200K")
        numbers = [int(word) for word in text.replace(":", "").split() if word.isdigit()]
        assert text.startswith(f"{what} needs {size} bytes in one piece, the largest free piece")
        assert numbers[0] - numbers[1] == numbers[2]
        assert 100_000 < numbers[1] < 200 * 1024


def varint(value: int) -> bytes:
    """As ROMFS writes numbers: 7 bits a byte, the highest first."""
    data = [value & 127]
    while value := value >> 7:
        data.insert(0, value & 127 | 128)
    return bytes(data)


def romfs(name: str, data: bytes, at: int) -> bytes:
    """An image of one file, whose bytes begin at a multiple of 16, plus `at`."""

    def record(kind: int, payload: bytes) -> bytes:
        return varint(kind) + varint(len(payload)) + payload

    for padding in range(64):
        head = record(1, bytes(padding))
        file = varint(len(name)) + name.encode() + record(2, data)
        body = head + record(5, file)
        image = b"\xd2\xcd\x31" + varint(len(body)) + body
        if image.index(data) % 16 == at:
            return image
    raise AssertionError


MAPPED = """
import gc
import vfs
with open("rom.img", "rb") as file:
    image = bytearray(file.read())
vfs.mount(vfs.VfsRom(image), "/rom")
it = Interpreter.from_file("/rom/m")
it = None
gc.collect()
before = gc.mem_alloc()
it = Interpreter.from_file("/rom/m")
gc.collect()
used = gc.mem_alloc() - before
it.set_input(bytes([1, 2, 3, 4]), 0)
it.invoke()
answer = [used, list(bytes(it.output_view(0)))]
"""


@pytest.mark.parametrize("tier", SETS)
@pytest.mark.parametrize("at", [0, 13])
def test_a_mapped_file_is_used_in_place(at: int, tier: str, tmp_path: Path) -> None:
    """Unless it lies where viper cannot read words: then it is copied."""
    packed = inverter()
    packed.weights += bytes(100_000)
    (tmp_path / "rom.img").write_bytes(romfs("m", build(packed), at))
    used, output = on_board(MAPPED, packed, tier, tmp_path)
    assert output == [254, 253, 252, 251]
    if tier == "viper" and at:
        assert 100_000 < used < 110_000
    else:
        assert used < 4000


def test_a_missing_file(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from microinterp import Interpreter\n"
        "try:\n    Interpreter.from_file('nothing')\nexcept OSError as e:\n    print(e.errno)\n"
    )
    assert run_script(script, [], "bytecode", tmp_path).strip() == "2"
