"""What reference and signal kernels take from the arena, and the allocator itself, by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp.arena.sizes import Layout, Table
from microinterp.arena.target_memory import TargetMemory
from microinterp.arena.target_ops import REFERENCE, Footprint, Site, int_array
from microinterp.arena.target_signal import SIGNAL
from microinterp.errors import ArenaError
from microinterp.graph import Tensor
from tests.arena_sites import CHIP, site, tensor

BASE = Table("chip", "a test", {name: CHIP[name] for name in CHIP.structs})


def buffers(made: Site) -> list[int]:
    """What Prepare keeps."""
    rows = {**REFERENCE, **SIGNAL}
    return [event for event in rows[made.node.name].events(made) if isinstance(event, int)]


def started(made: Site) -> list[int]:
    """What Init keeps behind the op's struct."""
    row = {**REFERENCE, **SIGNAL}[made.node.name]
    return row.init_buffers(made)[1 if row.data else 0 :]


def test_an_allocator_step_by_step() -> None:
    """Tail: 5 bytes take 16, then 4 more make 20, one more byte 32. Head and temporary ones: 10,
    at 12 to 20, at 24 to 40."""
    memory = TargetMemory()
    assert (memory.tail, memory.needed, dict(memory.categories)) == (0, 0, {})
    memory.persistent("a", 5)
    assert (memory.tail, memory.needed) == (16, 16)
    memory.persistent("b", 4, 4)
    assert (memory.tail, memory.needed) == (20, 20)
    memory.persistent("a", 1)
    assert (memory.tail, memory.needed, dict(memory.categories)) == (32, 32, {"a": 28, "b": 4})
    memory.resize(10)
    assert memory.needed == 42
    memory.temporary(Layout(8, 4))
    assert memory.needed == 52
    memory.temporary(Layout(8, 8), 2)
    assert memory.needed == 72
    memory.drop_temporaries()
    memory.temporary(Layout(1, 1), 31)
    assert memory.needed == 41 + 32
    memory.persistent("b", 16)
    assert memory.needed == 41 + 48
    memory.resize(3)
    memory.temporary(Layout(80, 16))
    assert memory.needed == 96 + 48
    memory.resize(96)
    memory.temporary(Layout(1, 16))
    assert memory.needed == 97 + 48
    assert (memory.tail, dict(memory.categories)) == (48, {"a": 28, "b": 20})


def test_structs_are_aligned_as_their_types() -> None:
    memory = TargetMemory()
    memory.structs("a", Layout(3, 1), 3)
    memory.structs("b", Layout(8, 8))
    memory.structs("c", Layout(5, 2), 0)
    assert dict(memory.categories) == {"a": 9, "b": 15, "c": 0}


@pytest.mark.parametrize(
    ("arena", "size", "tail"),
    [
        *((0, 1, 16), (0, 16, 16), (0, 17, 32), (5, 1, 5), (5, 5, 5), (5, 6, 21), (15, 15, 15)),
        *((15, 16, 31), (16, 1, 16), (21, 1, 5), (31, 15, 15), (32, 16, 16)),
    ],
)
def test_an_end_that_is_not_aligned(arena: int, size: int, tail: int) -> None:
    memory = TargetMemory(arena)
    memory.persistent("a", size)
    assert memory.tail == memory.needed == memory.categories["a"] == tail


def test_room_for_the_planner() -> None:
    """Both ends are aligned: 10 up to 16, three buffers of 7, and 20 up to 32."""
    memory = TargetMemory()
    memory.persistent("a", 20, 4)
    memory.resize(10)
    memory.plan_with(3, 7)
    assert memory.needed == 16 + 21 + 32
    memory.plan_with(0, 7)
    assert memory.needed == 69
    memory.temporary(Layout(30, 1))
    memory.plan_with(1, 2)
    assert memory.needed == 48 + 2 + 32


def steps(made: Site, text: str) -> list[int]:
    """Numbers of the tensors that are copied."""
    row = Footprint(steps=text)
    return [event.index for event in row.events(made) if isinstance(event, Tensor)]


def test_steps() -> None:
    """Inputs 0 to 3, of which 2 is left out, outputs 4 and 5."""
    ends = [tensor((2,), index=0), tensor((2,), index=1), None, tensor((2,), index=3)]
    outputs = tensor((2,), index=4), tensor((2,), index=5)
    for kind in ("int8", "int16", "float32"):
        made = site("X", ends, *(replace(t, type_code=tensor((), kind).type_code) for t in outputs))
        assert steps(made, "") == []
        assert steps(made, "i0 o0") == [0, 4]
        assert steps(made, "i* o*") == [0, 1, 3, 4, 5]
        assert steps(made, "i1*") == [1, 3]
        assert steps(made, "i3* i4* o1* o1") == [3, 5, 5]
        assert steps(made, "i2 i3 i9") == [3]
        assert steps(made, "i1 o0?8 i0") == ([1, 4, 0] if kind == "int8" else [1, 0])
        assert steps(made, "i1?q o1?q") == ([] if kind == "float32" else [1, 5])


def test_buffers_come_where_p_stands() -> None:
    row = Footprint(
        data="OpDataAdd", steps="i0 P o0 P", prepare=lambda site: (7, 8), init=lambda site: (3, 4)
    )
    made = site("X", [tensor((2,), index=6)], tensor((2,), index=9))
    events = [e.index if isinstance(e, Tensor) else -e for e in row.events(made)]
    assert events == [6, -7, -8, 9, -7, -8]
    assert row.init_buffers(made) == [60, 3, 4]
    assert Footprint().init_buffers(made) == []


def test_small_buffers() -> None:
    x, floats = tensor((2, 3, 5)), tensor((2, 3, 5), "float32")
    assert [int_array(CHIP, count) for count in (0, 1, 3)] == [4, 8, 16]
    for op in ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "GATHER", "GATHER_ND", "L2_POOL_2D"):
        assert buffers(site(op, [x, x], x)) == [4 + 3 * 4]
    assert buffers(site("EMBEDDING_LOOKUP", [x, x], x)) == [16, 8]
    for op, nbytes in (("ADD_N", 40), ("CUMSUM", 36), ("LOG_SOFTMAX", 28)):
        assert buffers(site(op, [x, x], x)) == [nbytes]
        assert buffers(site(op, [floats, floats], floats)) == []
    for kind, tables in (("int8", []), ("float32", []), ("int16", [1026, 1026])):
        assert buffers(site("SOFTMAX", [tensor((2,), kind)], tensor((2,), kind))) == tables
    pointers = REFERENCE["ADD_N"].scratch
    assert pointers is not None
    assert pointers(site("ADD_N", [x, x, x], x)) == (12,)


def test_channels() -> None:
    """Multipliers and shifts of 4 bytes: the first axis of filters, or the last; or scales."""
    x, w = tensor((1, 4, 4, 2)), tensor((7, 3, 2, 5))
    for op in ("CONV_2D", "TRANSPOSE_CONV"):
        assert buffers(site(op, [x, w, x], x)) == [28, 28]
    assert buffers(site("DEPTHWISE_CONV_2D", [x, w], x)) == [20, 20]
    for scales, wanted in ((0, []), (1, []), (2, [8, 8]), (5, [20, 20])):
        filters = tensor((5, 3), scales=scales)
        assert buffers(site("FULLY_CONNECTED", [x, filters], x)) == wanted
        floats = tensor((1, 3), "float32")
        assert buffers(site("FULLY_CONNECTED", [floats, filters], floats)) == []


def test_matrix_products() -> None:
    """28 for quantities, then copies of what is transposed: struct 12, shape 16, elements."""

    def kept(kind: str, adj_x: bool, adj_y: bool) -> list[int]:
        options = SimpleNamespace(AdjX=lambda: adj_x, AdjY=lambda: adj_y)
        ends = [tensor((2, 3, 5), kind), tensor((2, 5, 7), kind)]
        return buffers(site("BATCH_MATMUL", ends, tensor((3, 7), kind), options=options))

    assert kept("int8", False, True) == [28, 12]
    assert kept("int8", False, False) == [28, 12, 16, 70, 12]
    assert kept("int8", True, True) == [28, 12, 16, 30, 12]
    assert kept("int16", True, False) == [28, 12, 16, 60, 12, 16, 140, 12]
    assert kept("float32", False, True) == [12]


def test_variables() -> None:
    """ASSIGN_VARIABLE keeps the variable that it is the first to assign, of no bytes too."""
    handle, value = tensor((), "resource"), tensor((5,))
    assign = [site("ASSIGN_VARIABLE", [handle, value], makes_room=room) for room in (None, 0, 20)]
    assert [buffers(each) for each in assign] == [[], [0], [20]]
    assert started(assign[0]) == []
    table = replace(BASE, structs={**BASE.structs, "assign_variable::OpData": Layout(24, 4)})
    assert started(site("ASSIGN_VARIABLE", [handle, value], table=table)) == [24]


def encoded(kind: int, zero_points: Any = None, scales: int = 1) -> list[int]:
    """Events of TFLM_DECODE with one output: tensors as minus their number."""
    out = tensor((4,), index=3, scales=scales, zero_point=zero_points or 0)
    header = replace(tensor((4,), constant=True, index=2), data=np.array([kind, 9, 9, 9], np.uint8))
    made = site("TFLM_DECODE", [tensor((4,), index=1), header], out)
    return [-e.index if isinstance(e, Tensor) else e for e in REFERENCE["TFLM_DECODE"].events(made)]


def test_decoders() -> None:
    """A pointer, both inputs, the output, the decoder: 36, 28 or 40 bytes; zero points of prune."""
    assert encoded(0) == [4, -1, -2, -3, 36]
    assert encoded(1) == [4, -1, -2, -3, 28]
    assert encoded(2) == [4, -1, -2, -3, 40]
    assert encoded(2, 5) == [4, -1, -2, -3, 40]
    assert encoded(2, None, 6) == [4, -1, -2, -3, 40]
    assert encoded(2, 5, 6) == [4, -1, -2, -3, 40, 6]
    assert encoded(2, 5, 2) == [4, -1, -2, -3, 40, 2]
    assert encoded(1, 5, 6) == [4, -1, -2, -3, 28]
    assert encoded(2, 5, 0) == [4, -1, -2, -3, 40]


def test_decoders_of_several_outputs() -> None:
    """Pairs of inputs, in turn."""
    header = np.array([[1]], np.uint8)
    ends = [replace(tensor((1, 1), constant=True, index=i), data=header + i // 3) for i in range(4)]
    made = site("TFLM_DECODE", ends, tensor((4,), index=4), tensor((4,), index=5))
    found = [
        -e.index if isinstance(e, Tensor) else e for e in REFERENCE["TFLM_DECODE"].events(made)
    ]
    assert found == [8, 0, -1, -4, 28, -2, -3, -5, 40]


def test_circular_buffers_of_delays_and_framers() -> None:
    """A buffer of c elements: 24 bytes and twice c in int16. Pointers of 4 bytes, twice a row."""

    def delay(shape: tuple[int, ...], length: int) -> list[int]:
        x = tensor(shape, "int16")
        return buffers(site("SignalDelay", [x], x, custom={"delay_length": length}))

    assert delay((10,), 3) == [4, 4, 24 + 4 * 13]
    assert delay((10,), 0) == [4, 4, 24 + 4 * 10]
    assert delay((2, 3, 10), 7) == [24, 24] + [24 + 4 * 17] * 6

    def framer(shape: tuple[int, ...], size: int, step: int) -> list[int]:
        x = tensor(shape, "int16")
        options = {"frame_size": size, "frame_step": step}
        return buffers(site("SignalFramer", [x], x, custom=options))

    assert framer((160,), 480, 160) == [4, 4, 24 + 4 * 480]
    assert framer((160,), 481, 160) == [4, 4, 24 + 4 * 640]
    assert framer((5, 160), 400, 160) == [20, 20] + [24 + 4 * 480] * 5
    assert framer((7,), 1, 7) == [4, 4, 24 + 4 * 7]


def test_buffers_of_other_signal_ops() -> None:
    x = tensor((3, 4, 10), "int16")
    options = {"num_channels": 40, "stacker_left_context": 3, "stacker_right_context": 1}
    assert started(site("SignalStacker", [x], x, custom=options)) == [24 + 4 * 40 * 5]
    none = {"num_channels": 7, "stacker_left_context": 0, "stacker_right_context": 0}
    assert started(site("SignalStacker", [x], x, custom=none)) == [24 + 4 * 7]
    for kind, width in (("int16", 2), ("int32", 4), ("float32", 4)):
        rows = tensor((3, 4, 10), kind)
        assert buffers(site("SignalOverlapAdd", [rows], rows)) == [12] + [10 * width] * 3
    one = tensor((4, 10), "int16")
    assert buffers(site("SignalOverlapAdd", [one], one)) == [4, 20]
    assert started(site("SignalFilterBank", [x], x, custom={"num_channels": 32})) == [8 * 33]
    noise = site("SignalFilterBankSpectralSubtraction", [x], x, custom={"num_channels": 32})
    assert started(noise) == [128]


@pytest.mark.parametrize(
    ("kind", "length", "forward", "inverse"),
    [
        # the state of half the length, 268 and a twiddle of 4 bytes each but the first, then 12
        # and one and a half twiddles for each
        ("int16", 512, 268 + 4 * 255 + 12 + 4 * 384, 0),
        ("int16", 6, 268 + 4 * 2 + 12 + 4 * 4, 0),
        ("int32", 64, 272 + 8 * 31 + 12 + 8 * 48, 0),
        ("float32", 16, 272 + 8 * 7 + 12 + 8 * 12, 8),
        ("float32", 4, 272 + 8 + 12 + 8 * 3, 8),
    ],
)
def test_states_of_fourier_transforms(kind: str, length: int, forward: int, inverse: int) -> None:
    x = tensor((length,), kind)
    options = {"fft_length": length}
    assert started(site("SignalRfft", [x], x, custom=options)) == [forward]
    assert started(site("SignalIrfft", [x], x, custom=options)) == [forward + inverse]


def test_a_type_that_a_build_lacks() -> None:
    x = tensor((8,), "int8")
    with pytest.raises(ArenaError) as error:
        started(site("SignalRfft", [x], x, custom={"fft_length": 8}))
    assert error.value.message == f"table '{CHIP.name}' has no size of kiss_fft_cpx<int8>"
